//! Views at a member: joining, entering the next one, losing the leader.
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;

use control::{Fate, Follower, Process, VoterId};
use dtm::Input;
use platform::{Disk, JoinerId, LostWhy};
use types::{Duration, Epoch, Extent, Instant, Member, NodeId, View, ViewNumber, placement};
use wire::{Envelope, Message};

use crate::core::Core;
use crate::lines::Source;
use crate::{FatalReason, Platform};

/// Extents named in one inventory message.
const EXTENTS_PER_MESSAGE: usize = 16 * 1024;

/// Pause between two attempts to be let in.
const ASK_EVERY: Duration = Duration::from_millis(100);
/// A node that has just become a member does its first work before it looks at what copies other
/// stores lack.
const SETTLING: Duration = Duration::from_millis(250);
/// Attempts in such a pause, because there is news: those who are asked may send each to the
/// other.
const HURRIES_MAX: u32 = 4;

/// How a process looks for the leader until it is a member.
#[derive(Debug)]
pub(crate) struct Joining {
    /// Where it was told to ask.
    seed: Option<String>,
    /// Where the leader is, as heard last.
    leader: Option<String>,
    /// Whom it asks, over which connection.
    asked: Option<(String, JoinerId)>,
    /// Whom it could not reach last.
    failed: Option<String>,
    /// Who was asked has said that nobody leads.
    is_told_of_nobody: bool,
    /// Whom it asks next of those that may know.
    turn: usize,
    /// How often it may still ask before the pause is over.
    hurries: u32,
    /// Who has asked here, when it did last, and was told that nobody leads.
    curious: BTreeMap<JoinerId, (Process, Instant)>,
    next: Instant,
    /// When a leader, or its absence, was noticed last.
    led_at: Instant,
}

impl Joining {
    pub(crate) fn new(seed: Option<String>, now: Instant) -> Self {
        Self {
            seed,
            leader: None,
            asked: None,
            failed: None,
            is_told_of_nobody: false,
            turn: 0,
            hurries: 0,
            curious: BTreeMap::new(),
            next: now,
            led_at: now,
        }
    }

    fn is_asked(&self, joiner: JoinerId) -> bool {
        self.asked
            .as_ref()
            .is_some_and(|(_, asked)| *asked == joiner)
    }
}

impl<P: Platform, D: Disk> Core<P, D> {
    /// When to ask again to be let in.
    pub(crate) fn next_join(&self) -> Option<Instant> {
        let is_outside = self.dtm.view().is_none() && self.leadership.is_none();
        is_outside.then_some(self.joining.next)
    }

    /// Asks whoever may be the leader, or know it, to be let in.
    pub(crate) fn on_join_time(&mut self) {
        if self.leadership.is_some() {
            self.joining.led_at = self.now;
        }
        if self.next_join().is_none_or(|next| self.now < next) {
            return;
        }
        self.joining.next = self.now + ASK_EVERY;
        // Who knows something of the cluster says what is missing before those end who
        // know nothing.
        let patience = match self.voter.replica.is_blank() {
            true => self.config.patience.doubled(),
            false => self.config.patience,
        };
        if self.joining.led_at + patience <= self.now {
            let why = self.voter.why_no_leader();
            self.fatal = self.fatal.take().or(Some(FatalReason::LeaderLost(why)));
            return;
        }
        self.joining.hurries = HURRIES_MAX;
        self.ask();
    }

    /// There is news of whom to ask to be let in.
    fn ask_early(&mut self) {
        let may_ask = self.fatal.is_none() && self.joining.hurries > 0;
        if may_ask && self.next_join().is_some() {
            self.joining.hurries -= 1;
            self.ask();
        }
    }

    fn ask(&mut self) {
        let Some(address) = self.whom_to_ask() else {
            return;
        };
        let joiner = match &self.joining.asked {
            Some((asked, joiner)) if *asked == address => *joiner,
            _ => {
                self.heard_at = self.now;
                self.platform.call(&address)
            }
        };
        self.joining.asked = Some((address, joiner));
        self.joining.is_told_of_nobody = false;
        let own = self.own_process();
        let message = Message::Join {
            address: own.address,
            store: own.store,
            name: own.name,
            voter: own.voter.map(|voter| voter.0),
        };
        self.platform.send_joiner(joiner, &stranger(message));
    }

