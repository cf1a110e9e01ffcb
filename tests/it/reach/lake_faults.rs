//! Whatever happens to a push or to the folder of a lake, the next push leaves equal tables.

use rustix::fs::FlockOperation;
use serde_json::json;

use super::lake::add_lake;
use super::lake_reader::{all_files, alter_manifest, assert_lake_equal, manifest, named_files};
use super::push::{change, filled};
use crate::support::has_bytes;
use crate::support::strace::{At, Blow, can_inject};
use crate::support::world::World;

#[test]
fn files_of_killed_pushes_are_taken_over() {
    let world = filled();
    let root = add_lake(&world, "after = \"never\"");
    world.cli(&["push"]).exits(0);
    change(&world);
    let before = std::fs::read(root.join("_cratedigger.json")).unwrap();
    world.cli(&["push"]).exits(0);
    let first = all_files(&root);
    // As if the push had been killed before it could write the manifest.
    let killed = |then: &dyn Fn()| {
        std::fs::write(root.join("_cratedigger.json"), &before).unwrap();
        then();
        world.cli(&["push"]).exits(0);
        assert_lake_equal(&world, &root);
    };
    killed(&|| ());
    assert_eq!(all_files(&root), first, "equal files are taken over");
    // A file with that name and other content is not read, and not overwritten.
    let added = named_files(&root).into_iter().find(|path| !has_bytes(&before, path));
    let added = added.unwrap();
    killed(&|| std::fs::write(root.join(&added), "half a file").unwrap());
    assert_eq!(std::fs::read(root.join(&added)).unwrap(), b"half a file");
    assert!(!named_files(&root).contains(&added) && all_files(&root).len() == first.len() + 1);
    killed(&|| ());
    // More changes came before the next push.
    killed(&|| change(&world));
}

#[test]
fn pushes_may_be_killed_at_every_file() {
    if !can_inject() {
        return;
    }
    let world = filled();
    let root =
        add_lake(&world, "after = \"never\"\ntables = [\"playlist_items\", \"tracks\", \"runs\"]\nkeep = \"0s\"");
    let at = |nth| At { calls: "link,linkat,rename,renameat,renameat2,unlink,unlinkat", path: None, nth };
    let mut killed = 0;
    for args in [&["push"][..], &["push", "--full"], &["push"]] {
        for nth in 1.. {
            assert!(nth < 60, "the push never ends");
            let push = world.struck(args, at(nth), Blow::Kill);
            if push.code != -1 {
                push.exits(0);
                break;
            }
            killed += 1;
            // What readers see is whole, before or after.
            if root.join("_cratedigger.json").exists() {
                let there = all_files(&root);
                assert!(named_files(&root).iter().all(|path| there.contains_key(path)), "{args:?} {nth}");
            }
        }
        world.cli(&["push"]).exits(0);
        assert_lake_equal(&world, &root);
        change(&world);
    }
    assert!(killed >= 10, "{killed} kills");
    world.cli(&["push", "--full"]).exits(0);
    world.cli(&["push"]).exits(0);
    let named = named_files(&root).len();
    assert_eq!(all_files(&root).len(), named, "nothing of the killed pushes is left");
}

#[test]
fn second_push_into_a_folder_is_deferred() {
    let world = filled();
    let root = add_lake(&world, "after = \"never\"");
    world.cli(&["push"]).exits(0);
    let lock = std::fs::File::open(root.join(".cratedigger.lock")).unwrap();
    rustix::fs::flock(&lock, FlockOperation::LockExclusive).unwrap();
    let second = world.cli(&["push", "--json"]).exits(75).json();
    assert_eq!(second["targets"][0]["target"], "w");
    drop(lock);
    world.cli(&["push"]).exits(0).says("unchanged");
}

