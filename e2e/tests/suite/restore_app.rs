//! One program goes back to a snapshot; all others go on.
use admin::{ProcessInfo, ProcessState};
use e2e::{Machine, Outcome, Started, eventually};

/// The programs of a cluster, and how they are asked.
struct Programs(Machine);

impl Programs {
    fn start(name: &str) -> Self {
        Self(Machine::with_cluster(name))
    }

    /// Starts the lists, to which callers append.
    fn run_lists(&mut self) -> Started {
        let run = self.0.start(&["run", "lists"]);
        eventually("the lists are there", || {
            self.newest("lists").filter(|one| one.steps > 0)
        });
        run
    }

    /// Starts a bank; returns when it is busy.
    fn run_bank(&mut self, accounts: &str, transfers: &str) -> Started {
        let run = self
            .0
            .start(&["run", "bank", "--", accounts, transfers, "3"]);
        eventually("the bank works", || {
            self.newest("bank").filter(|one| one.steps > 100)
        });
        run
    }

    fn newest(&self, name: &str) -> Option<ProcessInfo> {
        let all = self.0.client().processes().unwrap();
        all.into_iter().rfind(|one| one.program == name)
    }

    fn state(&self, name: &str) -> ProcessState {
        self.newest(name).expect("it was started").state
    }

    fn run(&mut self, line: &[&str]) -> Outcome {
        self.0.run(line)
    }

    fn append(&mut self, elements: core::ops::Range<u32>) {
        for element in elements {
            let line = ["call", "lists", "append", "0", &element.to_string()];
            let _ = self.0.run(&line).ok();
        }
    }

    /// What is in the first list.
    fn list(&mut self) -> String {
        let line = ["call", "lists", "read", "0", "1", "--query"];
        let outcome = self.0.run(&line).ok();
        outcome.out.lines().next().unwrap_or_default().to_owned()
    }

    fn total(&mut self) -> String {
        let outcome = self.0.run(&["call", "bank", "total", "--query"]).ok();
        outcome.out.trim().to_owned()
    }

    fn restore(&mut self, name: &str, snapshot: &str) -> Outcome {
        let told = self.0.run(&["restore", "--app", name, snapshot]).ok();
        let expected = format!("{name} is as it was in {snapshot}: process ");
        assert!(told.out.starts_with(&expected), "{told:#?}");
        told
    }

    /// Returns when the program is being brought back, or is back.
    fn begin_restore(&mut self, name: &str, snapshot: &str) -> Started {
        let mut restore = self.0.start(&["restore", "--app", name, snapshot]);
        eventually("it is being brought back", || {
            let is_loading = self.state(name) == ProcessState::Loading;
            (is_loading || !restore.is_running()).then_some(())
        });
        restore
    }

    /// Nobody loads anything any more.
    fn check_nothing_is_left(&self) {
        let all = self.0.client().processes().unwrap();
        let mut loading = all.iter().filter(|one| one.state == ProcessState::Loading);
        assert_eq!(loading.next(), None);
    }
}

#[test]
fn one_program_goes_back_and_the_others_go_on() {
    let mut programs = Programs::start("app");
    let lists = programs.run_lists();
    programs.append(1..4);
    let bank = programs.run_bank("1000", "40000");
    let _ = programs.run(&["snapshot", "middle"]).ok();
    let _ = programs.run(&["snapshot", "later"]).ok();
    programs.append(4..6);
    assert_eq!(programs.list(), "0: 1 2 3 4 5");
    let _ = programs.restore("lists", "middle");
    assert_eq!(programs.list(), "0: 1 2 3");
    programs.append(14..16);
    // Whoever waits for the old one hears its end; nobody else hears anything.
    lists.wait().refused(&["the program was cancelled"]);
    let told = bank.wait().ok();
    assert!(told.out.contains("total 1000000 of 1000000"), "{told:#?}");
    // The bank had ended: it goes on from the middle, and ends again.
    assert_eq!(programs.state("bank"), ProcessState::Done(0));
    let before = programs.newest("bank").unwrap().process;
    let _ = programs.restore("bank", "middle");
    let back = programs.newest("bank").unwrap();
    assert!(back.process > before, "{back:?}");
    eventually("the bank has ended again", || {
        programs.state("bank").is_final().then_some(())
    });
    assert_eq!(programs.state("bank"), ProcessState::Done(0));
    assert_eq!(programs.total(), "1000000");
    assert_eq!(programs.list(), "0: 1 2 3 14 15");
    // No snapshot is lost, and what came back outlives the cluster's processes.
    programs.0.kill_all();
    programs.0.up(&[]);
    assert_eq!(programs.list(), "0: 1 2 3 14 15");
    let _ = programs.restore("lists", "later");
    assert_eq!(programs.list(), "0: 1 2 3");
    assert_eq!(programs.total(), "1000000");
    programs.check_nothing_is_left();
}

