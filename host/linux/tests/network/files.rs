//! Files that programs append to: what is written again changes nothing, and what does not fit
//! is told.
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use linux::{LinuxFiles, Network};
use platform::{SocketEvent, SocketId};

use crate::common::open;

struct Files {
    directory: PathBuf,
    files: LinuxFiles,
    _node: Network,
}

impl Files {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("plurix-files-{}-{number}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        fs::create_dir_all(&directory).unwrap();
        let node = open(1);
        let files = LinuxFiles::start(Some(directory.clone()), node.waker()).unwrap();
        Self {
            directory,
            files,
            _node: node,
        }
    }

    fn next_event(&mut self) -> SocketEvent {
        let begun = Instant::now();
        loop {
            if let Some(event) = self.files.next_event() {
                return event;
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "nothing is done");
            std::thread::yield_now();
        }
    }

    /// The file, and its length.
    fn open(&mut self, name: &str) -> (SocketId, u64) {
        let file = self.files.open(name).unwrap();
        match self.next_event() {
            SocketEvent::Opened { socket, length } if socket == file => (file, length),
            other => panic!("expected that it is open, found {other:?}"),
        }
    }

    fn write(&mut self, file: SocketId, place: u64, bytes: &[u8]) -> SocketEvent {
        self.files.write_at(file, place, bytes);
        self.next_event()
    }

    fn written(&mut self, file: SocketId, place: u64, bytes: &[u8]) {
        let done = self.write(file, place, bytes);
        let (socket, bytes) = (file, bytes.len());
        assert_eq!(done, SocketEvent::Written { socket, bytes });
    }

    fn failed(&mut self, file: SocketId, expected: &str) {
        match self.next_event() {
            SocketEvent::Failed { socket, why } if socket == file => {
                assert!(why.contains(expected), "{why}");
            }
            other => panic!("expected a failure, found {other:?}"),
        }
    }

    fn refused(&mut self, file: SocketId, place: u64, bytes: &[u8], expected: &str) {
        self.files.write_at(file, place, bytes);
        self.failed(file, expected);
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.directory.join(name)).unwrap()
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

#[test]
fn what_is_written_again_is_there_once() {
    let mut files = Files::new();
    fs::write(files.directory.join("log"), "before\n").unwrap();
    let (file, length) = files.open("log");
    assert_eq!(length, 7);
    files.written(file, 7, b"one\ntwo\n");
    // Another home, that knows of the first line only, or of nothing.
    for known in [11, 7] {
        let (again, _) = files.open("log");
        let all = b"one\ntwo\nthree\n";
        let from = usize::try_from(known - 7).unwrap();
        files.written(again, known, &all[from..]);
        files.files.close(again);
        assert_eq!(files.read("log"), "before\none\ntwo\nthree\n");
    }
}

#[test]
fn what_a_crash_has_left_as_zeros_is_written() {
    let mut files = Files::new();
    fs::write(files.directory.join("log"), b"a\0\0\0").unwrap();
    let (file, _) = files.open("log");
    files.written(file, 0, b"abcdef");
    assert_eq!(files.read("log"), "abcdef");
}

#[test]
fn a_file_that_was_cut_or_changed_is_told_of_and_left_alone() {
    let mut files = Files::new();
    let (file, _) = files.open("log");
    files.written(file, 0, b"abc");
    fs::write(files.directory.join("log"), "a").unwrap();
    files.refused(file, 3, b"def", "it has 1 bytes, expected at least the 3");
    assert_eq!(files.read("log"), "a");
    let (file, _) = files.open("log");
    files.refused(
        file,
        0,
        b"xyz",
        "byte 0 is not what was or is to be written",
    );
    assert_eq!(files.read("log"), "a");
}

#[test]
fn files_are_those_of_the_directory() {
    let mut files = Files::new();
    let outside = files.directory.join("elsewhere");
    fs::write(&outside, "secret").unwrap();
    std::os::unix::fs::symlink(&outside, files.directory.join("link")).unwrap();
    fs::create_dir(files.directory.join("folder")).unwrap();
    for name in ["../log", "/etc/passwd", ".hidden", "", "link", "folder"] {
        let file = files.files.open(name).unwrap();
        files.failed(file, "append to the file ");
    }
    let node = open(2);
    let mut none = LinuxFiles::start(None, node.waker()).unwrap();
    let refused = none.open("log").unwrap_err();
    assert!(refused.contains("--files DIR"), "{refused}");
}

/// However many are written together, each is told of.
#[test]
fn what_is_written_in_one_go_is_all_told_of() {
    let mut files = Files::new();
    let (one, _) = files.open("one");
    let (other, _) = files.open("other");
    let count = 1000;
    for at in 0..count {
        files.files.write_at(one, at, b"x");
        files.files.write_at(other, 2 * at, b"yz");
    }
    let mut told = [0, 0];
    while told != [1000, 2000] {
        match files.next_event() {
            SocketEvent::Written { socket, bytes } => told[usize::from(socket == other)] += bytes,
            event => panic!("{event:?}"),
        }
    }
    assert_eq!(files.read("one"), "x".repeat(1000));
    assert_eq!(files.read("other"), "yz".repeat(1000));
}

#[test]
fn what_was_written_before_a_failure_is_told_of_and_nothing_after_it_is_written() {
    let mut files = Files::new();
    let (file, _) = files.open("log");
    files.files.write_at(file, 0, b"abc");
    files.files.write_at(file, 4, b"efg");
    files.files.write_at(file, 3, b"d");
    let (socket, bytes) = (file, 3);
    assert_eq!(files.next_event(), SocketEvent::Written { socket, bytes });
    files.failed(file, "it has 3 bytes, expected at least the 4");
    files.files.close(file);
    let (_, length) = files.open("log");
    assert_eq!(length, 3);
}