#[test]
fn altered_lakes_are_mended_or_refused() {
    let world = filled();
    let root = add_lake(&world, "after = \"never\"\ntables = [\"playlist_items\", \"tracks\"]");
    world.cli(&["push"]).exits(0);
    change(&world);
    world.cli(&["push"]).exits(0);
    for (alter, why) in [
        (0, "files are missing or have another size"),
        (1, "files are missing or have another size"),
        (2, "files are missing or have another size"),
        (3, "the store was replaced"),
        (4, "the files have the age of `full_every`"),
    ] {
        let path = root.join(&named_files(&root)[0]);
        match alter {
            0 => std::fs::remove_file(path).unwrap(),
            1 => std::fs::write(path, "short").unwrap(),
            2 => alter_manifest(&root, |manifest| drop(manifest["files"].as_array_mut().unwrap().remove(0))),
            3 => alter_manifest(&root, |manifest| manifest["version"] = json!(999_999)),
            _ => alter_manifest(&root, |manifest| manifest["epoch_began_at"] = json!("some day")),
        }
        change(&world);
        world.cli(&["push"]).exits(0).says(why);
        assert_lake_equal(&world, &root);
    }
    let good = std::fs::read(root.join("_cratedigger.json")).unwrap();
    for (text, why) in [
        ("{}", "_cratedigger.json is no manifest of cratedigger"),
        ("{\"format\": 2}", "was written by a later version of cratedigger"),
    ] {
        std::fs::write(root.join("_cratedigger.json"), text).unwrap();
        world.cli(&["push"]).exits(74).says(why);
        world.cli(&["doctor"]).exits_one_of(&[74, 77]);
    }
    // An epoch that leads out of the folder.
    std::fs::write(root.join("_cratedigger.json"), &good).unwrap();
    alter_manifest(&root, |manifest| {
        manifest["superseded"] = json!([{"epoch": "../../..", "delete_after": "2020-01-01T00:00:00Z"}])
    });
    world.cli(&["push"]).exits(74).says("invalid epoch");
    std::fs::remove_file(root.join("_cratedigger.json")).unwrap();
    world.cli(&["push"]).exits(0).says("2 tables completely");
    assert_lake_equal(&world, &root);
    assert_eq!(all_files(&root).len(), named_files(&root).len(), "files that no manifest names are deleted");
    assert_eq!(manifest(&root)["superseded"].as_array().unwrap().len(), 6, "each is named once more");
}

#[test]
fn links_in_a_lake_are_not_followed() {
    let world = filled();
    let root = add_lake(&world, "after = \"never\"\ntables = [\"tracks\"]\nkeep = \"0s\"");
    world.cli(&["push"]).exits(0);
    let elsewhere = world.project.root().join("elsewhere");
    let foreign = elsewhere.join("epoch=0123456789abcdef/letter.txt");
    std::fs::create_dir_all(foreign.parent().unwrap()).unwrap();
    std::fs::write(&foreign, "mine").unwrap();
    // A folder of files that no manifest names, so that a new epoch would delete them.
    std::os::unix::fs::symlink(foreign.parent().unwrap(), root.join("tracks/epoch=0123456789abcdef")).unwrap();
    world.cli(&["push", "--full"]).exits(0);
    assert_eq!(std::fs::read_to_string(&foreign).unwrap(), "mine");
    assert_lake_equal(&world, &root);

    // A table whose folder is somewhere else: nothing is written there.
    std::fs::remove_dir_all(root.join("tracks")).unwrap();
    std::os::unix::fs::symlink(&elsewhere, root.join("tracks")).unwrap();
    world.cli(&["push"]).exits(74).says("links in a lake are not followed");
    assert!(all_files(&elsewhere).is_empty() && foreign.exists());
    std::fs::remove_file(root.join("tracks")).unwrap();

    // Pipes and links in place of the files of the lake itself.
    for name in ["_cratedigger.json", ".cratedigger.lock"] {
        let path = root.join(name);
        for link in [true, false] {
            drop(std::fs::remove_file(&path));
            if link {
                std::os::unix::fs::symlink(elsewhere.join("new"), &path).unwrap();
            } else {
                assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
            }
            world.cli(&["push"]).exits(74).says(name);
            assert!(!elsewhere.join("new").exists());
        }
        std::fs::remove_file(&path).unwrap();
    }
    world.cli(&["push"]).exits(0);
    assert_lake_equal(&world, &root);
}

