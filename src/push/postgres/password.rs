//! The user and the password of a target: from the environment, a credential of systemd or a password file, as `psql` finds
//! them. Never from a file of the project.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use secrecy::zeroize::Zeroizing;
use spotify_client::state::credential_path;

use crate::input_file;
use crate::target::{ServerAddress, ServerHost};

/// A longer file was not written by a person.
const MAX_BYTES: u64 = 64 * 1024;

/// The user to connect as.
pub(super) fn user(address: &ServerAddress) -> Option<String> {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    address.user.clone().or_else(|| variable("PGUSER")).or_else(|| {
        let user = nix::unistd::User::from_uid(nix::unistd::geteuid()).ok().flatten();
        user.map(|user| user.name)
    })
}

/// The password, if there is one. The error says which file cannot be used.
pub(super) fn find(target: &str, address: &ServerAddress, user: &str) -> Result<Option<Zeroizing<String>>, String> {
    if let Ok(password) = std::env::var("PGPASSWORD")
        && !password.is_empty()
    {
        return Ok(Some(Zeroizing::new(password)));
    }
    if let Some(folder) = std::env::var_os("CREDENTIALS_DIRECTORY") {
        let name = format!("cratedigger_target_{target}");
        let path = credential_path(&folder, &name).map_err(|e| format!("failed to read the credential {name}: {e}"))?;
        if let Some(path) = path {
            let text = read(&path)?;
            return Ok(Some(Zeroizing::new(text.trim_end_matches(['\n', '\r']).to_owned())));
        }
    }
    let named = std::env::var_os("PGPASSFILE").map(PathBuf::from);
    let usual = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".pgpass"));
    let Some(path) = named.clone().or_else(usual) else { return Ok(None) };
    let metadata = match path.metadata() {
        Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        metadata => metadata.map_err(|e| format!("failed to read {}: {e}", path.display()))?,
    };
    if metadata.mode() & 0o077 != 0 {
        return Err(format!("other users can read {}; run `chmod 600 {0}`", path.display()));
    }
    let host = match &address.host {
        ServerHost::Network(host) => host.clone(),
        ServerHost::Socket(folder) => folder.display().to_string(),
    };
    let is_socket = matches!(address.host, ServerHost::Socket(_));
    let text = read(&path)?;
    let port = address.port.to_string();
    let found = text.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let [of_host, of_port, of_database, of_user, password] = fields(line)?;
        let fits = |pattern: &str, value: &str| pattern == "*" || pattern == value;
        let is_host = fits(&of_host, &host) || is_socket && of_host == "localhost";
        let is_ours = is_host && fits(&of_port, &port) && fits(&of_database, &address.database) && fits(&of_user, user);
        is_ours.then_some(Zeroizing::new(password))
    });
    Ok(found)
}

fn read(path: &Path) -> Result<Zeroizing<String>, String> {
    let failed = |why: String| format!("failed to read {}: {why}", path.display());
    let file = input_file::open_file(path).map_err(|e| failed(e.to_string()))?;
    let bytes = input_file::read_limited(&file, MAX_BYTES).map_err(|e| failed(e.to_string()))?;
    String::from_utf8(bytes).map(Zeroizing::new).map_err(|_| failed("it is not UTF-8".into()))
}

/// The five fields of a line: a colon or backslash in a field has a backslash before it.
fn fields(line: &str) -> Option<[String; 5]> {
    let mut fields: [String; 5] = Default::default();
    let (mut place, mut escaped) = (0, false);
    for c in line.chars() {
        match c {
            _ if escaped => {
                fields[place].push(c);
                escaped = false;
            }
            '\\' => escaped = true,
            ':' if place < 4 => place += 1,
            _ => fields[place].push(c),
        }
    }
    (place == 4).then_some(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_password_file_are_split() {
        let of = |line: &str| fields(line).map(|fields| fields.join("|"));
        assert_eq!(of("db:5432:*:me:a\\:b\\\\c:d").as_deref(), Some("db|5432|*|me|a:b\\c:d"));
        assert_eq!(of("db:5432:music:me"), None);
    }
}
