//! One step of the commit model, and the transaction's part in it: rules 12 to 16 and 18.
use std::collections::VecDeque;

use crate::commit::Action;
use crate::commit::config::{Config, Effects, MEMBERS, Mode, Op, PAGES, Plant, Program};
use crate::commit::state::{
    Copy, Fault, Hold, Mapping, Message, Node, Packet, Page, Phase, Request, State, small,
};

/// Timestamps of nodes that repeat: younger than all others.
const YOUNGEST: u8 = 128;

/// A step under way. What a member says to itself is handled before the step ends.
#[derive(Debug)]
pub(crate) struct Step<'a> {
    pub(crate) config: &'a Config,
    pub(crate) state: State,
    to_self: VecDeque<(usize, usize, Message)>,
}

impl<'a> Step<'a> {
    pub(crate) fn take(config: &'a Config, state: State, action: Action) -> State {
        let mut step = Self {
            config,
            state,
            to_self: VecDeque::new(),
        };
        match action {
            Action::Deliver { from, to } => step.deliver(from, to),
            Action::Run { node, hold } => step.run(usize::from(node), hold),
            Action::AskAgain { node, page } => {
                let (node, page) = (usize::from(node), usize::from(page));
                step.page(node, page).backs_off = false;
                step.ask_again(node, page);
            }
            Action::EnterView { node } => step.enter_view(usize::from(node)),
            Action::BeginEpoch { node } => {
                step.state.advances_left -= 1;
                step.state.nodes[usize::from(node)].epoch += 1;
            }
        }
        while let Some((me, page, message)) = step.to_self.pop_front() {
            step.handle(me, me, page, message);
        }
        if !config.repeats.is_empty() {
            step.state.rename_versions();
        }
        step.state
    }

    pub(crate) fn page(&mut self, node: usize, page: usize) -> &mut Page {
        &mut self.state.nodes[node].pages[page]
    }

    pub(crate) fn fail(&mut self, fault: Fault) {
        self.state.fault.get_or_insert(fault);
    }

    pub(crate) fn send(&mut self, from: usize, to: usize, page: usize, message: Message) {
        if from == to {
            self.to_self.push_back((to, page, message));
            return;
        }
        let packet = Packet {
            from: small(from),
            to: small(to),
            page: small(page),
            view: self.state.nodes[from].view,
            epoch: self.state.nodes[from].epoch,
            message,
        };
        let link = (packet.from, packet.to);
        let links = &mut self.state.links;
        let at = links.partition_point(|other| (other.from, other.to) <= link);
        links.insert(at, packet);
    }

    fn deliver(&mut self, from: u8, to: u8) {
        let links = &mut self.state.links;
        let at = links
            .iter()
            .position(|packet| (packet.from, packet.to) == (from, to))
            .expect("only links with messages deliver one");
        let packet = links.remove(at);
        let is_old = packet.view < self.state.nodes[usize::from(to)].view;
        if is_old && !self.config.has(Plant::OldViewCounts) {
            return;
        }
        let ignored = match packet.message {
            Message::Data {
                hold: Hold::Copy, ..
            } => Some(Plant::NoEpochOfCopy),
            Message::Data { .. } => Some(Plant::NoEpochOfWhole),
            Message::InvalidateAck { .. } => Some(Plant::NoEpochOfAck),
            _ => None,
        };
        if ignored.is_none() || ignored != self.config.plant {
            let node = &mut self.state.nodes[usize::from(to)];
            node.epoch = node.epoch.max(packet.epoch);
        }
        let (me, from) = (usize::from(to), usize::from(from));
        self.handle(me, from, usize::from(packet.page), packet.message);
    }

    fn handle(&mut self, me: usize, from: usize, page: usize, message: Message) {
        match message {
            Message::Get { ts, wish } => {
                let from = small(from);
                self.on_request(page, Request { from, ts, wish });
            }
            Message::Forward {
                requester,
                ts,
                hold,
            } => self.on_forward(me, page, usize::from(requester), ts, hold),
            Message::Data { version, hold } => self.on_data(me, page, version, hold),
            Message::ReadNack => self.on_read_nack(me, page),
            Message::ReadConfirm(held) => self.on_read_confirm(page, from, held),
            Message::Grant { need } => self.on_grant(me, page, need),
            Message::Stale => self.on_stale(me, page),
            Message::Inventory => self.on_inventory(me, from),
            Message::Invalidate { requester, ts } => {
                self.on_invalidate(me, page, usize::from(requester), ts);
            }
            Message::InvalidateAck { was_owner } => self.on_ack(me, page, from, was_owner),
            Message::InvalidateNack => self.on_nack(me, page, from),
            Message::Confirm {
                is_exclusive,
                refused,
                is_owner,
            } => self.on_confirm(page, from, is_exclusive, refused, is_owner),
        }
    }

    /// The node's executor goes on: roll back, access a page, or end the body.
    fn run(&mut self, me: usize, hold: Hold) {
        if self.state.nodes[me].is_marked {
            return self.begin(me);
        }
        match self.next_op(me) {
            Some(op) => self.access(me, op, hold),
            None => self.end_body(me),
        }
    }

