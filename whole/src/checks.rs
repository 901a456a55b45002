//! What must hold at every moment, as far as it shows in what nodes say.
use std::collections::BTreeMap;

use admin::Status;
use platform::Wait;
use types::{Duration, Epoch, Instant, NodeId, View, ViewNumber};
use wire::{Envelope, Message};

use crate::names::Pid;
use crate::report::Property;
use crate::world::World;

/// Between a look at the clock and what is said on the strength of it.
const SLACK: Duration = Duration::from_millis(10);

/// A node whose work takes it so many looks for events would be busy for many milliseconds;
/// no client asks for that much.
const HASTE_MAX: u32 = 5_000;
/// A deadline is met late now and then.
const LATE_MAX: u32 = 50;

/// What was said so far.
#[derive(Default, Debug)]
pub(crate) struct Checks {
    /// Views, and who told of them first, when.
    views: BTreeMap<ViewNumber, Told>,
    /// The newest epoch that was called stable.
    stable: Epoch,
    reports: BTreeMap<Pid, Report>,
}

#[derive(Debug)]
struct Told {
    view: View,
    by: Pid,
    at: Instant,
}

/// What a process has committed when it said so last.
#[derive(Clone, Copy, Debug)]
struct Report {
    at: Instant,
    commits: u64,
}

impl Checks {
    /// A process is no more.
    pub(crate) fn forget(&mut self, process: Pid) {
        self.reports.remove(&process);
    }

    /// The newest view: what it undoes is undone on all disks that are started again.
    pub(crate) fn last_view(&self) -> Option<&View> {
        self.views.last_key_value().map(|(_, told)| &told.view)
    }

    pub(crate) fn views(&self) -> u64 {
        self.views.len() as u64
    }
}

impl World {
    /// A process says something to another.
    pub(crate) fn on_said(&mut self, who: Pid, envelope: &Envelope) {
        if self.tells_messages {
            let name = self.name_of(who);
            self.note(format_args!("{name} says {envelope:?}"));
        }
        self.give_cue(who, &envelope.message);
        self.note_node(envelope.from, who);
        match &envelope.message {
            Message::NewView { view, .. } => self.check_view(who, view),
            Message::Stable { epoch } => self.check_stable(who, envelope.view, *epoch),
            Message::Report(report) => {
                self.check_commits(who, envelope.from, report.transactions);
            }
            _ => {}
        }
    }

    /// There is one view of each number, and it takes back nothing that was called stable.
    fn check_view(&mut self, who: Pid, view: &View) {
        if let Some(told) = self.checks.views.get(&view.number) {
            if told.view != *view {
                let detail = format!("{:?} by {}, and {view:?} by {who}", told.view, told.by);
                self.fail(Property::OneDecision, detail);
            }
            return;
        }
        let (by, at) = (who, self.now);
        let (number, members) = (view.number.0, view.nodes().count());
        let name = self.name_of(who);
        self.note(format_args!("{name} begins view {number} of {members}"));
        if view.stable < self.checks.stable {
            let (stable, before) = (view.stable, self.checks.stable);
            let detail = format!("view {number} goes back to {stable}, stable was {before}");
            self.fail(Property::Stability, detail);
        }
        let view = view.clone();
        self.checks.views.insert(view.number, Told { view, by, at });
    }

    /// Nobody calls anything stable in a view that another has ended.
    fn check_stable(&mut self, who: Pid, view: ViewNumber, epoch: Epoch) {
        let next = self.checks.views.range(ViewNumber(view.0 + 1)..).next();
        if let Some((number, told)) = next
            && told.by != who
            && told.at + SLACK < self.now
            && !self.has_slept(who, told.at)
        {
            let (number, by, at) = (number.0, told.by, told.at);
            let detail = format!(
                "{who} calls {epoch} stable in view {}; {by} has begun view {number} at {at:?}",
                view.0
            );
            self.fail(Property::OneLeader, detail);
        }
        self.checks.stable = self.checks.stable.max(epoch);
    }

    /// Whether a process has stood still since then: it acts on what it has seen before.
    fn has_slept(&self, who: Pid, since: Instant) -> bool {
        self.process(who).slept_until + SLACK > since
    }

    /// Who was given up commits nothing any more.
    fn check_commits(&mut self, who: Pid, node: NodeId, commits: u64) {
        let at = self.now;
        let before = self.checks.reports.insert(who, Report { at, commits });
        let Some(before) = before.filter(|before| before.commits < commits) else {
            return;
        };
        let is_in = |told: &Told| told.view.member(node).is_some();
        let out = self.checks.views.values().rev();
        let out = out.take_while(|told| !is_in(told)).last();
        if let Some(told) = out
            && told.at + SLACK < before.at
            && !self.has_slept(who, told.at)
        {
            let (number, by) = (told.view.number.0, told.by);
            let name = self.name_of(who);
            let detail = format!(
                "{name} commits at {at:?}, {by} has begun view {number} without it at {:?}",
                told.at
            );
            self.fail(Property::Lease, detail);
        }
    }

    /// A node has looked for events in vain: because it works, or because the time until
    /// which it would wait is past.
    pub(crate) fn check_haste(&mut self, who: Pid, wait: Wait) {
        let process = self.process_mut(who);
        process.haste += match wait {
            Wait::No => 1,
            Wait::Until(_) => HASTE_MAX / LATE_MAX,
        };
        if process.haste > HASTE_MAX {
            process.haste = 0;
            let name = self.name_of(who);
            let detail = format!("{name} does not sleep, and does nothing, {wait:?}");
            self.fail(Property::Rest, detail);
        }
    }

    /// A leader whose view another has ended may not know it yet, but commits nothing more.
    pub(crate) fn check_status(&mut self, who: Pid, status: &Status) {
        self.note_node(NodeId(status.leader), who);
        let view = ViewNumber(status.view);
        let next = self.checks.views.range(ViewNumber(view.0 + 1)..).next();
        let Some((number, told)) = next.filter(|(_, told)| told.by != who) else {
            return;
        };
        let (number, by, began) = (number.0, told.by, told.at);
        let before = self.story.statuses.get(&who);
        let before = before.filter(|said| said.status.view == view.0 && said.at > began + SLACK);
        let grows = before.is_some_and(|said| own_commits(&said.status) < own_commits(status));
        if status.leader != 0 && grows && !self.has_slept(who, began) {
            let (name, view) = (self.name_of(who), view.0);
            let detail = format!(
                "{name} leads and commits in view {view}; {by} has begun view {number} at {began:?}"
            );
            self.fail(Property::OneLeader, detail);
        }
    }
}

/// What a leader's own node has committed; `None` if it does not say that it leads.
fn own_commits(status: &Status) -> Option<u64> {
    let mut nodes = status.nodes.iter();
    let own = nodes.find(|node| node.node == status.leader)?;
    Some(own.transactions)
}