    /// The leader if one is known, else everybody in turn. What it was told counts more than
    /// what its voter believes: that one hears of no leader any more when it votes no longer.
    /// Never itself, who led before it
    /// was started again: if it led once more before its own question was here, it would
    /// expel who asks, because that one has its disk.
    fn whom_to_ask(&mut self) -> Option<String> {
        let failed = self.joining.failed.take();
        let me = self.platform.address();
        let believed = self.voter.leader_address().map(String::from);
        let mut known = self.joining.leader.iter().cloned().chain(believed);
        let is_worth_asking = |leader: &String| *leader != me && failed.as_ref() != Some(leader);
        if let Some(leader) = known.find(is_worth_asking) {
            return Some(leader);
        }
        let voters = self.voter.lines.directory();
        let voters = voters.into_iter().map(|(_, address)| address);
        let all = self.joining.seed.iter().cloned().chain(voters);
        let all: Vec<String> = all.filter(|address| *address != me).collect();
        // First the one that it was told of: addresses of an earlier life may be stale.
        let turn = self.joining.turn;
        self.joining.turn += 1;
        all.get(turn % all.len().max(1)).cloned()
    }

    pub(crate) fn on_joiner(&mut self, joiner: JoinerId, envelope: Envelope) {
        match envelope.message {
            Message::Join {
                address,
                store,
                name,
                voter,
            } => {
                let process = Process {
                    address,
                    store,
                    name,
                    voter: voter.map(VoterId),
                };
                self.on_join_asked(joiner, process);
            }
            Message::Voter {
                from,
                to,
                address,
                packet,
            } if to == self.voter.replica.me().0 => {
                self.on_voter_message(VoterId(from), &address, &packet);
                self.tell_if_left_out(joiner, VoterId(from));
            }
            Message::Voter { .. } => {}
            Message::Directory { leader, voters } if self.joining.is_asked(joiner) => {
                self.on_directory(leader, voters);
            }
            Message::NewView { .. } if self.joining.is_asked(joiner) => {
                self.platform.bind(joiner, envelope.from);
                self.on_new_view(envelope);
            }
            Message::Expelled if self.joining.is_asked(joiner) || self.is_past(envelope.view) => {
                self.fatal = Some(FatalReason::Expelled);
            }
            // What the leader has said on the heels of the view, or even before.
            _ if self.joining.is_asked(joiner) => self.on_message(envelope),
            _ => {}
        }
    }

    /// Who was asked to let this process in says whom to ask.
    fn on_directory(&mut self, leader: Option<String>, voters: Vec<(u64, String)>) {
        for (voter, address) in voters {
            self.voter
                .note(self.now, VoterId(voter), &address, Source::Hearsay);
        }
        if leader.is_some() {
            self.joining.led_at = self.now;
        }
        let asked = self.joining.asked.as_ref().map(|(address, _)| address);
        let is_news =
            leader.is_some() && (leader.as_ref() != asked || self.joining.is_told_of_nobody);
        self.joining.is_told_of_nobody = leader.is_none();
        self.joining.leader = leader;
        if is_news {
            self.ask_early();
        }
    }

    /// This node's voter has heard a leader.
    pub(crate) fn on_leader_known(&mut self) {
        self.tell_curious();
        self.ask_early();
    }

    /// Somebody leads: those hear of it that have asked who does, and need not ask again in
    /// their own time.
    pub(crate) fn tell_curious(&mut self) {
        for (joiner, _) in core::mem::take(&mut self.joining.curious) {
            self.tell_whom_to_ask(joiner);
        }
    }

