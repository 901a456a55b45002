//! Clusters are copied to far places, lost, and made again from there.
use std::fs;
use std::path::{Path, PathBuf};

use bucket::Server;
use cli::data::DataDir;
use e2e::{Machine, eventually};

use crate::picture::{native, newest, render, scene};

/// What a user of the bank and of the picture is told.
fn check_answers(machine: &mut Machine, process: u32) {
    let total = machine.run(&["call", "bank", "total", "--query"]).ok();
    assert_eq!(total.out, "64000\n");
    assert!(machine.client().result(process).unwrap() == native(&scene()));
}

fn cluster_id(machine: &Machine) -> String {
    let data = DataDir::open(&machine.data()).unwrap();
    data.cluster().unwrap().unwrap().cluster
}

/// Bytes of all files in a folder.
fn bytes(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).unwrap();
    entries
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .sum()
}

#[test]
fn a_cluster_that_is_lost_comes_back_from_a_far_copy_with_other_nodes() {
    let mut machine = Machine::with_cluster("far");
    let place = machine.file("far");
    machine.check_bank();
    let process = render(&mut machine, &scene());
    // While it runs and works.
    let bank = machine.start(&["run", "bank", "--", "64", "3000", "3"]);
    eventually("it works", || {
        let processes = machine.client().processes().ok()?;
        (processes.last()?.process > process && processes.last()?.steps > 0).then_some(())
    });
    eventually("it has accounts, also after the loss of all", || {
        let total = machine.run(&["call", "bank", "total"]);
        (total.out == "64000\n").then_some(())
    });
    let outcome = machine.run(&["export", &place]).ok();
    assert!(
        outcome.out.contains("pages are in the far copy"),
        "{outcome:?}"
    );
    let first = bytes(&PathBuf::from(&place).join("packs"));
    let _ = bank.wait().ok();
    let _ = machine.run(&["snapshot", "last"]).ok();
    machine.down();
    // And when it is stopped: little is new.
    let outcome = machine.run(&["export", "last", &place]).ok();
    assert!(outcome.out.contains("(last)"), "{outcome:?}");
    let both = bytes(&PathBuf::from(&place).join("packs"));
    assert!(both < first + first / 2, "{first} and then {both}");
    let source = cluster_id(&machine);

    machine.lose_data();
    let import = ["import", &place, "--nodes", "2"];
    let outcome = machine.run(&import).ok();
    assert!(outcome.out.contains("has 2 nodes"), "{outcome:?}");
    assert_ne!(cluster_id(&machine), source);
    machine.up(&[]);
    machine.wait_members(2);
    check_answers(&mut machine, process);
    machine.check_bank();
    let snapshots = machine.run(&["snapshots"]).ok();
    assert!(snapshots.out.contains("last"), "{snapshots:?}");
    machine.wait_copies();
    // It is a cluster as any other: it grows, loses all processes, and a disk.
    machine.down();
    machine.up(&["--nodes", "4"]);
    machine.wait_members(4);
    machine.wait_copies();
    machine.kill_all();
    fs::remove_dir_all(machine.node(2)).unwrap();
    machine.up(&[]);
    check_answers(&mut machine, process);
    machine.check_bank();
    let another = machine.run(&["export", &place]);
    let _ = another.refused(&["expected the far copy of cluster", &source]);
    machine.down();

    machine.lose_data();
    // Before the last transfers.
    let epochs = fs::read_dir(PathBuf::from(&place).join("snapshots")).unwrap();
    let epochs = epochs.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let oldest = u64::from_str_radix(&epochs.min().unwrap()[..16], 16)
        .unwrap()
        .to_string();
    let import = ["import", &place, "--nodes", "7", "--snapshot", &oldest];
    let _ = machine.run(&import).ok();
    machine.up(&[]);
    machine.wait_copies();
    check_answers(&mut machine, process);
}

