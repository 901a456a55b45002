//! Redis's own tools at the service that speaks its protocol, while nodes are killed: each counter
//! is at least what was acknowledged, and at most what was asked for.
use std::net::SocketAddr;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use e2e::{Machine, eventually, free_address};

use crate::counting::{self, Count};

/// Increments of one run of `redis-benchmark`.
const REQUESTS: u64 = 500;
/// The key that it increments unless it is told more.
const KEY: &str = "counter:__rand_int__";
/// No tool takes longer that gets its answers.
const TOOL_SECONDS: &str = "5";
/// How often every node is killed.
const ROUNDS: usize = 2;

fn tool(name: &str, address: SocketAddr, arguments: &[&str]) -> Output {
    let (ip, port) = (address.ip().to_string(), address.port().to_string());
    // `redis-benchmark` may wait for ever when its connections have broken.
    let mut command = Command::new("timeout");
    command.args([TOOL_SECONDS, name, "-h", &ip, "-p", &port]);
    command.args(arguments);
    command.output().expect("`cargo xtask test` installs it")
}

/// What `redis-cli` prints, if it has got an answer that is a number.
fn number(address: SocketAddr, arguments: &[&str]) -> Option<u64> {
    let output = tool("redis-cli", address, arguments);
    let text = String::from_utf8_lossy(&output.stdout);
    output.status.success().then(|| text.trim().parse().ok())?
}

/// Has `redis-benchmark` count until it is over: increments of runs that have ended well, and of
/// others, of which nobody knows.
fn hammer(address: SocketAddr, is_over: &AtomicBool) -> (u64, u64) {
    let count = REQUESTS.to_string();
    let (mut known, mut unknown) = (0, 0);
    while !is_over.load(Ordering::Relaxed) {
        let line = ["-t", "incr", "-c", "8", "-q", "-n", &count];
        match tool("redis-benchmark", address, &line).status.success() {
            true => known += REQUESTS,
            false => unknown += REQUESTS,
        }
    }
    (known, unknown)
}

#[test]
fn what_redis_tools_are_told_is_so_whichever_node_is_killed() {
    let mut machine = Machine::with_cluster("redis-tools");
    let address = free_address();
    let _run = machine.start(&["run", "resp", "--", &address.to_string(), "stable"]);
    eventually("it answers", || number(address, &["INCRBY", KEY, "0"]));
    let is_over = AtomicBool::new(false);
    let ((known, unknown), count): (_, Count) = thread::scope(|scope| {
        let hammered = scope.spawn(|| hammer(address, &is_over));
        let counted =
            scope.spawn(|| counting::count(&is_over, || number(address, &["INCR", "one by one"])));
        for number in (1..=3).cycle().take(3 * ROUNDS) {
            let before = eventually("it counts", || self::number(address, &["GET", KEY]));
            eventually("it goes on", || {
                let now = self::number(address, &["GET", KEY])?;
                (now > before + REQUESTS).then_some(())
            });
            machine.run(&["kill", &number.to_string()]).ok();
            machine.wait_members(3);
            machine.wait_copies();
        }
        is_over.store(true, Ordering::Relaxed);
        (hammered.join().unwrap(), counted.join().unwrap())
    });
    let sum = eventually("it answers", || number(address, &["GET", KEY]));
    let expected = known..=known + unknown;
    assert!(expected.contains(&sum), "{sum}, expected {expected:?}");
    assert!(known > 0 && unknown > 0, "{known} known, {unknown} not");
    let last = eventually("it answers", || number(address, &["GET", "one by one"]));
    let expected = count.acknowledged..=count.acknowledged + count.unknown;
    assert!(expected.contains(&last), "{last}, expected {expected:?}");
}