    /// This node leads, and gathers the cluster: who has just asked wants in.
    pub(crate) fn let_curious_in(&mut self) {
        for (joiner, (process, asked)) in core::mem::take(&mut self.joining.curious) {
            // Who has not asked again in its own time has asked another one, perhaps.
            match self.now.since(asked) <= ASK_EVERY {
                true => self.on_join(joiner, process),
                false => self.tell_whom_to_ask(joiner),
            }
        }
    }

    /// A voter whose disk is in no view any more may not know it: it was not reached when the
    /// view began, and nobody asks for its vote. It is told by which view it was left out.
    fn tell_if_left_out(&mut self, joiner: JoinerId, from: VoterId) {
        let state = self.voter.replica.state();
        let (Some(view), Some(process)) = (state.view(), state.process_of(from)) else {
            return;
        };
        let is_in = view.members.iter().any(|one| one.store == process.store);
        if !is_in {
            let answer = Envelope {
                view: view.number,
                ..stranger(Message::Expelled)
            };
            self.platform.send_joiner(joiner, &answer);
        }
    }

    /// Whether this node is a member, and the view is later than all that it knows.
    fn is_past(&self, view: ViewNumber) -> bool {
        self.dtm.view().is_some_and(|own| own.number < view)
    }

    /// A process wants in: the leader takes note of it, others say whom to ask.
    fn on_join_asked(&mut self, joiner: JoinerId, process: Process) {
        self.voter.note_process(self.now, &process, Source::Itself);
        if self.leadership.is_some() {
            self.on_join(joiner, process);
        } else if self.voter.leader_address().is_none() {
            let now = self.now;
            // Who asks again may do so under another number.
            let curious = &mut self.joining.curious;
            curious.retain(|_, (_, asked)| now.since(*asked) <= ASK_EVERY);
            curious.insert(joiner, (process, now));
        }
        self.tell_whom_to_ask(joiner);
    }

    fn tell_whom_to_ask(&mut self, joiner: JoinerId) {
        let leader = match self.leadership {
            Some(_) => Some(self.platform.address()),
            None => self.voter.leader_address().map(String::from),
        };
        let mut voters = self.voter.lines.directory();
        let own = self.voter.vote();
        voters.extend(own.map(|voter| (voter.0, self.platform.address())));
        let answer = stranger(Message::Directory { leader, voters });
        self.platform.send_joiner(joiner, &answer);
    }

    pub(crate) fn on_joiner_lost(&mut self, joiner: JoinerId, why: LostWhy) {
        if self.joining.is_asked(joiner)
            && let Some((address, _)) = self.joining.asked.take()
        {
            if let LostWhy::Refused(refusal) = why
                && self.voter.replica.is_blank()
            {
                // It knows nobody else to ask.
                let address = address.clone();
                let reason = FatalReason::TurnedAway { address, refusal };
                self.fatal = self.fatal.take().or(Some(reason));
            }
            self.joining.failed = Some(address);
            self.ask_early();
        }
        self.joining.curious.remove(&joiner);
        self.voter.lines.on_lost(joiner);
        self.forget_joiner(joiner);
    }

    pub(crate) fn on_link_lost(&mut self, node: NodeId, why: LostWhy) {
        let Some(view) = self.dtm.view() else { return };
        let leader = view.leader;
        if view.member(node).is_none() {
            return;
        }
        let fate = match why.is_end() {
            true => Fate::Dead,
            false => Fate::Unknown,
        };
        self.voter.lost.insert(node, fate);
        self.note_end(node, fate);
        if let (LostWhy::Silent, Some(voter)) = (why, self.voter_of(node)) {
            self.voter.replica.leader_silent(self.now, voter);
        }
        self.feed(Input::LinkLost { node });
        if self.leadership.is_some() {
            self.on_member_lost(node, fate);
        } else if node == leader {
            self.voter.leaderless_since = Some(self.now);
            // It takes this node for dead, perhaps, and waits for nothing.
            self.follower = None;
        } else {
            self.say(leader, Message::Unreachable { node });
        }
    }

