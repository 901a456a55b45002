//! Clusters whose network is broken. `cargo xtask test` runs these in a network namespace
//! of their own, in which only the loopback device is.
#![expect(
    clippy::tests_outside_test_module,
    reason = "an integration test is nothing but tests"
)]
mod filter;

use e2e::{Machine, eventually};
use filter::Filter;

#[test]
fn a_cluster_whose_network_breaks_stays_consistent() {
    let mut machine = Machine::new("broken");
    let outcome = machine.check_chaos(&["--network", "--seed", "2", "--faults", "12"]);
    for fault in [" s  cut ", " s  lose the link ", " s  lose one packet "] {
        assert!(outcome.out.contains(fault), "{outcome:#?}");
    }
}

#[test]
fn a_machine_that_falls_silent_is_noticed_and_joins_again() {
    let mut machine = Machine::new("silent");
    let filter = Filter::open();
    machine.up(&["--nodes", "3"]);
    let token = machine.data().join("token").to_str().unwrap().to_owned();
    let link = machine.running().nodes[0].link.to_string();
    let here = ["--listen", "127.0.0.9:0", "--name", "west"];
    let options = [&here[..], &["--token", &token, "--join", &link]].concat();
    let west = machine.start_node(4, &options);
    machine.wait_members(4);
    machine.wait_copies();
    machine.check_bank();
    filter.cut_off("127.0.0.9");
    let status = eventually("it is given up", || {
        let (_, status) = machine.leader();
        (status.nodes.len() == 3).then_some(status)
    });
    let failure = status.last_failure.unwrap();
    assert_eq!(failure.name, "west");
    assert_eq!(failure.noticed_by, "it is not reached any more");
    machine.check_bank();
    filter.let_through();
    west.wait()
        .refused(&["excluded from the cluster by its leader"]);
    let _west = machine.start_node(4, &options);
    machine.wait_members(4);
    machine.check_bank();
    let total = machine.run(&["call", "bank", "total", "--query"]).ok();
    assert_eq!(total.out, "64000\n");
}

#[test]
fn followers_that_do_not_reach_each_other_do_not_stand_still() {
    let mut machine = Machine::new("apart");
    let filter = Filter::open();
    machine.up(&["--nodes", "3"]);
    let token = machine.data().join("token").to_str().unwrap().to_owned();
    let (_, status) = machine.leader();
    let leader = status.nodes.iter().find(|node| node.node == status.leader);
    let link = leader.unwrap().address.clone();
    let guests = [("127.0.0.8:0", "east"), ("127.0.0.9:0", "west")];
    let guests = [(4, guests[0]), (5, guests[1])].map(|(number, (listen, name))| {
        let here = ["--listen", listen, "--name", name];
        let options = [&here[..], &["--token", &token, "--join", &link]].concat();
        machine.start_node(number, &options)
    });
    machine.wait_members(5);
    machine.check_bank();
    filter.cut("127.0.0.8", "127.0.0.9");
    let run = machine.start(&["run", "bank", "--", "64", "20000", "8"]);
    let gone = eventually("one of the two is given up", || {
        let (_, status) = machine.leader();
        (status.nodes.len() == 4).then_some(status.last_failure)?
    });
    assert!(["east", "west"].contains(&&*gone.name), "{gone:?}");
    assert_eq!(
        gone.noticed_by,
        "it and other members do not reach each other"
    );
    assert!(run.wait().ok().out.contains("total 64000 of 64000"));
    drop(guests);
}
