//! The command as a user meets it: help, errors and their codes, and every verb that
//! talks to a cluster against a node that answers from a script.
#![expect(
    clippy::tests_outside_test_module,
    reason = "an integration test is nothing but tests"
)]
use std::fs;
use std::io::{BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread::{self, JoinHandle};

use admin::{
    DeviceInfo, DeviceState, Failure, FailureKind, NodeInfo, OutputPiece, Picture, ProcessInfo,
    ProcessState, Request, Response, SnapshotInfo, Watched,
};
use cli::data::{DataDir, Lock, RunningFile, RunningNode};
use insta::assert_snapshot;

/// What a command did: its exit code and both outputs.
fn plurix(arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_plurix"));
    command.env_clear().stdin(Stdio::null()).args(arguments);
    let output = command.output().unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    format!("{out}-- {err}-- exit code {:?}", output.status.code())
}

/// A data directory of a cluster that seems to run: its node answers from a script.
struct Staged {
    path: PathBuf,
    node: Option<JoinHandle<Vec<Request>>>,
    _lock: Lock,
}

impl Staged {
    fn new(name: &str, script: Vec<Response>) -> Self {
        let unique = format!("plurix-cli-test-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(unique);
        let data = DataDir::make(&path).unwrap();
        let lock = data.lock().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let tools = listener.local_addr().unwrap();
        let link: SocketAddr = "127.0.0.1:1".parse().unwrap();
        // No process has this number: Linux has at most 2^22.
        let node = RunningNode {
            number: 1,
            pid: 1 << 23,
            link,
            tools,
        };
        data.set_running(&RunningFile {
            supervisor: 1 << 23,
            nodes: vec![node],
        })
        .unwrap();
        let node = thread::spawn(move || {
            let (mut tool, _) = listener.accept().unwrap();
            let mut asked = Vec::new();
            for response in &script {
                asked.push(loop {
                    match answer(&mut tool, response) {
                        Some(request) => break request,
                        // It comes again.
                        None => tool = listener.accept().unwrap().0,
                    }
                });
            }
            asked
        });
        Self {
            path,
            node: Some(node),
            _lock: lock,
        }
    }

    fn plurix(&self, arguments: &[&str]) -> String {
        let data = self.path.to_str().unwrap();
        let verb = &arguments[..1];
        let output = plurix(&[verb, &["--data", data], &arguments[1..]].concat());
        output.replace(data, "DATA")
    }

    /// What the node was asked.
    fn asked(&mut self) -> Vec<Request> {
        self.node.take().unwrap().join().unwrap()
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// `None` if it has hung up.
fn answer(tool: &mut TcpStream, response: &Response) -> Option<Request> {
    let mut length = [0; 4];
    tool.read_exact(&mut length).ok()?;
    let mut body = vec![0; u32::from_le_bytes(length) as usize];
    tool.read_exact(&mut body).unwrap();
    let request = admin::decode(&body).unwrap();
    let body = admin::encode(response);
    tool.write_all(&u32::try_from(body.len()).unwrap().to_le_bytes())
        .unwrap();
    tool.write_all(&body).unwrap();
    Some(request)
}

fn watched(state: ProcessState, output: &str) -> Watched {
    let bytes = output.as_bytes().to_vec();
    Watched {
        state,
        done: 1,
        total: 2,
        output: vec![OutputPiece {
            is_error: false,
            bytes,
        }],
        cursors: vec![admin::Cursor {
            slot: 0,
            position: output.len() as u64,
        }],
        lost_bytes: 0,
        fault: String::new(),
        result_bytes: 0,
    }
}

#[test]
fn help_lists_the_verbs() {
    assert_snapshot!(plurix(&["--help"]));
}

#[test]
fn every_verb_has_help() {
    for verb in [
        "demo",
        "chaos",
        "up",
        "run",
        "call",
        "ps",
        "devices",
        "screenshot",
        "attach",
        "dashboard",
        "kill",
        "drain",
        "scrub",
        "snapshots",
        "restore",
        "inspect",
        "diff",
        "export",
        "fork",
        "import",
        "status",
        "down",
        "node",
        "bench",
    ] {
        assert_snapshot!(format!("help_{verb}"), plurix(&[verb, "--help"]));
    }
}

#[test]
fn usage_errors_have_code_2() {
    for (name, line) in [
        ("unknown_verb", &["fly"] as &[&str]),
        ("missing_module", &["run"]),
        ("zero_epoch", &["up", "--epoch", "0"]),
        ("one_node_cannot_lose_one", &["demo", "--nodes", "1"]),
        ("node_of_no_cluster", &["node", "--data", "x"]),
        ("page_of_no_region", &["inspect", "latest", "--page", "12"]),
        (
            "standby_of_one_snapshot",
            &["export", "x", "y", "--every", "5m"],
        ),
        ("standby_at_no_time", &["export", "y", "--every", "often"]),
        ("file_of_no_region", &["inspect", "latest", "--out", "x"]),
        (
            "page_and_region",
            &["inspect", "x", "--page", "1:1", "--region", "1"],
        ),
        (
            "one_program_loses_no_snapshot",
            &["restore", "x", "--app", "y", "--discard-later"],
        ),
    ] {
        let output = plurix(line);
        assert!(output.ends_with("exit code Some(2)"), "{output}");
        assert_snapshot!(format!("usage_{name}"), output);
    }
}

#[test]
fn without_a_cluster_there_is_a_hint() {
    assert_snapshot!(plurix(&["ps", "--data", "/nowhere/at/all"]), @"
    -- error: expected a data directory of Plurix at /nowhere/at/all, found none
    hint: `plurix up --data DIR` makes one; DIR must be new or empty
    -- exit code Some(1)
    ");
}

#[test]
fn a_directory_that_cannot_be_made_is_a_configuration_error() {
    assert_snapshot!(plurix(&["up", "--data", "/proc/plurix"]), @"
    -- error: make the data directory /proc/plurix: No such file or directory (os error 2)
    -- exit code Some(1)
    ");
}

#[test]
fn chaos_is_for_no_cluster_that_anybody_needs() {
    let staged = Staged::new("chaos", vec![]);
    assert_snapshot!(staged.plurix(&["chaos"]), @"
    -- error: expected a new or empty directory, found DATA
    hint: chaos is for no cluster that anybody needs
    -- exit code Some(1)
    ");
}

#[test]
fn a_second_start_is_refused() {
    let staged = Staged::new("second", Vec::new());
    assert_snapshot!(staged.plurix(&["up"]), @"
    -- error: the cluster in DATA runs already
    hint: `plurix status` shows it, `plurix down` stops it
    hint: for a second cluster choose another directory with --data
    -- exit code Some(1)
    ");
}

#[test]
fn ps_lists_processes() {
    let process = ProcessInfo {
        process: 1,
        program: "raytracer".into(),
        state: ProcessState::Running,
        workers: 16,
        done: 40,
        total: 501,
        steps: 1234,
        result_bytes: 768_012,
    };
    let staged = Staged::new("ps", vec![Response::Processes(vec![process])]);
    assert_snapshot!(staged.plurix(&["ps"]), @"
    process    program    state  workers  progress  steps  result
    1        raytracer  running       16    40/501   1234  768012
    -- -- exit code Some(0)
    ");
}

#[test]
fn status_is_shown() {
    let status = admin::Status {
        view: 2,
        epoch: 40,
        stable: 38,
        leader: 1,
        ..admin::Status::default()
    };
    let staged = Staged::new("status", vec![Response::Status(status)]);
    assert_snapshot!(staged.plurix(&["status"]));
}

/// What a node says that leads.
fn leading() -> Response {
    Response::Status(admin::Status {
        leader: 1,
        ..admin::Status::default()
    })
}

/// What a node says that leads, and has a device in this state.
fn with_device(name: &str, state: DeviceState) -> [Response; 2] {
    let node = NodeInfo {
        node: 7,
        name: "node-1".into(),
        ..NodeInfo::default()
    };
    let status = admin::Status {
        leader: 7,
        nodes: vec![node],
        ..admin::Status::default()
    };
    let device = DeviceInfo {
        name: name.into(),
        node: 7,
        process: 3,
        state,
        faults: 2,
        object_bytes: 9000,
        report: "unreachable executed\n".into(),
    };
    [Response::Status(status), Response::Devices(vec![device])]
}

#[test]
fn devices_are_listed() {
    let [status, devices] = with_device("display", DeviceState::Driven);
    let processes = Response::Processes(Vec::new());
    let staged = Staged::new("devices", vec![devices, processes, status]);
    assert_snapshot!(staged.plurix(&["devices"]), @"
    device     node   state  driver  faults   object
    display  node-1  driven       -       2  8.7 KiB

    the driver of the display has failed: unreachable executed
    -- -- exit code Some(0)
    ");
}

#[test]
fn a_screenshot_is_what_the_display_of_its_home_shows() {
    let picture = Picture {
        version: 5,
        mode: 1,
        cursor: [0; 3],
        palette: Vec::new(),
        chunks: vec![(319, vec![4])],
        misread: 0,
    };
    let mut script = with_device("display", DeviceState::Undriven).to_vec();
    script.push(Response::Seen(picture));
    let mut staged = Staged::new("screenshot", script);
    let out = staged.path.join("x.png");
    let line = ["screenshot", "--out", out.to_str().unwrap()];
    assert_snapshot!(staged.plurix(&line), @"
    wrote DATA/x.png: 320 x 200 pixels, from node-1
    -- nobody drives the display now (no driver): this is what the last driver left
    -- exit code Some(0)
    ");
    assert_eq!(staged.asked()[2], Request::Look { since: 0 });
    let file = fs::File::open(out).unwrap();
    let mut reader = png::Decoder::new(BufReader::new(file)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    assert_eq!((info.width, info.height), (320, 200));
    assert_eq!(pixels[319 * 4..321 * 4], [0xAA, 0, 0, 255, 0, 0, 0, 255]);
}

#[test]
fn without_a_driver_there_is_nothing_to_see() {
    let script = || with_device("input", DeviceState::Driven).to_vec();
    let staged = Staged::new("no-display", script());
    assert_snapshot!(staged.plurix(&["screenshot"]), @"
    -- error: no driver has the display
    hint: start one with `plurix run display`
    -- exit code Some(1)
    ");
    let staged = Staged::new("no-console", script());
    assert_snapshot!(staged.plurix(&["attach"]), @"
    -- error: no driver has the console
    hint: start one with `plurix run console`
    -- exit code Some(1)
    ");
}

#[test]
fn snapshots_are_listed() {
    let snapshot = |epoch, names: &[&str], is_kept| SnapshotInfo {
        epoch,
        wall_ms: u64::MAX,
        names: names.iter().map(|&name| name.into()).collect(),
        is_kept,
    };
    let snapshots = vec![
        snapshot(7, &["before", "monday"], true),
        snapshot(8, &[], true),
        snapshot(9, &[], false),
    ];
    let script = vec![leading(), Response::Snapshots(snapshots)];
    let staged = Staged::new("snapshots", script);
    assert_snapshot!(staged.plurix(&["snapshots"]), @"
    epoch    age            name
    7      0.0 s  before, monday
    8      0.0 s
    9      0.0 s        (latest)
    -- -- exit code Some(0)
    ");
}

#[test]
fn an_unknown_snapshot_is_named_with_those_that_there_are() {
    let snapshot = |epoch, names: &[&str]| SnapshotInfo {
        epoch,
        wall_ms: 0,
        names: names.iter().map(|&name| name.into()).collect(),
        is_kept: true,
    };
    let snapshots = vec![snapshot(7, &["before", "monday"]), snapshot(8, &[])];
    let script = || vec![leading(), Response::Snapshots(snapshots.clone())];
    let staged = Staged::new("unknown", script());
    assert_snapshot!(staged.plurix(&["inspect", "9"]), @"
    -- error: expected the name or the epoch of a snapshot, or `latest`, found `9`
    hint: names: before, monday
    hint: `plurix snapshots` lists all
    -- exit code Some(1)
    ");
    let staged = Staged::new("unknown-name", script());
    assert_snapshot!(staged.plurix(&["diff", "tuesday", "monday"]), @"
    -- error: expected the name or the epoch of a snapshot, or `latest`, found `tuesday`
    hint: names: before, monday
    hint: `plurix snapshots` lists all
    -- exit code Some(1)
    ");
}

#[test]
fn a_directory_in_which_nothing_was_started_has_no_past() {
    let path = std::env::temp_dir().join(format!("plurix-cli-past-{}", std::process::id()));
    DataDir::make(&path).unwrap();
    let data = path.to_str().unwrap();
    let output = plurix(&["inspect", "latest", "--data", data]).replace(data, "DATA");
    fs::remove_dir_all(&path).unwrap();
    assert_snapshot!(output, @"
    -- error: no cluster was ever started in DATA
    hint: `plurix up` starts one; --data says where
    -- exit code Some(1)
    ");
}

#[test]
fn run_shows_output_and_exits_with_the_programs_code() {
    let script = vec![
        Response::Deployed { module: 1 },
        Response::Started { process: 7 },
        Response::Watched(watched(ProcessState::Running, "one\n")),
        Response::Watched(watched(ProcessState::Exited(3), "two\n")),
    ];
    let mut staged = Staged::new("run", script);
    let output = staged.plurix(&["run", "bank", "--workers", "4", "--", "10", "--strange"]);
    assert_snapshot!(output, @"
    one
    two
    -- -- exit code Some(3)
    ");
    let asked = staged.asked();
    assert!(matches!(&asked[0], Request::Deploy { name, wasm }
        if name == "bank" && wasm.starts_with(b"\0asm")));
    assert_eq!(
        asked[1],
        Request::Run {
            module: "bank".into(),
            program: "bank".into(),
            workers: 4,
            arguments: vec!["10".into(), "--strange".into()],
            inputs: Vec::new(),
        }
    );
    let cursors = vec![admin::Cursor {
        slot: 0,
        position: 4,
    }];
    assert_eq!(
        asked[3],
        Request::Watch {
            process: 7,
            cursors
        }
    );
}

#[test]
fn run_keeps_the_result_in_a_file() {
    let end = Watched {
        result_bytes: 5,
        ..watched(ProcessState::Done(0), "")
    };
    let script = vec![
        Response::Deployed { module: 1 },
        Response::Started { process: 7 },
        Response::Watched(end),
        Response::Bytes {
            bytes: b"hel".to_vec(),
            total: 5,
        },
        Response::Bytes {
            bytes: b"lo".to_vec(),
            total: 5,
        },
    ];
    let staged = Staged::new("result", script);
    let file = staged.path.join("result.txt");
    let output = staged.plurix(&["run", "bank", "--result", file.to_str().unwrap()]);
    assert!(output.ends_with("exit code Some(0)"), "{output}");
    assert_eq!(fs::read(file).unwrap(), b"hello");
}

#[test]
fn a_program_that_fails_says_why() {
    let fault = "worker 3: division by zero".to_owned();
    let end = Watched {
        fault,
        ..watched(ProcessState::Faulted, "")
    };
    let script = vec![
        Response::Deployed { module: 1 },
        Response::Started { process: 7 },
        Response::Watched(end),
    ];
    let staged = Staged::new("fault", script);
    assert_snapshot!(staged.plurix(&["run", "bank"]), @"
    -- error: the program has failed: worker 3: division by zero
    -- exit code Some(1)
    ");
}

#[test]
fn call_passes_arguments_and_prints_values() {
    let script = vec![Response::Returned {
        values: vec!["42".into()],
        reply: b"fine".to_vec(),
        output: b"working\n".to_vec(),
    }];
    let mut staged = Staged::new("call", script);
    let output = staged.plurix(&["call", "bank", "transfer", "1", "2", "-5", "--query"]);
    assert_snapshot!(output, @"
    working
    fine
    42
    -- -- exit code Some(0)
    ");
    assert_eq!(
        staged.asked(),
        [Request::Call {
            program: "bank".into(),
            function: "transfer".into(),
            arguments: vec!["1".into(), "2".into(), "-5".into()],
            inputs: Vec::new(),
            is_query: true,
        }]
    );
}

#[test]
fn a_nodes_refusal_is_an_error_with_its_words() {
    let message = "expected a program, found `bnak`: `plurix ps` lists them".to_owned();
    let failure = Failure {
        kind: FailureKind::BadRequest,
        message,
    };
    let staged = Staged::new("refusal", vec![Response::Failed(failure)]);
    assert_snapshot!(staged.plurix(&["call", "bnak", "total"]), @"
    -- error: expected a program, found `bnak`: `plurix ps` lists them
    -- exit code Some(1)
    ");
}

#[test]
fn a_node_that_dies_is_an_error() {
    let staged = Staged::new("dies", Vec::new());
    let output = staged.plurix(&["call", "bank", "total"]);
    assert!(output.contains("has closed the connection"), "{output}");
    assert!(output.ends_with("exit code Some(1)"), "{output}");
}

#[test]
fn kill_needs_a_node_that_is_alive() {
    let staged = Staged::new("kill", Vec::new());
    assert_snapshot!(staged.plurix(&["kill", "5"]), @"
    -- error: expected a node that is alive, found 5
    hint: alive: 1
    -- exit code Some(1)
    ");
    assert_snapshot!(staged.plurix(&["kill", "node-1"]), @"
    -- error: node-1 has ended already
    -- exit code Some(1)
    ");
}