    pub(crate) fn on_new_view(&mut self, envelope: Envelope) {
        let Message::NewView {
            view,
            you,
            addresses,
            retained,
        } = envelope.message
        else {
            return;
        };
        if view.number <= self.view_number() || view.member(you).is_none() {
            return;
        }
        if view.members.len() != addresses.len() {
            return;
        }
        self.enter(&view, you, &addresses, &retained);
    }

    /// Enters a view: what it undoes is dropped, everything else stays.
    fn enter(&mut self, view: &View, you: NodeId, addresses: &[String], retained: &[Epoch]) {
        let left: Vec<Member> = self.dtm.view().map_or_else(Vec::new, |old| {
            let members = old.members.iter();
            let left = members.filter(|member| view.member(member.node).is_none());
            left.copied().collect()
        });
        for Member { node, store } in left {
            // Where its process has been started again that one votes now, and has seen no
            // connection end: to doubt it would cost this node its leadership for nothing.
            if view.members.iter().all(|member| member.store != store) {
                self.note_end(node, Fate::Unknown);
            }
            self.platform.disconnect(node);
        }
        self.platform.become_node(you);
        for (node, address) in view.nodes().zip(addresses) {
            if node != you {
                self.platform.connect(node, address);
            }
        }
        if let Err(error) = self.store.apply_view(view) {
            self.store_failed(&error);
            return;
        }
        // After what is undone is gone: what the memory goes back to may not be retained any
        // more. Before anything is superseded: it may be just this that is retained.
        self.retain(retained);
        let wall_ms = self.platform.wall_ns() / 1_000_000;
        if let Err(error) = self.store.set_stable(view.stable, wall_ms) {
            self.store_failed(&error);
            return;
        }
        let last = self.dtm.view().filter(|_| self.dtm.me() == you);
        let copies_at = match self.dtm.view() {
            Some(_) => self.now,
            None => self.now + SETTLING,
        };
        let goes_back = last.is_none_or(|last| view.takes_back(you, last));
        let is_leader = view.leader == you;
        let lease = self.config.lease;
        self.follower = (!is_leader).then(|| Follower::new(self.heard_at, lease));
        self.voter
            .lost
            .retain(|node, _| view.member(*node).is_some());
        self.voter.leaderless_since = None;
        self.voter.replica.be_member(self.now);
        self.figures.view_entered(you, self.config.note);
        self.feed(Input::View {
            view: view.clone(),
            you,
        });
        if goes_back {
            self.steps.clear();
            self.resets += 1;
        }
        self.undo_replies(view);
        self.say_inventory();
        let stored = self.store.inventory();
        self.copies.begin(copies_at, view, you, &stored);
        self.ask_past_again();
        self.scrub_in_view();
        self.flush();
        self.take_early(view.number);
    }

    /// Tells every member, this one included, which of its extents the store knows.
    fn say_inventory(&mut self) {
        let stored = self.store.inventory().into_iter();
        let extents: BTreeSet<Extent> = stored.chain(self.dtm.offered_extents()).collect();
        let view = self.dtm.view().expect("just entered");
        for (home, extents) in placement::by_home(view, extents) {
            let parts = extents.chunks(EXTENTS_PER_MESSAGE).map(<[Extent]>::to_vec);
            let mut parts: Vec<Vec<Extent>> = parts.collect();
            let last = parts.pop().unwrap_or_default();
            for extents in parts {
                let last = false;
                self.say(home, Message::Inventory { extents, last });
            }
            let (extents, last) = (last, true);
            self.say(home, Message::Inventory { extents, last });
        }
    }

    /// Handles the messages that had come before their view.
    fn take_early(&mut self, number: ViewNumber) {
        let early = core::mem::take(&mut self.early);
        for envelope in early {
            if envelope.view >= number {
                self.on_message(envelope);
            }
        }
    }
}

/// An envelope of a process that is no member.
pub(crate) fn stranger(message: Message) -> Envelope {
    Envelope {
        from: NodeId(0),
        view: ViewNumber(0),
        epoch: Epoch(0),
        message,
    }
}