    fn access(&mut self, me: usize, op: Op, hold: Hold) {
        let page = op.page();
        let entry = self.page(me, page);
        if entry.mapping != Mapping::Current {
            if entry.copy == Copy::Invalid {
                self.state.nodes[me].waits_for = Some(small(page));
                return self.request_shared(me, page, hold);
            }
            entry.mapping = Mapping::Current;
            entry.seen = entry.version;
        }
        entry.is_untouched = false;
        entry.is_dirty |= !matches!(op, Op::Read(_));
        let node = &mut self.state.nodes[me];
        node.waits_for = None;
        node.next_op += 1;
    }

    fn end_body(&mut self, me: usize) {
        let program = self.program(me);
        let is_query = program.effects == Effects::Discarded;
        for page in 0..PAGES {
            let is_silent = !program.ops.contains(&Op::Write(small(page)));
            self.page(me, page).is_dirty &= !is_query && !is_silent;
        }
        self.state.nodes[me].phase = Phase::Committing;
        if !self.try_commit(me) {
            (0..PAGES).for_each(|page| self.ask_again(me, page));
        }
    }

    /// Commits once every dirty page is held by nobody else.
    pub(crate) fn try_commit(&mut self, me: usize) -> bool {
        let node = &self.state.nodes[me];
        let mut dirty = node.pages.iter().filter(|page| page.is_dirty);
        if !self.is_committing(me) || dirty.any(|page| page.copy != Copy::Modified) {
            return false;
        }
        for page in 0..PAGES {
            self.commit_page(me, page);
        }
        let repeats = self.config.repeats(me);
        let programs = self.config.programs[me].len();
        let node = &mut self.state.nodes[me];
        node.losses = 0;
        if usize::from(node.program) + 1 < programs {
            node.program += 1;
        } else if !repeats {
            node.phase = Phase::Done;
        }
        self.begin(me);
        true
    }

    /// What the observer thinks of a page of a transaction that commits now.
    fn commit_page(&mut self, me: usize, page: usize) {
        let epoch = self.state.nodes[me].epoch;
        let entry = self.page(me, page);
        let (is_read, is_dirty) = (entry.mapping != Mapping::Absent, entry.is_dirty);
        let seen = entry.seen;
        if is_dirty {
            entry.is_dirty = false;
            entry.version += 1;
            entry.seen = entry.version;
        }
        if !is_read {
            return;
        }
        let view = self.state.nodes[me].view();
        let truth = &mut self.state.truth[view][page];
        let is_current = seen == truth.version;
        let is_after = epoch >= truth.written_in && (!is_dirty || epoch >= truth.read_in);
        truth.read_in = truth.read_in.max(epoch);
        if is_dirty {
            truth.version += 1;
            (truth.written_in, truth.read_in) = (epoch, epoch);
        }
        if !is_current {
            self.fail(Fault::Serialisability);
        }
        if !is_after {
            self.fail(Fault::Epochs);
        }
    }

    /// The next attempt or the next transaction, if there is one.
    pub(crate) fn begin(&mut self, me: usize) {
        let is_calm = self.config.mode == Mode::Calm;
        let node = &mut self.state.nodes[me];
        node.is_marked = false;
        node.at_mark = [0; PAGES];
        node.waits_for = None;
        node.next_op = 0;
        if node.phase != Phase::Done {
            node.phase = Phase::Running;
        }
        for entry in &mut node.pages {
            entry.is_dirty = false;
            entry.is_untouched = false;
            if entry.mapping == Mapping::Stale || !is_calm {
                entry.mapping = Mapping::Absent;
            }
            if entry.mapping == Mapping::Absent {
                entry.seen = 0;
            }
            if entry.copy == Copy::Invalid {
                entry.version = 0;
            }
        }
    }

    pub(crate) fn is_committing(&self, me: usize) -> bool {
        let node = &self.state.nodes[me];
        node.phase == Phase::Committing && !node.is_marked
    }

    pub(crate) fn next_op(&self, me: usize) -> Option<Op> {
        next_op(self.config, me, &self.state.nodes[me])
    }

    pub(crate) fn is_query(&self, me: usize) -> bool {
        self.program(me).effects == Effects::Discarded
    }

    fn program(&self, me: usize) -> Program {
        self.config.programs[me][usize::from(self.state.nodes[me].program)]
    }

    /// The timestamp of a node's transaction: smaller is older.
    pub(crate) fn ts(&self, node: usize) -> u8 {
        if self.config.repeats(node) {
            return YOUNGEST + small(node);
        }
        self.state.nodes[node].program * small(MEMBERS) + small(node)
    }
}

pub(crate) fn next_op(config: &Config, me: usize, node: &Node) -> Option<Op> {
    let program = config.programs[me][usize::from(node.program)];
    program.ops.get(usize::from(node.next_op)).copied()
}
