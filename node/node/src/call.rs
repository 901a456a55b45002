//! Calls from outside: one exported function as one transaction.
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use admin::Response;
use dtm::{Attempt, CommitMode};
use engine::{Instance, Limits, Stop, Value};
use kernel::processes::{self, ProcessState};
use kernel::step::Step;
use kernel::{Failure, ProcessId};
use platform::{Disk, Wait};
use types::Stamp;

use crate::launch::named;
use crate::requests::{Served, Unserved, bad_request, guest_failed, unavailable};
use crate::step::Running;
use crate::transaction::{NotDone, Transaction};
use crate::worker::report;
use crate::{Node, Platform};

/// What comes with a call and goes back from it.
#[derive(Clone, Debug, Default)]
pub(crate) struct CallData {
    pub(crate) inputs: Vec<Vec<u8>>,
    pub(crate) reply: Vec<u8>,
    pub(crate) output: Vec<u8>,
    /// What was written is undone when it has been validated.
    pub(crate) is_query: bool,
}

impl<P: Platform, D: Disk> Node<P, D> {
    pub(crate) fn call(
        &mut self,
        program: &str,
        function: &str,
        arguments: &[String],
        inputs: Vec<Vec<u8>>,
        is_query: bool,
    ) -> Served {
        let (process, module) = self.find_program(program)?;
        if self.apps.get(process).is_none() {
            self.apps
                .open(&mut self.core, &self.engine, process, module)?;
        }
        let instance = self.apps.get(process).expect("opened above");
        let values = parse(instance, function, arguments)?;
        let mut call = CallData {
            inputs,
            is_query,
            ..CallData::default()
        };
        let (results, stamp) = self.call_process(
            process,
            ProcessState::Running,
            &mut call,
            |instance, running, limits| instance.call(running, function, &values, limits),
        )?;
        let values = results.iter().map(Value::to_string).collect();
        let CallData { reply, output, .. } = call;
        Ok((
            Response::Returned {
                values,
                reply,
                output,
            },
            Some(stamp),
        ))
    }

    fn find_program(&mut self, program: &str) -> Result<(ProcessId, kernel::ModuleId), Unserved> {
        let number = program.parse().map(ProcessId).ok();
        let name = named(program)?;
        let (found, _) = self.core.transact(|pages| {
            let id = match processes::by_name(pages, &name)?.or(number) {
                Some(id) => id,
                None => return Ok(None),
            };
            let process = processes::get(pages, id)?;
            Ok(Some((id, process.module)))
        })?;
        found.ok_or_else(|| {
            bad_request(format!(
                "no program `{program}`: `plurix ps` lists those there are"
            ))
        })
    }

    /// Calls into a process until it commits. For a process in state `Loading` that is
    /// its start function.
    pub(crate) fn call_process<T>(
        &mut self,
        process: ProcessId,
        state: ProcessState,
        call: &mut CallData,
        mut body: impl FnMut(&mut Instance, &mut Running<'_, P, D>, Limits) -> Result<T, Stop>,
    ) -> Result<(T, Stamp), Unserved> {
        let view = self.core.view_number();
        let mut attempt = Attempt::First;
        loop {
            self.core.await_lease();
            if self.core.fatal.is_some() {
                return Err(NotDone::Ending.into());
            }
            if self.core.view_number() != view {
                return Err(Unserved::Undone);
            }
            call.reply.clear();
            call.output.clear();
            let mode = if call.is_query {
                CommitMode::Discard
            } else {
                CommitMode::Apply
            };
            self.core.begin(attempt, mode);
            attempt = Attempt::Retry;
            let outcome = self.attempt_call(process, state, call, &mut body);
            match outcome {
                Ok(value) => {
                    if let Ok(stamp) = self.core.commit() {
                        return Ok((value, stamp));
                    }
                }
                Err(unserved) => {
                    let (lost, has_bad_luck) = (self.core.lost_page(), self.core.has_bad_luck());
                    self.core.rollback();
                    match (unserved, lost) {
                        (Some(unserved), _) if !has_bad_luck => return Err(unserved),
                        (None, Some((page, version))) => {
                            return Err(NotDone::Lost(page, version).into());
                        }
                        _ => {}
                    }
                }
            }
            self.core.pump(Wait::No);
        }
    }

    /// The body of a call's transaction. `Err(None)` means that it must run again.
    fn attempt_call<T>(
        &mut self,
        process: ProcessId,
        state: ProcessState,
        call: &mut CallData,
        body: &mut impl FnMut(&mut Instance, &mut Running<'_, P, D>, Limits) -> Result<T, Stop>,
    ) -> Result<T, Option<Unserved>> {
        let station = self.core.station();
        let pages = &mut Transaction {
            core: &mut self.core,
        };
        let step = match state {
            ProcessState::Loading => Step::load(pages, station, process),
            _ => Step::call(pages, station, process),
        };
        let step = step.map_err(failed)?;
        let instance = self
            .apps
            .get(process)
            .expect("the caller has opened the process");
        let mut running = Running::new(&mut self.core, step, Some(call));
        let result = body(instance, &mut running, self.limits);
        let Running {
            mut step,
            complaint,
            ..
        } = running;
        let value = match result {
            Ok(value) => value,
            Err(Stop::Conflict | Stop::Fallback) => return Err(None),
            Err(Stop::Exit(code)) => {
                step.exit(code);
                return Err(Some(unavailable(format!(
                    "the function ended with exit({code})"
                ))));
            }
            Err(Stop::Lost(why)) => return Err(Some(unavailable(why))),
            Err(stop) => return Err(Some(guest_failed(report(&stop, &complaint)))),
        };
        let pages = &mut Transaction {
            core: &mut self.core,
        };
        step.finish_call(pages).map_err(failed)?;
        Ok(value)
    }
}

fn failed(failure: Failure) -> Option<Unserved> {
    match failure {
        Failure::Stop(_) => None,
        Failure::Refused(refusal) => Some(bad_request(refusal.to_string())),
    }
}

fn parse(
    instance: &Instance,
    function: &str,
    arguments: &[String],
) -> Result<Vec<Value>, Unserved> {
    let signature = instance.module().signature(function).ok_or_else(|| {
        bad_request(format!(
            "the program exports no function `{function}` that can be called"
        ))
    })?;
    if signature.params.len() != arguments.len() {
        let found = arguments.len();
        return Err(bad_request(format!(
            "`{function}` is {signature}, found {found} arguments"
        )));
    }
    let parsed = signature.params.iter().zip(arguments);
    parsed
        .map(|(param, text)| {
            param
                .parse(text)
                .map_err(|error| bad_request(error.to_string()))
        })
        .collect()
}
