//! What voters say to each other, and when it may leave.
use alloc::boxed::Box;
use noraft::{LogEntry, LogIndex, Message, Term};
use types::{Duration, Instant};

use super::{Held, Replica};
use crate::voting::{Packet, VoterId};

/// Entries in one packet at most.
const ENTRIES_PER_PACKET: usize = 256;

impl Replica {
    pub(super) fn send(&mut self, to: VoterId, packet: Packet, after: u64) {
        self.held.push_back((after, Held::Send(to, packet)));
    }

    /// Whether an answer to somebody is no repetition of what is on its way.
    pub(super) fn is_worth_saying(&mut self, now: Instant, to: VoterId, message: &Message) -> bool {
        let Message::AppendEntriesCall { entries, .. } = message else {
            return true;
        };
        let mut entries = entries.clone();
        entries.truncate(ENTRIES_PER_PACKET);
        self.repeats
            .may_say(now, to, &entries, self.heartbeat_pause())
    }

    pub(super) fn send_message(&mut self, now: Instant, to: VoterId, message: &Message) {
        let mut after = self.recorded;
        let packet = match message {
            Message::RequestVoteCall {
                term,
                last_position,
                ..
            } => Packet::AskVote {
                term: term.get(),
                last: (*last_position).into(),
                ground: self.ground,
            },
            Message::RequestVoteReply {
                term, vote_granted, ..
            } => Packet::Vote {
                term: term.get(),
                is_granted: *vote_granted,
            },
            Message::AppendEntriesCall {
                term,
                commit_index,
                entries,
                ..
            } => {
                let mut entries = entries.clone();
                entries.truncate(ENTRIES_PER_PACKET);
                let mut commit = commit_index.get();
                if entries.iter().all(|entry| entry == LogEntry::Command) {
                    // It promises nothing about the leader's own log. An electorate does: it
                    // counts from the moment at which it is in a log, so the one before must
                    // be there for sure.
                    after = self.ballot_at;
                    commit = commit.min(self.durable_entries());
                }
                Packet::Append {
                    term: term.get(),
                    commit,
                    entries: self.with_commands(&entries),
                    stamp_ns: now.as_nanos(),
                }
            }
            Message::AppendEntriesReply {
                term,
                last_position,
                ..
            } => Packet::Appended {
                term: term.get(),
                last: (*last_position).into(),
                stamp_ns: self.echo_ns,
            },
        };
        self.send(to, packet, after);
    }

    /// The last entry of this voter's log up to which its disk has all.
    fn durable_entries(&self) -> u64 {
        let before = self.writing.iter().map(|(_, before)| *before);
        before.min().unwrap_or(u64::MAX)
    }

    pub(super) fn send_snapshot(&mut self, now: Instant, to: VoterId) {
        let pause = Duration::from_nanos(self.config.election_timeout.as_nanos() / 2);
        if self
            .snapshot_sent
            .get(&to)
            .is_some_and(|&at| now < at + pause)
        {
            return;
        }
        let log = self.node.log();
        let Some((at, config)) = log.get_position_and_config(LogIndex::new(self.applied)) else {
            return;
        };
        let packet = Packet::Snapshot {
            at: at.into(),
            electorate: config.into(),
            state: Box::new(self.state.clone()),
        };
        self.snapshot_sent.insert(to, now);
        self.send(to, packet, self.recorded);
    }
}

/// What the library understands of a packet.
pub(super) fn message(from: VoterId, packet: &Packet) -> Option<Message> {
    let from = from.into();
    Some(match packet {
        Packet::AskVote { term, last, .. } => Message::RequestVoteCall {
            from,
            term: Term::new(*term),
            last_position: (*last).into(),
        },
        Packet::Vote { term, is_granted } => Message::RequestVoteReply {
            from,
            term: Term::new(*term),
            vote_granted: *is_granted,
        },
        Packet::Append {
            term,
            commit,
            entries,
            ..
        } => Message::AppendEntriesCall {
            from,
            term: Term::new(*term),
            commit_index: LogIndex::new(*commit),
            entries: entries.into(),
        },
        Packet::Appended { term, last, .. } => Message::AppendEntriesReply {
            from,
            term: Term::new(*term),
            last_position: (*last).into(),
        },
        Packet::Canvass { .. }
        | Packet::Support { .. }
        | Packet::Heard { .. }
        | Packet::Snapshot { .. }
        | Packet::Resigned { .. } => return None,
    })
}