#[test]
fn what_cannot_be_imported_leaves_nothing_behind() {
    let mut machine = Machine::with_cluster("far-bad");
    let place = machine.file("far");
    machine.check_bank();
    machine.down();
    let _ = machine.run(&["export", &place]).ok();
    let outcome = machine.run(&["import", &place]);
    let _ = outcome.refused(&["to be new or empty, found something in it"]);
    machine.lose_data();
    let packs = PathBuf::from(&place).join("packs");
    let pack = fs::read_dir(&packs)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let good = fs::read(&pack).unwrap();
    let mut bad = good.clone();
    bad[good.len() / 2] ^= 1;
    fs::write(&pack, bad).unwrap();
    let name = pack.file_name().unwrap().to_str().unwrap();
    let outcome = machine.run(&["import", &place]);
    let outcome = outcome.refused(&[name, "expected bytes with the hash", "it has page"]);
    assert!(outcome.out.is_empty(), "{outcome:?}");
    let parent = machine.data().parent().unwrap().to_owned();
    let left = fs::read_dir(parent)
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    let left: Vec<_> = left
        .filter(|name| name.to_str().unwrap().contains("data"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
    fs::write(&pack, good).unwrap();
    // What one has left that was killed is in nobody's way.
    let unfinished = machine.data().with_file_name(".data.unfinished");
    fs::create_dir_all(unfinished.join("node-1/store")).unwrap();
    fs::write(unfinished.join("VERSION"), "1\n").unwrap();
    let _ = machine.run(&["import", &place, "--nodes", "1"]).ok();
    assert!(!unfinished.exists());
    machine.up(&[]);
    let total = machine.run(&["call", "bank", "total", "--query"]).ok();
    assert_eq!(total.out, "64000\n");
}

#[test]
fn a_service_keeps_the_copy_and_nobody_learns_the_secret() {
    let mut machine = Machine::new("far-service");
    let files = PathBuf::from(machine.file("service"));
    let server = Server::start(&files);
    let with_secret = |secret: &str| {
        let mut variables = server.environment();
        variables.push(("AWS_SECRET_ACCESS_KEY", secret.to_owned()));
        variables
    };
    machine.set_environment(with_secret(bucket::SECRET));
    machine.up(&["--nodes", "3"]);
    machine.check_bank();
    let process = render(&mut machine, &scene());
    assert_eq!(process, newest(&machine, "raytracer"));
    let place = format!("s3://{}/clusters/one", bucket::BUCKET);
    let _ = machine.run(&["export", &place]).ok();
    let again = machine
        .run(&["export", "latest", &place, "--keep", "1"])
        .ok();
    assert!(
        again.out.contains("1 older snapshots were dropped"),
        "{again:?}"
    );

    // A wrong secret, in the environment or in the address, shows nowhere either.
    let wrong = "not/so+correct+horse";
    machine.set_environment(with_secret(wrong));
    let refused = machine.run(&["export", &place]);
    let refused = refused.refused(&[&place, "AWS_SECRET_ACCESS_KEY"]);
    assert!(refused.err.contains("SignatureDoesNotMatch"), "{refused:?}");
    let token = "hidden-token";
    for address in [
        format!("s3://user:{token}@{}/one", bucket::BUCKET),
        format!("s3://{}/one?X-Amz-Signature={token}", bucket::BUCKET),
        format!("ftp://user:{token}@somewhere/"),
    ] {
        let refused = machine.run(&["export", &address]);
        let _ = refused.refused(&["expected a directory, file:///DIR or s3://BUCKET/PATH"]);
    }
    machine.down();
    let everything = machine.everything();
    for secret in [bucket::SECRET, wrong, token] {
        let secret = secret.as_bytes();
        let is_there = everything.windows(secret.len()).any(|it| it == secret);
        assert!(!is_there, "{}", String::from_utf8_lossy(secret));
    }

    machine.set_environment(with_secret(bucket::SECRET));
    machine.lose_data();
    let _ = machine.run(&["import", &place, "--nodes", "1"]).ok();
    machine.up(&[]);
    check_answers(&mut machine, process);
}

#[test]
fn a_standby_copy_is_kept_until_its_user_has_enough() {
    let mut machine = Machine::with_cluster("far-standby");
    let place = machine.file("far");
    machine.check_bank();
    let line = ["export", &place, "--every", "100ms", "--keep", "2"];
    let standby = machine.start(&line);
    let copies = |out: &str| out.matches("pages are in the far copy").count();
    eventually("some copies", || {
        (copies(&standby.out()) >= 4).then_some(())
    });
    let snapshots = PathBuf::from(&place).join("snapshots");
    assert!(fs::read_dir(snapshots).unwrap().count() <= 3);
    // The place is somebody else's for a while.
    let owner = PathBuf::from(&place).join("far-copy");
    let good = fs::read_to_string(&owner).unwrap();
    let id = cluster_id(&machine);
    let other = good.replace(&id, "00000000000000c1");
    let other_file = machine.write("other", &other);
    fs::rename(other_file, &owner).unwrap();
    eventually("it says what is wrong", || {
        standby
            .err()
            .contains("found that of 00000000000000c1")
            .then_some(())
    });
    let good_file = machine.write("good", &good);
    fs::rename(good_file, &owner).unwrap();
    let before = copies(&standby.out());
    eventually("it goes on", || {
        (copies(&standby.out()) > before).then_some(())
    });
    // The cluster is away for a while, too.
    machine.down();
    machine.up(&[]);
    let before = copies(&standby.out());
    eventually("it goes on", || {
        (copies(&standby.out()) > before + 1).then_some(())
    });
    standby.interrupt();
    let outcome = standby.wait().ok();
    assert!(outcome.err.ends_with("stopping\n"), "{outcome:?}");
    // Nothing is kept for it any more.
    let kept = machine.run(&["snapshots"]).ok();
    assert!(!kept.out.contains("read-"), "{kept:?}");
}
