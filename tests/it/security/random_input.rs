//! Random files of ids and searches, and random pasted answers. (JSON answers and cursors: `arbitrary_input`; job files:
//! `arbitrary_job_files`; Retry-After: `retry`; crontab lines: `job::schedule`; cells of CSVs: `export::render`; ids and links: `id`.)

use chrono::Utc;
use cratedigger::job::{FetchSource, load};
use cratedigger::settings::{Project, Settings};
use cratedigger::signin::answer::{CallbackAnswer, parse_pasted};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use secrecy::{ExposeSecret, SecretString};
use spotify_client::state::grants::{PendingSignIn, SignInFlow};

use crate::support::random_cases;

const ID: &str = "4Z8W4fKeB5YxbbsqsVdVSj";

fn runner(usual: u32) -> TestRunner {
    TestRunner::new(Config { cases: random_cases(usual), failure_persistence: None, ..Config::default() })
}

/// Bytes that are close to a CSV file.
fn csv_bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => prop::sample::select(vec![
            ID, "spotify:track:4Z8W4fKeB5YxbbsqsVdVSj", "id", "uri", "query", "isrc", "QZSBX2600001", ",", ";", "\t", "\"",
            "\n", "\r\n", "\u{feff}", "sep=", "\0", "é", " ",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..4),
    ];
    let start = prop::sample::select(vec![&b""[..], b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf"]);
    (start, prop::collection::vec(piece, 0..40)).prop_map(|(start, pieces)| [start.to_vec(), pieces.concat()].concat())
}

#[test]
fn random_input_files_are_read_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("jobs")).unwrap();
    let write = |name: &str, text: &[u8]| std::fs::write(folder.path().join("jobs").join(name), text).unwrap();
    write("ids.toml", b"[[fetch]]\nstream = \"tracks\"\nids_file = \"a.csv\"\n");
    write("named.toml", b"[[fetch]]\nstream = \"tracks\"\nids_file = \"a.csv\"\nids_column = \"uri\"\n");
    write("users.toml", b"[[fetch]]\nstream = \"user_playlists\"\nids_file = \"a.csv\"\n");
    write("search.toml", b"[[fetch]]\nstream = \"search\"\nqueries_file = \"a.csv\"\n");
    write("filled.toml", b"[[fetch]]\nstream = \"search\"\nqueries_file = \"a.csv\"\nquery = \"x {id}\"\n");
    let (project, settings) = (Project::at(folder.path()), Settings::built_in());
    let done = runner(300).run(&csv_bytes(), |bytes| {
        write("a.csv", &bytes);
        let loaded = load(&project, &settings, &[]);
        prop_assert_eq!(loaded.jobs.len() + loaded.broken.len(), 5, "each is a job or is broken");
        prop_assert_eq!(loaded.broken.is_empty(), !loaded.has_errors());
        for job in &loaded.jobs {
            match &job.fetches[0].source {
                FetchSource::Ids(ids) => {
                    let read = job.fetches[0].ids_file.as_ref().unwrap();
                    prop_assert_eq!(read.ids, ids.len());
                    prop_assert!(!ids.is_empty() && read.first_skipped.len() <= read.skipped);
                }
                FetchSource::Searches(searches) => {
                    prop_assert!(searches.iter().all(|search| search.chars().count() <= 250));
                }
                other => return Err(TestCaseError::fail(format!("{other:?}"))),
            }
        }
        Ok(())
    });
    done.unwrap();
}

#[test]
fn pasted_code_needs_its_state() {
    let pending = PendingSignIn {
        user: "home".into(),
        redirect_uri: "http://127.0.0.1:8888/callback".into(),
        flow: SignInFlow::Pkce,
        scopes: Vec::new(),
        replace: false,
        state: SecretString::from("the-state"),
        verifier: None,
        created_at: Utc::now(),
        known_grant_at: None,
    };
    let issuer = url::Url::parse("https://accounts.spotify.com").unwrap();
    let text = prop_oneof![
        any::<String>(),
        "(https?://)?(127\\.0\\.0\\.1|localhost|evil\\.example)(:[0-9]{1,6})?/(callback|x)?[?#](code|state|error|x)=[a-z%-]{0,12}(&(code|state|error|x)=(the-state|[a-z%-]{0,12})){0,3}",
        "[?&#]?(code|state)=(the-state|[a-zA-Z0-9%]{0,20})(&(code|state)=(the-state|[a-z]{0,9})){0,2}",
    ];
    let done = runner(2_000).run(&text, |text| {
        match parse_pasted(&text, &pending, &issuer) {
            Ok(CallbackAnswer::Code(code)) => {
                prop_assert!(text.contains("the-state"), "{:?}", text);
                prop_assert!(!code.expose_secret().is_empty());
            }
            Ok(CallbackAnswer::Denied(why)) => {
                prop_assert!(why.len() <= 64 && text.contains("the-state"), "{:?}", text)
            }
            Err(error) => {
                // What was pasted may be a secret.
                let said = error.to_string();
                prop_assert!(text.trim().len() < 12 || !said.contains(text.trim()), "{}", said);
            }
        }
        Ok(())
    });
    done.unwrap();
}
