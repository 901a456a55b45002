//! `plurix attach`: a shell on the console, used through pipes.
use std::thread;

use e2e::{Machine, Started, eventually};

/// A cluster with a shell on its console.
fn machine(name: &str) -> Machine {
    let mut machine = Machine::with_cluster(name);
    for program in ["console", "shell"] {
        machine.run(&["run", "-d", program]).ok();
    }
    machine.wait_sessions(2);
    machine
}

/// Types a line, and waits until what comes after it has all these words and a prompt behind them.
fn ask(attached: &mut Started, line: &str, words: &[&str]) -> String {
    let before = attached.out().len();
    attached.write(&format!("{line}\n"));
    eventually(&format!("`{line}` is answered"), || {
        let answer = attached.out().split_off(before);
        let is_whole = words.iter().all(|word| answer.contains(word)) && answer.ends_with("\n> ");
        is_whole.then_some(answer)
    })
}

#[test]
fn commands_are_answered_until_the_input_ends() {
    let mut machine = machine("attach");
    machine.run(&["snapshot", "monday"]).ok();
    let mut attached = machine.start_with_pipe(&["attach"]);
    eventually("the shell greets", || {
        let out = attached.out();
        out.ends_with("`help` lists what there is.\n> ")
            .then_some(())
    });
    ask(&mut attached, "help", &["what the memory can go back to"]);
    ask(&mut attached, "nodes", &["node-1", "node-2", "node-3"]);
    ask(&mut attached, "devices", &["console", "driven"]);
    let answer = ask(&mut attached, "snapshots", &["monday"]);
    assert!(!answer.contains("tuesday"), "{answer}");
    ask(&mut attached, "snapshot tuesday", &["kept as epoch"]);
    let kept = machine.run(&["snapshots"]).ok().out;
    assert!(kept.contains("tuesday"), "{kept}");
    ask(&mut attached, "dance", &["no such command"]);

    // What is started here is a program as any other; the cluster has had it once.
    ask(&mut attached, "run bank 64 300 3", &["no module `bank`"]);
    machine.check_bank();
    let answer = ask(&mut attached, "run bank 64 300 3", &["process "]);
    let (_, process) = answer.trim_end_matches("\n> ").split_once(' ').unwrap();
    let line = format!("output {process}");
    eventually("it has ended", || {
        let answer = ask(&mut attached, &line, &["("]);
        answer.starts_with("(done (0))").then_some(())
    });
    let total = machine.run(&["call", process, "total", "--query"]).ok();
    assert_eq!(total.out, "64000\n");

    // A line that the end of the input follows at once is still answered.
    let before = attached.out().len();
    attached.write("ps\n");
    attached.end_input();
    let outcome = attached.wait().ok();
    let last = &outcome.out[before..];
    assert!(last.contains("shell"), "{outcome:#?}");
    assert_eq!(outcome.err, "");
}

#[test]
fn the_console_goes_on_at_another_node() {
    let mut machine = machine("attach-kill");
    let mut attached = machine.start_with_pipe(&["attach"]);
    ask(&mut attached, "snapshot before", &["kept as epoch"]);
    let (number, _) = machine.leader();
    machine.run(&["kill", &number.to_string()]).ok();
    eventually("it is told where the console is", || {
        attached.err().contains("has the console now").then_some(())
    });
    let answer = ask(&mut attached, "snapshots", &["before"]);
    assert_eq!(answer.matches("before").count(), 1, "{answer}");
    attached.end_input();
    attached.wait().ok();
}

/// There is one console: who shares it sees the same, and lines come as a whole.
#[test]
fn two_that_are_attached_share_the_console() {
    const LINES: usize = 20;
    let mut machine = machine("attach-two");
    let mut attached = [(); 2].map(|()| machine.start_with_pipe(&["attach"]));
    for one in &attached {
        eventually("the shell greets", || {
            one.out().ends_with("\n> ").then_some(())
        });
    }
    thread::scope(|scope| {
        for (who, one) in attached.iter_mut().enumerate() {
            scope.spawn(move || {
                for line in 0..LINES {
                    one.write(&format!("verb-{who}-{line}-\n"));
                }
            });
        }
    });
    let verbs = (0..2).flat_map(|who| (0..LINES).map(move |line| format!("`verb-{who}-{line}-`")));
    let verbs: Vec<String> = verbs.collect();
    for one in &attached {
        eventually("all lines are answered", || {
            let out = one.out();
            verbs.iter().all(|verb| out.contains(verb)).then_some(())
        });
    }
    // One ends, the other one stays.
    let [mut first, mut second] = attached;
    first.end_input();
    let first = first.wait().ok();
    let answer = ask(&mut second, "nodes", &["node-3"]);
    second.end_input();
    let second = second.wait().ok();
    assert!(second.out.ends_with(&answer), "{second:#?}");
    let seen = &second.out[..second.out.len() - answer.len()];
    assert_eq!(first.out, seen, "both see the same");
    for verb in &verbs {
        assert_eq!(seen.matches(verb).count(), 1, "{verb} in {seen}");
    }
}
