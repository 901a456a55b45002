//! The leader's side of a node (stub while typing).
use alloc::string::String;
use platform::{Disk, JoinerId};
use types::{Instant, NodeId, StoreId};
use wire::Envelope;
use crate::Platform;
use crate::core::Core;
pub struct Leadership<D> { _d: core::marker::PhantomData<D> }
impl<D> Leadership<D> { pub(crate) fn next_deadline(&self) -> Option<Instant> { None } }
impl<P: Platform, D: Disk> Core<P, D> {
    pub(crate) fn to_leadership(&mut self, _e: Envelope) {}
    pub(crate) fn flush_leadership(&mut self) -> bool { false }
    pub(crate) fn on_leadership_time(&mut self) {}
    pub(crate) fn on_join(&mut self, _j: JoinerId, _a: String, _s: StoreId, _n: String) {}
    pub(crate) fn forget_joiner(&mut self, _j: JoinerId) {}
    pub(crate) fn on_member_lost(&mut self, _n: NodeId) {}
    pub(crate) fn on_control_log(&mut self) {}
    pub(crate) fn say_down(&mut self) {}
    pub(crate) fn status(&self) -> admin::Status { admin::Status::default() }
}
