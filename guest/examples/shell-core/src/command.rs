//! What can be typed.
use adapter::{CLOCK, DISK, NETWORK, POWER};
use admin::Request;
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// What there is, for people.
pub const HELP: &str = "\
ps                 processes
run NAME [ARG..]   start a program that the cluster knows
kill PROCESS       end a process
devices            devices and their drivers
channels           what joins programs with the outside
nodes              the members of the cluster
snapshots          what the memory can go back to
snapshot NAME      keep the memory as it is now
output PROCESS     what a process has printed
network [WORDS]    addresses and rules of the machine that leads
disk [WORDS]       its disk
clock [TIME]       its clock
power [off|reset]  its switch
clear              an empty screen
help               this
";

/// What is to be done with a line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// Nothing: it is empty.
    Nothing,
    /// Show this.
    Show(String),
    /// An empty screen.
    Clear,
    /// Ask the node this.
    Ask(Request),
    /// Say this to the driver of a part of the machine.
    Part {
        /// The part.
        device: &'static str,
        /// What is said.
        line: String,
    },
}

/// The parts of a machine.
const PARTS: [&str; 4] = [NETWORK, DISK, CLOCK, POWER];

impl Command {
    /// What a line means.
    #[must_use]
    pub fn of(line: &str) -> Self {
        let mut words = line.split_whitespace();
        let Some(verb) = words.next() else {
            return Self::Nothing;
        };
        let rest: Vec<&str> = words.collect();
        if let Some(device) = PARTS.into_iter().find(|part| *part == verb) {
            let line = match rest.as_slice() {
                [] => "ask".to_owned(),
                settings => format!("set {}", settings.join(" ")),
            };
            return Self::Part { device, line };
        }
        match (verb, rest.as_slice()) {
            ("help", []) => Self::Show(HELP.to_owned()),
            ("clear", []) => Self::Clear,
            ("ps", []) => Self::Ask(Request::Processes),
            ("devices", []) => Self::Ask(Request::Devices),
            ("channels", []) => Self::Ask(Request::Channels),
            ("nodes", []) => Self::Ask(Request::Status),
            ("snapshots", []) => Self::Ask(Request::Snapshots),
            ("snapshot", [name]) => Self::Ask(Request::Snapshot {
                name: (*name).to_owned(),
            }),
            ("run", [name, arguments @ ..]) => Self::Ask(Request::Run {
                module: (*name).to_owned(),
                program: (*name).to_owned(),
                workers: 0,
                arguments: arguments.iter().map(|one| (*one).to_owned()).collect(),
                inputs: Vec::new(),
            }),
            ("kill" | "output", [number]) => match (verb, number.parse()) {
                ("kill", Ok(process)) => Self::Ask(Request::Cancel { process }),
                (_, Ok(process)) => Self::Ask(Request::Watch {
                    process,
                    cursors: Vec::new(),
                }),
                (_, Err(_)) => Self::Show(format!(
                    "`{number}`: expected the number of a process, as `ps` shows it\n"
                )),
            },
            _ => Self::Show(Self::usage(verb)),
        }
    }

    /// What was expected of a verb, or that there is none.
    fn usage(verb: &str) -> String {
        let is_it = |line: &&str| line.split_whitespace().next() == Some(verb);
        match HELP.lines().find(is_it) {
            Some(line) => format!("expected: {line}\n"),
            None => format!("`{verb}`: there is no such command; `help` lists them\n"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_understood_or_explained() {
        assert_eq!(Command::of("   "), Command::Nothing);
        assert_eq!(Command::of("ps"), Command::Ask(Request::Processes));
        assert_eq!(
            Command::of(" kill  12 "),
            Command::Ask(Request::Cancel { process: 12 })
        );
        let Command::Ask(Request::Run { arguments, .. }) = Command::of("run board text") else {
            panic!("expected a start")
        };
        assert_eq!(arguments, ["text"]);
        let part = |line| match Command::of(line) {
            Command::Part { device, line } => (device, line),
            other => panic!("expected a part, found {other:?}"),
        };
        assert_eq!(part("power  reset"), (POWER, "set reset".to_owned()));
        assert_eq!(part("clock"), (CLOCK, "ask".to_owned()));
        for (line, words) in [
            ("kill", "expected: kill PROCESS"),
            ("kill all", "`all`: expected the number"),
            ("ps x", "expected: ps"),
            ("dance", "`dance`: there is no such command"),
        ] {
            let Command::Show(text) = Command::of(line) else {
                panic!("expected an explanation of {line:?}")
            };
            assert!(text.starts_with(words), "{text:?}");
        }
    }

    #[test]
    fn everything_in_the_help_is_understood() {
        for line in HELP.lines() {
            let verb = line.split_whitespace().next().unwrap();
            let is_known = match Command::of(verb) {
                Command::Show(text) => !text.contains("no such command"),
                _ => true,
            };
            assert!(is_known, "{verb}");
        }
    }
}
