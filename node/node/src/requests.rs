//! Serving tools: one request at a time, between the steps of workers.
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use admin::{Failure, FailureKind, Request, Response};
use platform::{CompileJob, Disk, RequestId};
use types::{Epoch, NodeId, Stamp};

use crate::core::Core;
use crate::deploy::Pending;
use crate::orders::Ordered;
use crate::replies::Reply;
use crate::revive::Revivals;
use crate::transaction::{NotDone, loss};
use crate::{FatalReason, Node, Platform};

/// What is under way for tools.
#[derive(Default)]
pub(crate) struct Desk {
    pub(crate) jobs: BTreeMap<CompileJob, Pending>,
    pub(crate) jobs_begun: u64,
    /// The order to stop, and the epoch that must be stable before.
    down: Option<(RequestId, Epoch)>,
    /// Who waits for a decision.
    pub(crate) orders: Vec<Ordered>,
    /// Programs that are being brought back.
    pub(crate) revivals: Revivals,
}

/// Why a request is not answered as hoped.
pub(crate) enum Unserved {
    /// It could not be done.
    Failed(Failure),
    /// A fallback has undone a part of it: serve it again.
    Undone,
    /// It is answered later.
    Later,
}

/// An answer and the stamp of the state that it tells of; none if it tells of nothing
/// in the memory of the cluster.
pub(crate) type Served = Result<(Response, Option<Stamp>), Unserved>;

/// Whoever asks for the status says no more.
const STATUS_BYTES: usize = 16;

impl<P: Platform, D: Disk> Core<P, D> {
    /// Says how the cluster is, which takes no transaction.
    pub(crate) fn serve_status(&mut self) {
        let is_status = |(_, bytes): &(RequestId, Vec<u8>)| {
            bytes.len() <= STATUS_BYTES
                && matches!(admin::decode::<Request>(bytes), Ok(Request::Status))
        };
        while let Some(at) = self.requests.iter().position(is_status) {
            let (id, _) = self.requests.remove(at).expect("just found");
            let response = Response::Status(self.status());
            self.reply_now(id, &response);
        }
    }
}

impl<P: Platform, D: Disk> Node<P, D> {
    /// Serves what tools have asked, one request.
    pub(crate) fn serve(&mut self) {
        self.core.release_replies();
        self.finish_compilations();
        self.finish_orders();
        self.finish_down();
        self.core.requests.extend(self.core.machine.take_question());
        let Some((id, bytes)) = self.core.requests.pop_front() else {
            return;
        };
        self.apps.follow_resets(&mut self.core);
        let served = match admin::decode::<Request>(&bytes) {
            Ok(request) => self.serve_one(id, request, &bytes),
            Err(error) => Err(bad_request(error.to_string())),
        };
        self.answer(id, bytes, served);
    }

    pub(crate) fn answer(&mut self, id: RequestId, bytes: Vec<u8>, served: Served) {
        match served {
            Ok((response, Some(stamp))) => {
                self.core.reply_when_safe(Reply {
                    request: id,
                    bytes,
                    response,
                    stamp,
                });
            }
            Ok((response, None)) => self.core.reply_now(id, &response),
            Err(Unserved::Failed(failure)) => self.core.reply_now(id, &Response::Failed(failure)),
            Err(Unserved::Undone) => self.core.requests.push_front((id, bytes)),
            Err(Unserved::Later) => {}
        }
    }

