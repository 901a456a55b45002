//! A program on a cluster: found, deployed, started, followed to its end.
use std::fs;
use std::path::Path;

use admin::{Blob, Cursor, ProcessState, Watched};

use crate::client::{Client, ClientError};
use crate::error::Error;
use crate::examples::{self, EXAMPLES};

/// A module and what it is called.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Program {
    pub(crate) name: String,
    pub(crate) wasm: Vec<u8>,
}

impl Program {
    /// The module in a file, or the example of that name.
    pub(crate) fn find(name: &str) -> Result<Self, Error> {
        let path = Path::new(name);
        if let Some(example) = examples::find(name).filter(|_| !path.is_file()) {
            return Ok(Self {
                name: example.name.to_owned(),
                wasm: example.wasm.to_vec(),
            });
        }
        let wasm = fs::read(path).map_err(|error| {
            let names: Vec<&str> = EXAMPLES.iter().map(|example| example.name).collect();
            Error::user(format!(
                "expected a module file or an example, found {name}: {error}"
            ))
            .hint(format!("examples: {}", names.join(", ")))
        })?;
        if !wasm.starts_with(b"\0asm") {
            return Err(
                Error::user(format!("expected a WebAssembly module, found {name}"))
                    .hint("docs/abi.md says how to build one"),
            );
        }
        let name = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        Ok(Self { name, wasm })
    }
}

/// An input file, under its name without directories.
pub(crate) fn input(path: &Path) -> Result<Blob, Error> {
    let bytes = fs::read(path)
        .map_err(|error| Error::user(format!("read the input {}: {error}", path.display())))?;
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    Ok(Blob { name, bytes })
}

/// All of them, in order.
pub(crate) fn inputs(paths: &[std::path::PathBuf]) -> Result<Vec<Blob>, Error> {
    paths.iter().map(|path| input(path)).collect()
}

/// A process that is being watched.
#[derive(Debug)]
pub(crate) struct Followed {
    pub(crate) process: u32,
    cursors: Vec<Cursor>,
}

impl Followed {
    pub(crate) fn new(process: u32) -> Self {
        Self {
            process,
            cursors: Vec::new(),
        }
    }

    /// What is new since the last time.
    pub(crate) fn news(&mut self, client: &mut Client) -> Result<Watched, ClientError> {
        let watched = client.watch(self.process, self.cursors.clone())?;
        self.cursors.clone_from(&watched.cursors);
        Ok(watched)
    }
}

/// The exit code of a process that has ended, or the error that it ended with.
pub(crate) fn exit_code(state: ProcessState, fault: &str) -> Result<u8, Error> {
    match state {
        ProcessState::Done(_) => Ok(0),
        // The low byte, as a shell sees it; a failure stays one.
        ProcessState::Exited(code) => {
            let low = u8::try_from(code & 0xFF).expect("masked");
            Ok(if code != 0 && low == 0 { 1 } else { low })
        }
        ProcessState::Faulted => Err(Error::user(format!("the program has failed: {fault}"))),
        ProcessState::Cancelled => Err(Error::user("the program was cancelled")),
        ProcessState::Loading | ProcessState::Running => {
            Err(Error::internal("the program has not ended"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_are_found_by_name() {
        for example in EXAMPLES {
            let program = Program::find(example.name).unwrap();
            assert_eq!(program.wasm, example.wasm);
            assert!(example.wasm.starts_with(b"\0asm"));
        }
    }

    #[test]
    fn what_is_no_module_is_refused_by_name() {
        let error = Program::find("nothing.wasm").unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("expected a module file or an example, found nothing.wasm: "));
        assert_eq!(
            error.hints(),
            [
                "examples: bank, board, clock, console, disk, display, input, kv, lists, network, \
                 power, raytracer, resp, scribe, shell, tally, wordcount"
            ]
        );
        let error = Program::find("Cargo.toml").unwrap_err();
        assert_eq!(
            error.to_string(),
            "expected a WebAssembly module, found Cargo.toml"
        );
    }

    #[test]
    fn exit_codes_are_the_programs_own() {
        assert_eq!(exit_code(ProcessState::Done(17), ""), Ok(0));
        assert_eq!(exit_code(ProcessState::Exited(3), ""), Ok(3));
        assert_eq!(exit_code(ProcessState::Exited(-1), ""), Ok(255));
        assert_eq!(exit_code(ProcessState::Exited(512), ""), Ok(1));
        let fault = exit_code(ProcessState::Faulted, "division by zero").unwrap_err();
        assert_eq!(
            fault.to_string(),
            "the program has failed: division by zero"
        );
    }
}