#[test]
fn a_program_that_was_cancelled_comes_back() {
    let mut programs = Programs::start("app-cancelled");
    let run = programs.run_lists();
    programs.append(1..4);
    let _ = programs.run(&["snapshot", "alive"]).ok();
    let process = programs.newest("lists").unwrap().process;
    programs.0.client().cancel(process).unwrap();
    run.wait().refused(&["the program was cancelled"]);
    let line = ["call", "lists", "append", "0", "9"];
    programs.run(&line).refused(&["is not running"]);
    let _ = programs.run(&["snapshot", "dead"]).ok();
    let _ = programs.restore("lists", "alive");
    programs.append(4..5);
    assert_eq!(programs.list(), "0: 1 2 3 4");
    // An end is as good a state as any.
    let _ = programs.restore("lists", "dead");
    assert_eq!(programs.state("lists"), ProcessState::Cancelled);
    let _ = programs.restore("lists", "alive");
    assert_eq!(programs.list(), "0: 1 2 3");
}

#[test]
fn files_and_results_come_back() {
    let mut programs = Programs::start("app-files");
    let words = "to be or not to be\n".repeat(3);
    let file = programs.0.write("words.txt", &words);
    let _ = programs.run(&["run", "wordcount", "--input", &file]).ok();
    let _ = programs.run(&["snapshot", "counted"]).ok();
    let other = programs.0.write("other.txt", "that is the question\n");
    let _ = programs.run(&["run", "wordcount", "--input", &other]).ok();
    let _ = programs.restore("wordcount", "counted");
    let back = programs.newest("wordcount").unwrap().process;
    let result = |process: u32| programs.0.client().result(process).unwrap();
    let (first, again) = (result(1), result(back));
    assert!(!first.is_empty() && first == again, "{first:?} {again:?}");
    let _ = programs.run(&["snapshot", "again"]).ok();
    let shown = programs.run(&["inspect", "again"]).ok().out;
    let expected = format!("input words.txt of process {back}");
    assert!(shown.contains(&expected), "{shown}");
}

#[test]
fn what_was_not_there_does_not_come_back() {
    let mut programs = Programs::start("app-unknown");
    let lists = programs.run_lists();
    programs.append(1..4);
    let _ = programs.run(&["snapshot", "early"]).ok();
    programs.0.check_bank();
    programs
        .run(&["restore", "--app", "bank", "early"])
        .refused(&[
            "expected the name of a program in early, found `bank`",
            "programs then: lists",
        ]);
    programs
        .run(&["restore", "--app", "lists", "never"])
        .refused(&["found `never`", "names: early"]);
    let both = programs.run(&["restore", "--app", "lists", "early", "--discard-later"]);
    assert_eq!(both.code, Some(2), "{both:#?}");
    assert_eq!(programs.list(), "0: 1 2 3");
    programs.check_nothing_is_left();
    drop(lists);
    programs.0.down();
    programs
        .run(&["restore", "--app", "lists", "early"])
        .refused(&["plurix up"]);
}

/// While tens of MiB are written, nodes die, and the tool.
#[test]
fn whoever_dies_meanwhile_the_program_comes_back() {
    let mut programs = Programs::start("app-deaths");
    let bank = programs.run_bank("8000", "30000");
    let _ = programs.run(&["snapshot", "middle"]).ok();
    let told = bank.wait().ok();
    assert!(told.out.contains("total 8000000 of 8000000"), "{told:#?}");
    for victim in ["1", "2", "3"] {
        let restore = programs.begin_restore("bank", "middle");
        let _ = programs.run(&["kill", victim]).ok();
        let _ = restore.wait().ok();
        assert!(!matches!(
            programs.state("bank"),
            ProcessState::Loading | ProcessState::Cancelled
        ));
        programs.0.wait_members(3);
    }
    // Who has had enough leaves nothing behind, whether or not he came too late.
    let restore = programs.begin_restore("bank", "middle");
    restore.interrupt();
    let outcome = restore.wait();
    if outcome.code != Some(0) {
        outcome.refused(&["interrupted"]);
    }
    programs.check_nothing_is_left();
    drop(programs.begin_restore("bank", "middle"));
    eventually("the bank has ended again", || {
        let all = programs.0.client().processes().unwrap();
        let mut running = all.iter().filter(|one| one.state == ProcessState::Running);
        running.next().is_none().then_some(())
    });
    assert_eq!(programs.total(), "8000000");
    // What a dead tool has left does not stand in the way.
    let _ = programs.restore("bank", "middle");
    programs.check_nothing_is_left();
    eventually("the bank has ended once more", || {
        programs.state("bank").is_final().then_some(())
    });
    assert_eq!(programs.state("bank"), ProcessState::Done(0));
    assert_eq!(programs.total(), "8000000");
}
