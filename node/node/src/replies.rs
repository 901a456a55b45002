//! Answers to tools wait until what they tell is safe: it cannot be undone any more by
//! what the cluster is to survive. If it is undone before, the request is served again.
use alloc::vec::Vec;

use admin::Response;
use devices::machine::Machine;
use platform::{Disk, RequestId};
use types::{Epoch, Stamp, View};
use wire::Message;

use crate::Platform;
use crate::core::Core;

/// An answer that waits for its epoch to be safe.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) request: RequestId,
    /// The request, to serve it again.
    pub(crate) bytes: Vec<u8>,
    pub(crate) response: Response,
    /// Of the transaction that the answer tells of.
    pub(crate) stamp: Stamp,
}

impl<P: Platform, D: Disk> Core<P, D> {
    /// Answers what tells of nothing that could be undone.
    pub(crate) fn reply_now(&mut self, request: RequestId, response: &Response) {
        let bytes = admin::encode(response);
        match Machine::is_question(request) {
            true => self.machine.answer(request, &bytes),
            false => self.platform.reply(request, bytes),
        }
    }

    /// Answers when the epoch is safe.
    pub(crate) fn reply_when_safe(&mut self, reply: Reply) {
        let epoch = reply.stamp.epoch();
        if !is_glance(&reply.response) {
            self.await_epoch(epoch);
        }
        self.replies.push(reply);
        self.release_replies();
    }

    /// Somebody waits until what was done in this epoch is safe: the leader may end it before
    /// its time. It is told once in an epoch; if that is lost, the epoch ends by the clock.
    pub(crate) fn await_epoch(&mut self, epoch: Epoch) {
        if epoch > self.awaited && epoch == self.dtm.epoch() {
            self.awaited = epoch;
            let leader = self.leader();
            self.say(leader, Message::Awaited { epoch });
        }
    }

    /// Sends the answers whose time has come.
    pub(crate) fn release_replies(&mut self) {
        let safe = self.dtm.safe();
        while let Some(at) = self
            .replies
            .iter()
            .position(|reply| reply.stamp.epoch() <= safe)
        {
            let reply = self.replies.remove(at);
            self.reply_now(reply.request, &reply.response);
        }
    }

    /// A view begins: what was answered with state that it undoes is asked again.
    pub(crate) fn undo_replies(&mut self, view: &View) {
        self.release_replies();
        let is_undone = |reply: &mut Reply| view.is_undone(reply.stamp);
        let undone: Vec<Reply> = self.replies.extract_if(.., is_undone).collect();
        for reply in undone.into_iter().rev() {
            self.requests.push_front((reply.request, reply.bytes));
        }
    }
}

/// Whether it answers one who looks again and again while a program runs: he is in no hurry, and
/// programs should not run otherwise because somebody looks on.
fn is_glance(response: &Response) -> bool {
    match response {
        Response::Watched(watched) => !watched.state.is_final(),
        Response::Processes(_) | Response::Channels(_) | Response::Devices(_) => true,
        _ => false,
    }
}