#[test]
fn what_no_push_has_written_is_left_and_named() {
    let world = crate::sync::users::both(World::development().job(crate::sync::users::LIBRARY));
    let root = add_lake(&world, "tables = [\"saved_tracks\", \"tracks\"]\nkeep = \"0s\"");
    world.run(&["x"]).exits(0);
    let elsewhere = world.project.root().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    std::fs::write(elsewhere.join("thesis.odt"), "mine").unwrap();
    let current = root.join(&named_files(&root)[0]).parent().unwrap().to_path_buf();
    let unnamed = root.join("tracks/epoch=0123456789abcdef");
    std::fs::create_dir_all(unnamed.join("sub")).unwrap();
    let ours = unnamed.join("000000000000-000000000009.parquet");
    let foreign = [
        current.join("notes.txt"),
        current.join(".push-"),
        current.join("mine.parquet"),
        unnamed.join("sub/000000000000-000000000009.parquet"),
        root.join(".push-notes.txt"),
    ];
    foreign.iter().for_each(|path| std::fs::write(path, "mine").unwrap());
    let link = unnamed.join("000000000000-000000000007.parquet");
    std::os::unix::fs::symlink(elsewhere.join("thesis.odt"), &link).unwrap();
    std::os::unix::fs::symlink(&elsewhere, root.join("tracks/epoch=aaaaaaaaaaaaaaaa")).unwrap();
    std::os::unix::fs::symlink(&elsewhere, root.join("albums")).unwrap();
    std::fs::write(&ours, "of a killed push").unwrap();

    let purge = world.cli(&["auth", "logout", "studio", "--purge"]).exits(0);
    assert!(purge.stderr.contains("left 7 names alone that no push has written: "), "{}", purge.stderr);
    assert!(!ours.exists(), "what a push has written is deleted");
    assert!(foreign.iter().all(|path| path.exists()) && elsewhere.join("thesis.odt").exists() && link.is_symlink());
    assert_lake_equal(&world, &root);
    let report = world.cli(&["push", "--full", "--json"]).exits(0).json();
    let named = report["targets"][0]["not_ours"].as_array().unwrap();
    for name in ["albums", "tracks/epoch=0123456789abcdef/sub", "tracks/epoch=aaaaaaaaaaaaaaaa"] {
        assert!(named.contains(&json!(name)), "{name}: {report}");
    }

    // The part of a store is in the lake, so it is no link either.
    let root = add_lake(&world, "store = \"berlin\"\nafter = \"never\"");
    std::os::unix::fs::symlink(&elsewhere, root.join("berlin")).unwrap();
    world.cli(&["push"]).exits(74).says("links in a lake are not followed");
    assert_eq!(std::fs::read_dir(&elsewhere).unwrap().count(), 1);
    // A pipe in place of the whole lake.
    std::fs::remove_dir_all(&root).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&root).status().unwrap().success());
    world.cli(&["push"]).exits(74).says("something else has the name of a folder");
    world.cli(&["doctor"]).exits_one_of(&[74, 77]);
}

#[test]
fn lakes_that_all_can_change_are_reported() {
    use std::os::unix::fs::PermissionsExt as _;
    let set = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let world = filled();
    let root = add_lake(&world, "store = \"berlin\"\nafter = \"never\"\ntables = [\"tracks\"]");
    world.cli(&["push"]).exits(0);
    let lock = root.join("berlin/.cratedigger.lock").metadata().unwrap().permissions().mode() & 0o777;
    let manifest = root.join("berlin/_cratedigger.json").metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(lock, manifest);
    for folder in [root.clone(), root.join("berlin"), root.join("berlin/tracks")] {
        set(&folder, 0o777);
        let problem = format!("every user can change {} (mode 0777)", folder.display());
        let doctor = world.cli(&["doctor", "--offline"]).exits_one_of(&[77]).stdout;
        assert!(doctor.contains(&problem), "{problem}: {doctor}");
        world.run(&[]).exits(0).says(&problem);
        set(&folder, 0o755);
    }
}

#[test]
fn folders_that_cannot_be_written_are_said() {
    let world = filled();
    world.project.write("targets/w.toml", "url = \"/nowhere/mounted/lake\"\nafter = \"never\"\n");
    world.cli(&["push"]).exits(74).says("/nowhere/mounted does not exist").says("mount its disk");
    let root = add_lake(&world, "after = \"never\"");
    if !can_inject() {
        return;
    }
    let at = |calls| At { calls, path: Some("lake"), nth: 1 };
    world.struck(&["push"], at("mkdir,mkdirat"), Blow::Fails("EACCES")).exits(77).says("Permission denied");
    assert!(!root.exists());
    let at = |calls| At { calls, path: None, nth: 3 };
    for (calls, error, exit, why) in [
        ("link,linkat,renameat2", "ENOSPC", 74, "free space"),
        ("link,linkat,renameat2", "EACCES", 77, "the user that runs cratedigger has to write in this folder"),
        ("fsync,fdatasync", "EIO", 74, "Input/output error"),
    ] {
        world.struck(&["push"], at(calls), Blow::Fails(error)).exits(exit).says(why);
        assert!(!root.join("_cratedigger.json").exists(), "{calls} {error}");
    }
    world.cli(&["push"]).exits(0);
    assert_lake_equal(&world, &root);
    use std::os::unix::fs::PermissionsExt as _;
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    let world = world.settings("[output]\nmode = \"0600\"");
    std::fs::remove_dir_all(&root).unwrap();
    world.cli(&["push"]).exits(0);
    let file = root.join(&named_files(&root)[0]);
    assert_eq!((mode(&file), mode(file.parent().unwrap()), mode(&root)), (0o600, 0o700, 0o700));
    assert_eq!(mode(&root.join("_cratedigger.json")), 0o600);
}
