//! One run of the command.
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use crate::eventually;

/// A command that has been started. Killed when dropped.
#[derive(Debug)]
pub struct Started {
    child: Child,
    out: PathBuf,
    err: PathBuf,
}

/// How a command has ended and what it has written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// Its exit code; `None` if a signal has ended it.
    pub code: Option<i32>,
    /// Its standard output.
    pub out: String,
    /// Its standard error.
    pub err: String,
}

impl Started {
    /// Starts a program, `plurix` or one that starts that, with these arguments and variables; it
    /// reads from `input`, and what it writes goes to files whose names begin with `stem`.
    pub(crate) fn new(
        (program, first): (&Path, &[PathBuf]),
        arguments: &[&str],
        environment: &[(&'static str, String)],
        input: Stdio,
        stem: &str,
    ) -> Self {
        let (out, err) = (
            PathBuf::from(format!("{stem}.out")),
            PathBuf::from(format!("{stem}.err")),
        );
        let file = |path| File::create(path).expect("the test's directory can be written to");
        let child = Command::new(program)
            .args(first)
            .args(arguments)
            .envs(environment.iter().cloned())
            .stdin(input)
            .stdout(file(&out))
            .stderr(file(&err))
            .spawn()
            .expect("the executable was found");
        Self { child, out, err }
    }

    /// Writes to the pipe that is its standard input.
    ///
    /// # Panics
    /// If it has none, or reads no more.
    pub fn write(&mut self, text: &str) {
        let input = self.child.stdin.as_mut();
        let input = input.expect("it was started with a pipe that has not ended");
        input.write_all(text.as_bytes()).expect("it reads");
    }

    /// Nothing more will be written to it.
    pub fn end_input(&mut self) {
        drop(self.child.stdin.take());
    }

    /// What it has written to its standard output so far.
    #[must_use]
    pub fn out(&self) -> String {
        read(&self.out)
    }

    /// What it has written to its standard error so far.
    #[must_use]
    pub fn err(&self) -> String {
        read(&self.err)
    }

    /// What a node says of where it is reached, after this word.
    #[must_use]
    pub fn announced(&self, word: &str) -> String {
        eventually("the node listens", || {
            let out = self.out();
            let (_, rest) = out.split_once(word)?;
            Some(rest[..rest.find([' ', '\n'])?].to_owned())
        })
    }

    /// As if its user had pressed Ctrl-C.
    pub fn interrupt(&self) {
        let command = format!("kill -INT {}", self.child.id());
        let status = Command::new("sh").args(["-c", &command]).status();
        assert!(status.expect("there is a shell").success());
    }

    /// As a crash would end it.
    ///
    /// # Panics
    /// If it has ended already.
    pub fn kill(mut self) {
        self.child.kill().expect("it has not ended");
    }

    /// Whether it goes on.
    pub fn is_running(&mut self) -> bool {
        self.status().is_none()
    }

    /// Waits for its end.
    #[must_use]
    pub fn wait(mut self) -> Outcome {
        let status = eventually("the end of a command", || self.status());
        Outcome {
            code: status.code(),
            out: self.out(),
            err: self.err(),
        }
    }

    fn status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child can be waited for")
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // Both fail only if it has ended and was waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Outcome {
    /// The same, after a look at whether it went well.
    ///
    /// # Panics
    /// If it did not.
    pub fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:#?}");
        self
    }

    /// The same, after a look at whether it was refused by these words.
    ///
    /// # Panics
    /// If it was not, or in other words.
    pub fn refused(self, words: &[&str]) -> Self {
        assert_eq!(self.code, Some(1), "{words:?} {self:#?}");
        for word in words {
            assert!(self.err.contains(word), "expected {word:?} in {self:#?}");
        }
        self
    }
}

fn read(path: &PathBuf) -> String {
    let bytes = fs::read(path).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}
