//! MULTI and WATCH. A step is a transaction already: commands are only kept until they are
//! executed in one.

use alloc::vec::Vec;

use crate::call::Call;
use crate::commands::{self, Executor};
use crate::failure::Failure;
use crate::parse::{self, Parsed, Parser};
use crate::table::Mark;
use crate::text::Text;

/// Commands that are executed in one step, and bytes of them.
const COMMANDS_MAX: usize = 1 << 16;
const BYTES_MAX: usize = 16 << 20;
/// Keys that are watched at a time, and bytes of them.
const WATCHED_MAX: usize = 1 << 10;
const WATCHED_BYTES_MAX: usize = 1 << 20;

/// Commands that wait for EXEC.
#[derive(Default, Debug)]
pub(crate) struct Transaction {
    /// As arrays of bulk strings.
    commands: Vec<u8>,
    count: usize,
    /// Whether a command was refused.
    is_spoilt: bool,
}

impl Transaction {
    /// Sees to it that nothing of it is executed.
    pub(crate) fn spoil(&mut self) {
        self.is_spoilt = true;
        self.commands = Vec::new();
    }

    pub(crate) fn add(&mut self, arguments: &[&[u8]]) -> Result<(), Failure> {
        if self.is_spoilt {
            return Ok(());
        }
        let bytes: usize = arguments.iter().map(|argument| argument.len() + 16).sum();
        if self.count == COMMANDS_MAX || self.commands.len() + bytes > BYTES_MAX {
            self.spoil();
            return Err(Failure::Text("ERR too many commands in one transaction"));
        }
        parse::write(arguments, &mut self.commands);
        self.count += 1;
        Ok(())
    }

    pub(crate) fn execute(self, watched: &Watched, call: &mut Call<'_, '_>) -> Result<(), Failure> {
        if self.is_spoilt {
            return Err(Failure::Text(
                "EXECABORT Transaction discarded because of previous errors.",
            ));
        }
        if !watched.is_unchanged(call) {
            call.output.null_array();
            return Ok(());
        }
        call.output.array(self.count);
        let mut rest = &self.commands[..];
        while let Ok(Parsed::Whole(request, length)) = Parser::default().parse(rest) {
            rest = &rest[length..];
            request.with_arguments(|arguments| {
                let done = match commands::find(arguments).map(|command| command.executor) {
                    Ok(Executor::Database(handler)) => handler(call, arguments),
                    // UNWATCH: there is nothing to be watched any more.
                    Ok(Executor::Session(_)) => {
                        call.output.ok();
                        Ok(())
                    }
                    Err(failure) => Err(failure),
                };
                if let Err(failure) = done {
                    call.output.error(&failure.text());
                }
            });
        }
        Ok(())
    }
}

/// Keys that must not change before EXEC.
#[derive(Default, Debug)]
pub(crate) struct Watched {
    keys: Vec<(Text, Mark)>,
    bytes: usize,
}

impl Watched {
    pub(crate) fn add(&mut self, keys: &[&[u8]], call: &mut Call<'_, '_>) -> Result<(), Failure> {
        for &key in keys {
            if self.keys.iter().any(|(watched, _)| **watched == *key) {
                continue;
            }
            self.bytes += key.len();
            if self.keys.len() == WATCHED_MAX || self.bytes > WATCHED_BYTES_MAX {
                return Err(Failure::Text("ERR too many keys are watched"));
            }
            self.keys.push((key.into(), call.mark(key)));
        }
        Ok(())
    }

    fn is_unchanged(&self, call: &mut Call<'_, '_>) -> bool {
        self.keys.iter().all(|(key, mark)| call.mark(key) == *mark)
    }
}
