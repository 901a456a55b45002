//! curl at the service that keeps values over HTTP: what its document shows, as people type it,
//! and that it is so whichever node is killed.
use std::fs;
use std::net::SocketAddr;
use std::process::Command;

use e2e::{Machine, Started, eventually, free_address};

/// No answer takes longer, also if another node has to listen first.
const CURL_SECONDS: &str = "60";

struct Service {
    machine: Machine,
    address: SocketAddr,
    _run: Started,
}

/// What curl was told: status, entity tag if there is one, content.
type Told = (u16, String, Vec<u8>);

impl Service {
    fn new(name: &str) -> Self {
        let mut machine = Machine::with_cluster(name);
        let address = free_address();
        let run = machine.start(&["run", "kv", "--", &address.to_string(), "stable"]);
        let service = Self {
            machine,
            address,
            _run: run,
        };
        eventually("somebody answers", || service.curl("keys", &[]));
        service
    }

    /// None if there was no answer.
    fn curl(&self, path: &str, options: &[&str]) -> Option<Told> {
        let output = Command::new("curl")
            .args(["--silent", "--max-time", CURL_SECONDS])
            .args(["--write-out", "\n%{http_code} %header{etag}"])
            .args(options)
            .arg(format!("http://{}/{path}", self.address))
            .output()
            .expect("`cargo xtask test` installs it");
        let end = output.stdout.iter().rposition(|byte| *byte == b'\n');
        let (content, last) = output
            .stdout
            .split_at(end.expect("the line that was asked for"));
        let last = str::from_utf8(&last[1..]).unwrap();
        let (status, tag) = last.split_once(' ').unwrap();
        let told = (status.parse().unwrap(), tag.to_owned(), content.to_vec());
        output.status.success().then_some(told)
    }

    fn ask(&self, path: &str, options: &[&str]) -> Told {
        self.curl(path, options).expect("it answers")
    }

    fn status(&self, path: &str, options: &[&str]) -> u16 {
        self.ask(path, options).0
    }
}

fn told(status: u16, tag: &str, content: &str) -> Told {
    (status, tag.to_owned(), content.as_bytes().to_vec())
}

#[test]
fn what_the_document_shows_is_so() {
    let service = Service::new("curl");
    let key = "keys/greeting";
    let put = ["-X", "PUT", "-d", "hello"];
    assert_eq!(service.ask(key, &put), told(201, "\"1\"", ""));
    assert_eq!(service.ask(key, &[]), told(200, "\"1\"", "hello"));

    let set = ["-X", "PUT", "-d", "hi", "-H", "If-Match: \"1\""];
    assert_eq!(service.ask(key, &set), told(204, "\"2\"", ""));
    assert_eq!(service.status(key, &set), 412, "it has changed");
    let create = ["-X", "PUT", "-d", "x", "-H", "If-None-Match: *"];
    assert_eq!(service.status(key, &create), 412, "it is there");
    let known = ["-H", "If-None-Match: \"2\""];
    assert_eq!(service.ask(key, &known), told(304, "\"2\"", ""));
    assert_eq!(service.ask(key, &[]), told(200, "\"2\"", "hi"));

    assert_eq!(service.ask("keys/visits/add", &["-d", "5"]).2, b"5");
    assert_eq!(service.ask("keys/visits/add", &["-d", "-7"]).2, b"-2");
    assert_eq!(service.status("keys/greeting/add", &["-d", "1"]), 409);

    assert_eq!(service.status("keys/a%2Fb%20c", &put), 201);
    assert_eq!(service.ask("keys", &[]).2, b"a%2Fb%20c\ngreeting\nvisits\n");
    let some = service.ask("keys?prefix=g&limit=10", &[]).2;
    assert_eq!(some, b"greeting\n");

    assert_eq!(service.status(key, &["-X", "DELETE"]), 204);
    assert_eq!(service.status(key, &["-X", "DELETE"]), 404);
    assert_eq!(service.status(key, &[]), 404);
    let (status, tag, _) = service.ask(key, &create);
    assert_eq!(status, 201);
    assert!(!["", "\"1\"", "\"2\""].contains(&&*tag), "{tag} was there");
    assert_eq!(service.status(key, &["-X", "BREW"]), 501);
}

#[test]
fn files_come_back_as_they_were_however_they_were_sent() {
    let service = Service::new("curl-files");
    let bytes: Vec<u8> = (0..1 << 20).map(|at: u32| (at % 251) as u8).collect();
    let file = service.machine.write("photo", &bytes);
    let back = service.machine.file("back");
    let kind = "Content-Type: image/jpeg";
    for (key, options) in [
        ("sized", &["-T", &file, "-H", kind][..]),
        (
            "chunked",
            &["-T", &file, "-H", kind, "-H", "Transfer-Encoding: chunked"],
        ),
        (
            "asks-first",
            &["-T", &file, "-H", kind, "-H", "Expect: 100-continue"],
        ),
        ("old", &["-T", &file, "-H", kind, "--http1.0"]),
    ] {
        let key = format!("keys/{key}");
        assert_eq!(service.status(&key, options), 201, "{key}");
        let head = service.ask(&key, &["--head"]).2;
        let head = String::from_utf8(head).unwrap();
        assert!(head.contains("image/jpeg"), "{key}: {head}");
        assert!(head.contains("1048576"), "{key}: {head}");
        assert_eq!(service.status(&key, &["-o", &back]), 200, "{key}");
        assert!(fs::read(&back).unwrap() == bytes, "{key} is another");
    }
    let larger = service.machine.write("larger", [&bytes[..], b"x"].concat());
    assert_eq!(service.status("keys/larger", &["-T", &larger]), 413);
    assert_eq!(service.status("keys/larger", &[]), 404);
}

/// curl asks again when its connection breaks, as people would: what was put is there, once.
#[test]
fn what_was_answered_is_so_whichever_node_is_killed() {
    let mut service = Service::new("curl-kill");
    let again = ["--retry", "60", "--retry-delay", "1", "--retry-all-errors"];
    let insist = |service: &Service, options: &[&str]| {
        service.ask("keys/a", &[&again[..], options].concat())
    };
    for round in 1..=3 {
        let value = format!("round {round}");
        let (condition, done) = match round {
            1 => ("If-None-Match: *".to_owned(), 201),
            _ => (format!("If-Match: \"{}\"", round - 1), 204),
        };
        let put = ["-X", "PUT", "-d", &value, "-H", &condition];
        let tag = format!("\"{round}\"");
        assert_eq!(service.ask("keys/a", &put), told(done, &tag, ""));
        service.machine.run(&["kill", &round.to_string()]).ok();
        assert_eq!(insist(&service, &[]), told(200, &tag, &value));
        // A second try of what has had its effect is refused.
        assert_eq!(insist(&service, &put).0, 412);
        service.machine.wait_members(3);
        service.machine.wait_copies();
    }
}