    fn serve_one(&mut self, id: RequestId, request: Request, bytes: &[u8]) -> Served {
        match request {
            Request::Status => Ok((Response::Status(self.core.status()), None)),
            Request::Snapshots => self.core.snapshots(),
            Request::Snapshot { name } => self.take_snapshot(id, name),
            Request::Forget { snapshot } => self.forget_snapshot(id, &snapshot),
            Request::Restore {
                snapshot,
                discards_named,
            } => self.restore(id, &snapshot, discards_named),
            Request::Revive(reviving) => self.revive(&reviving),
            Request::Deploy { name, wasm } => self.deploy(id, &name, wasm, bytes),
            Request::Run {
                module,
                program,
                workers,
                arguments,
                inputs,
            } => self.launch(&module, &program, workers, &arguments, &inputs),
            Request::Call {
                program,
                function,
                arguments,
                inputs,
                is_query,
            } => {
                let inputs = inputs.into_iter().map(|input| input.bytes).collect();
                self.call(&program, &function, &arguments, inputs, is_query)
            }
            Request::Watch { process, cursors } => self.core.watch(process, &cursors),
            Request::ReadResult {
                process,
                offset,
                length,
            } => self.core.read_result(process, offset, length),
            Request::Cancel { process } => self.core.cancel(process),
            Request::Processes => self.core.processes(),
            Request::Channels => self.core.channels(),
            Request::Devices => self.core.devices(),
            Request::Look { since } => self.core.look(since),
            Request::Feel { events } => self.core.feel(&events),
            Request::Type { bytes } => self.core.type_text(&bytes),
            Request::ReadText { from } => self.core.read_text(from),
            Request::Past { epoch, question } => self.core.ask_past(id, Epoch(epoch), question),
            Request::Down => self.begin_down(id),
            Request::Drain { nodes } => self.drain(&nodes),
            Request::Scrub => {
                self.core.begin_scrub();
                Ok((Response::Done, None))
            }
            Request::ScrubProgress => Ok((Response::Scrubbed(self.core.scrubbed()), None)),
        }
    }

    /// Refers to other nodes whoever asks for something that takes a transaction.
    pub(crate) fn serve_leaving(&mut self) {
        self.core.release_replies();
        self.finish_compilations();
        self.finish_orders();
        self.finish_down();
        while let Some((id, bytes)) = self.core.requests.pop_front() {
            let served = match admin::decode::<Request>(&bytes) {
                Ok(request @ (Request::Status | Request::Down | Request::Drain { .. })) => {
                    self.serve_one(id, request, &bytes)
                }
                Ok(_) => Err(NotDone::Ending.into()),
                Err(error) => Err(bad_request(error.to_string())),
            };
            self.answer(id, bytes, served);
        }
    }

    /// Nodes leave for good.
    fn drain(&mut self, nodes: &[u32]) -> Served {
        let nodes = nodes.iter().copied().map(NodeId).collect();
        match self.core.drain(&nodes) {
            Ok(()) => Ok((Response::Done, None)),
            Err(Some(why)) => Err(bad_request(why)),
            Err(None) => Err(unavailable("only the leader lets nodes leave".to_string())),
        }
    }

    /// The cluster stops when everything that is committed now is stable.
    fn begin_down(&mut self, id: RequestId) -> Served {
        if self.core.leadership.is_none() {
            return Err(unavailable("only the leader stops the cluster".to_string()));
        }
        let epoch = self.core.dtm.epoch();
        self.core.await_epoch(epoch);
        self.desk.down = Some((id, epoch));
        Err(Unserved::Later)
    }

    fn finish_down(&mut self) {
        let Some((id, epoch)) = self.desk.down else {
            return;
        };
        if self.core.leadership.is_none() {
            self.desk.down = None;
            let why = unavailable("the node leads no more".to_string());
            return self.answer(id, Vec::new(), Err(why));
        }
        if self.core.dtm.stable() >= epoch {
            self.core.reply_now(id, &Response::Done);
            self.core.say_down();
            self.core.fatal = Some(FatalReason::Down);
        }
    }
}

pub(crate) fn bad_request(message: String) -> Unserved {
    Unserved::Failed(Failure {
        kind: FailureKind::BadRequest,
        message,
    })
}

pub(crate) fn unavailable(message: String) -> Unserved {
    Unserved::Failed(Failure {
        kind: FailureKind::Unavailable,
        message,
    })
}

/// Who leads no more does not know what has become of what it had begun to decide.
pub(crate) fn undecided() -> Unserved {
    Unserved::Failed(Failure {
        kind: FailureKind::Unknown,
        message: "the node leads no more, and does not know whether it is done".to_string(),
    })
}

pub(crate) fn guest_failed(message: String) -> Unserved {
    Unserved::Failed(Failure {
        kind: FailureKind::Guest,
        message,
    })
}

impl From<NotDone> for Unserved {
    fn from(not_done: NotDone) -> Self {
        match not_done {
            NotDone::Refused(refusal) => bad_request(refusal.to_string()),
            NotDone::Undone => Self::Undone,
            NotDone::Lost(page, version) => unavailable(loss(page, version)),
            NotDone::Ending => Self::Failed(Failure {
                kind: FailureKind::Ending,
                message: "the node is about to end: ask another".to_string(),
            }),
        }
    }
}
