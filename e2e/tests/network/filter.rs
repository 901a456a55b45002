//! The filter for packets of the namespace that the tests run in.
use std::io::Write;
use std::process::{Command, Stdio};

/// Drops what the test says. A test that has one has the machine to itself.
pub(crate) struct Filter;

impl Filter {
    /// The loopback device is up, everything passes.
    pub(crate) fn open() -> Self {
        order("ip", &["link", "set", "lo", "up"], "");
        let hook = "type filter hook input priority 0;";
        let table = format!("table ip test {{\nchain arrive {{\n{hook}\n}}\n}}\n");
        order("nft", &["-f", "-"], &table);
        let this = Self;
        this.let_through();
        this
    }

    /// Nothing reaches this address, nothing from it arrives anywhere.
    pub(crate) fn cut_off(&self, address: &str) {
        self.drop_if(&format!("ip saddr {address}"));
        self.drop_if(&format!("ip daddr {address}"));
    }

    /// Nothing passes between the two.
    pub(crate) fn cut(&self, one: &str, other: &str) {
        self.drop_if(&format!("ip saddr {one} ip daddr {other}"));
        self.drop_if(&format!("ip saddr {other} ip daddr {one}"));
    }

    /// Everything passes.
    pub(crate) fn let_through(&self) {
        order("nft", &["flush", "chain", "ip", "test", "arrive"], "");
    }

    #[expect(clippy::unused_self, reason = "only who has opened the filter uses it")]
    fn drop_if(&self, condition: &str) {
        let rule = format!("add rule ip test arrive {condition} drop");
        order("nft", &["-f", "-"], &rule);
    }
}

/// Runs a program of the system to its end.
fn order(program: &str, arguments: &[&str], input: &str) {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("run {program}: {error}"));
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin.write_all(input.as_bytes()).expect("it reads");
    drop(stdin);
    assert!(child.wait().expect("it was started").success(), "{input}");
}
