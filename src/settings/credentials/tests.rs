use super::*;
use secrecy::ExposeSecret;

fn project(env_file: &str) -> (tempfile::TempDir, Project) {
    let dir = tempfile::tempdir().expect("a folder");
    if !env_file.is_empty() {
        std::fs::write(dir.path().join(".env"), env_file).expect("a file");
    }
    let project = Project::at(dir.path());
    (dir, project)
}

fn env<'a>(vars: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
    move |name| vars.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned())
}

#[test]
fn environment_overrides_the_env_file() {
    let (_dir, project) =
        project("# mine\nexport SPOTIFY_CLIENT_ID=\"from-file\"\nSPOTIFY_CLIENT_SECRET='s3cret' # x\nOTHER\\=1=\n");
    let found = find_with(&project, env(&[("SPOTIPY_CLIENT_ID", "py")])).expect("credentials");
    assert_eq!(found.client_id, "from-file");
    assert_eq!(found.secret().unwrap().expose_secret(), "s3cret");
    let found = find_with(&project, env(&[("SPOTIFY_CLIENT_ID", "shell")])).expect("credentials");
    assert_eq!((found.client_id.as_str(), found.client_id_from.as_str()), ("shell", "$SPOTIFY_CLIENT_ID"));
    assert!(!format!("{found:?}").contains("s3cret"));
}

#[test]
fn a_missing_one_names_its_variable() {
    let (_dir, project) = project("SPOTIFY_CLIENT_ID=x\nSPOTIFY_CLIENT_SECRET=\n");
    let error = find_with(&project, env(&[])).unwrap().secret().map(|_| ()).expect_err("no secret");
    assert_eq!(
        error.to_string(),
        "no client secret: SPOTIFY_CLIENT_SECRET is not set in the environment, and its value in .env is empty"
    );
    assert!(error.hint().starts_with("fill in both lines of .env"));
    std::fs::write(&project.env_file, "SPOTIFY_CLIENT_ID=\n").expect("a file");
    let error = find_with(&project, env(&[])).expect_err("no id");
    assert!(error.to_string().contains("SPOTIFY_CLIENT_ID is not set in the environment, and its value"), "{error}");
    std::fs::remove_file(&project.env_file).expect("a file");
    let error = find_with(&project, env(&[])).expect_err("no id");
    assert_eq!(error.to_string(), "no client id: SPOTIFY_CLIENT_ID is set neither in the environment nor in .env");
}

#[test]
fn files_and_systemds_folder_are_read() {
    let (dir, project) = project("");
    std::fs::write(dir.path().join("spotify_client_secret"), "sss\n").expect("a file");
    std::fs::write(dir.path().join("id.txt"), "iii\n").expect("a file");
    let folder = dir.path().display().to_string();
    let vars = [("CREDENTIALS_DIRECTORY", folder.as_str()), ("SPOTIFY_CLIENT_ID_FILE", "id.txt")];
    let found = find_with(&project, env(&vars)).expect("credentials");
    assert_eq!((found.client_id.as_str(), found.secret().unwrap().expose_secret()), ("iii", "sss"));
    let error = find_with(&project, env(&[("SPOTIFY_CLIENT_ID_FILE", "gone.txt")])).expect_err("no file");
    assert!(error.to_string().contains("$SPOTIFY_CLIENT_ID_FILE (gone.txt)"), "{error}");
}

#[test]
fn invalid_value_is_refused_and_not_shown() {
    let (_dir, project) = project("");
    let error = find_with(&project, env(&[("SPOTIFY_CLIENT_ID", "top secret")])).expect_err("blank");
    assert!(!error.to_string().contains("top"), "{error}");
}
