//! What is decided: members, stable epoch, fallbacks. A function of the commands that
//! were applied, and of nothing else.
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};
use types::limits::{MEMBERS_MAX, REPLICAS};
use types::{
    Cut, Durability, Epoch, Fallback, Interval, Member, NodeId, StoreId, View, ViewNumber,
};

use crate::ladder::Ladder;
use crate::snapshots::Snapshots;
use crate::voting::VoterId;

/// How many epochs may begin before one of them is stable.
///
/// The epoch itself is not made durable when it advances; this bound takes its place.
/// No epoch above [`ControlState::epoch_limit`] ever begins, and that limit follows
/// from what is durable. So whoever knows the state knows an epoch that nobody, dead
/// or alive, has used: the one after the limit.
pub const EPOCHS_AHEAD_MAX: u64 = 1024;

/// How many members vote at most: any two of five may be lost, and more would only make
/// decisions slower.
pub const VOTERS_MAX: usize = 5;

/// Where a process is reached that has never run.
const NOWHERE: &str = "127.0.0.1:0";

/// A process that serves a disk and wants to be, or is, a member.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Process {
    /// Its disk, which outlives it.
    pub store: StoreId,
    /// Where peers reach it, as `ip:port`.
    pub address: String,
    /// The name that its operator gave it.
    pub name: String,
    /// Its control log, if it can vote: one process of several nodes has one vote.
    pub voter: Option<VoterId>,
}

/// A decision.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Command {
    /// A new view: some members leave, some processes join.
    ChangeMembers {
        /// Members of the last view that are not in the new one.
        leave: Vec<NodeId>,
        /// Processes that become members, under new node ids.
        join: Vec<Process>,
        /// Members of the last view that are about to go, ascending.
        leaving: Vec<NodeId>,
        /// The disk of the member that leads.
        leader: StoreId,
        /// How far the nodes of the last view go back: those that are lost to what is
        /// stable, others if they depend on lost work. Who leaves in order is not cut: all
        /// that it has done is stable.
        cuts: Vec<Cut>,
    },
    /// The epoch cannot be lost any more.
    Stable {
        /// Which.
        epoch: Epoch,
        /// When, by the leader's clock, in milliseconds since 1970.
        wall_ms: u64,
    },
    /// What the operator wants.
    Configure {
        /// What makes work safe from the next view on.
        durability: Durability,
        /// How long epochs without a name are kept.
        ladder: Ladder,
    },
    /// The first epoch to become stable that is not before this one is kept under a name.
    Snapshot {
        /// Its name.
        name: String,
        /// The epoch in which somebody wanted that.
        epoch: Epoch,
    },
    /// An epoch is not kept any more.
    Forget {
        /// Which.
        epoch: Epoch,
    },
    /// The memory goes back to an epoch that is kept. Whatever was committed later is undone,
    /// stable or not, and later snapshots are gone.
    Restore {
        /// Which.
        epoch: Epoch,
    },
    /// A name is given up. If that was the last one of its epoch, that is kept for as long as
    /// any without a name.
    ForgetName {
        /// Which.
        name: String,
    },
    /// Everything stable is again at as many members of this view as it should be.
    Replicated {
        /// In which view that was so.
        view: ViewNumber,
    },
}

/// What follows from a command, to be told to the members.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Effect {
    /// The view has changed.
    View(View),
    /// The stable epoch has advanced.
    Stable(Epoch),
    /// Nothing that members need to know.
    None,
}

/// What a cluster that is made from a snapshot has of the one that has made that.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Legacy {
    /// The epoch of the snapshot: that, and nothing after it, is in the stores.
    pub stable: Epoch,
    /// When it became stable, in milliseconds since 1970.
    pub wall_ms: u64,
    /// Names of the snapshot; it is kept under them.
    pub names: Vec<String>,
    /// The highest id of a node by which anything in the snapshot is stamped: it is not
    /// given again.
    pub last_node: NodeId,
}

/// All that is decided.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ControlState {
    view: Option<View>,
    stable: Epoch,
    /// The node id that was given last; ids are never given twice.
    last_node: u32,
    /// Every process that was ever a member, by its disk.
    processes: BTreeMap<StoreId, Process>,
    /// Disks that may have the only copies of something stable if too many of them are
    /// away: all that were members since everything was replicated last.
    holders: BTreeSet<StoreId>,
    /// Copies among the holders that everything stable has at least.
    copies: usize,
    durability: Durability,
    snapshots: Snapshots,
}

impl ControlState {
    /// What is decided in a cluster that is made from a snapshot: as if these processes, each
    /// with the copies that its disk is to have in a view of all of them, had been members,
    /// and had been stopped in order. When they are started the cluster goes on as any does.
    ///
    /// # Panics
    /// If there are no processes, or too many.
    #[must_use]
    pub fn resumed(processes: Vec<Process>, legacy: &Legacy) -> Self {
        let Legacy {
            stable,
            wall_ms,
            names,
            last_node,
        } = legacy;
        let mut this = Self {
            stable: *stable,
            last_node: last_node.0,
            ..Self::default()
        };
        for name in names {
            this.snapshots.await_named(name, *stable);
        }
        this.snapshots.on_stable(*stable, *wall_ms);
        let leader = processes.first().expect("somebody is there").store;
        this.change_members((&[], &processes, &[]), leader, &[]);
        let view = this.view.as_mut().expect("it was just made");
        // Nobody of the new cluster has ever been in an epoch; those of the snapshot are past.
        view.first_epoch = stable.next().next();
        this
    }

    /// Applies a decision that is taken.
    pub fn apply(&mut self, command: &Command) -> Effect {
        match command {
            Command::ChangeMembers {
                leave,
                join,
                leaving,
                leader,
                cuts,
            } => Effect::View(self.change_members((leave, join, leaving), *leader, cuts)),
            Command::Stable { epoch, wall_ms } if *epoch > self.stable => {
                self.stable = *epoch;
                self.snapshots.on_stable(*epoch, *wall_ms);
                Effect::Stable(*epoch)
            }
            Command::Configure { durability, ladder } => {
                self.durability = *durability;
                self.snapshots.set_ladder(ladder.clone());
                Effect::None
            }
            Command::Snapshot { name, epoch } => {
                self.snapshots.await_named(name, *epoch);
                Effect::None
            }
            Command::Forget { epoch } => {
                self.snapshots.forget(*epoch);
                Effect::None
            }
            Command::Restore { epoch } => self.restore(*epoch),
            Command::ForgetName { name } => {
                self.snapshots.forget_name(name);
                Effect::None
            }
            Command::Replicated { view } => {
                self.note_replicated(*view);
                Effect::None
            }
            Command::Stable { .. } => Effect::None,
        }
    }

    /// A view of the same members, all of which go back, as does whoever was a member before:
    /// nothing that anybody committed after the epoch counts any more.
    fn restore(&mut self, epoch: Epoch) -> Effect {
        let is_kept = self.snapshots.epochs().any(|kept| kept == epoch);
        let Some(last) = self.view.as_ref().filter(|_| is_kept) else {
            return Effect::None;
        };
        let (leader, leaving) = (last.leader, last.leaving.clone());
        let leader = last.member(leader).expect("the leader is a member").store;
        let last = Interval::last_of(epoch);
        let cuts = (1..=self.last_node).map(|node| Cut {
            node: NodeId(node),
            last,
        });
        let cuts: Vec<Cut> = cuts.collect();
        self.snapshots.go_back(epoch);
        Effect::View(self.change_members((&[], &[], &leaving), leader, &cuts))
    }

    fn change_members(
        &mut self,
        (leave, join, leaving): (&[NodeId], &[Process], &[NodeId]),
        leader: StoreId,
        cuts: &[Cut],
    ) -> View {
        let first_epoch = match self.view {
            None => Epoch(1),
            // The epoch between is for what the dead have left.
            Some(_) => self.epoch_limit().next().next(),
        };
        let last = self.view.take();
        let number = last
            .as_ref()
            .map_or(ViewNumber(1), |view| ViewNumber(view.number.0 + 1));
        let (mut members, mut fallbacks) =
            last.map_or_else(Default::default, |view| (view.members, view.fallbacks));
        if number > ViewNumber(1) {
            fallbacks.push(Fallback {
                stable: self.stable,
                cuts: cuts.to_vec(),
                first_epoch,
            });
        }
        members.retain(|member| !leave.contains(&member.node));
        for process in join {
            self.last_node += 1;
            members.push(Member {
                node: NodeId(self.last_node),
                store: process.store,
            });
            self.processes.insert(process.store, process.clone());
        }
        let stores: BTreeSet<StoreId> = members.iter().map(|member| member.store).collect();
        assert_eq!(
            stores.len(),
            members.len(),
            "each member has a disk of its own"
        );
        assert!(
            members.len() <= MEMBERS_MAX,
            "views have at most {MEMBERS_MAX} members"
        );
        assert!(
            members.is_sorted_by_key(|member| member.node),
            "new ids are the highest"
        );
        let leader = members.iter().find(|member| member.store == leader);
        let leader = leader.expect("the leader is a member").node;
        let view = View {
            number,
            leader,
            members,
            leaving: leaving.to_vec(),
            stable: self.stable,
            first_epoch,
            durability: self.durability,
            fallbacks,
        };
        self.note_holders(&view);
        self.view = Some(view.clone());
        view
    }

    /// A view begins: what becomes stable in it goes to the stores of those that stay.
    fn note_holders(&mut self, view: &View) {
        let staying: BTreeSet<StoreId> = view.staying().map(|member| member.store).collect();
        assert!(!staying.is_empty(), "somebody stays");
        let copies = REPLICAS.min(staying.len());
        self.copies = if self.holders.is_empty() {
            copies
        } else {
            copies.min(self.copies)
        };
        self.holders.extend(staying);
    }

    fn note_replicated(&mut self, number: ViewNumber) {
        let Some(view) = self.view.as_ref().filter(|view| view.number == number) else {
            return;
        };
        self.holders = view.staying().map(|member| member.store).collect();
        self.copies = REPLICAS.min(self.holders.len());
    }

    /// What is decided in a cluster that is made of copies of this one's disks, to go on from
    /// an epoch that is kept: everything that is decided here, and that the memory goes back
    /// to that epoch. `voters` are its control logs, by the disks beside them. `None` if the
    /// epoch is neither kept nor the newest stable one.
    #[must_use]
    pub fn forked(&self, epoch: Epoch, voters: &BTreeMap<StoreId, VoterId>) -> Option<Self> {
        let mut fork = self.clone();
        if epoch == self.stable {
            fork.snapshots.keep_newest(epoch);
        }
        let Effect::View(_) = fork.restore(epoch) else {
            return None;
        };
        for (store, process) in &mut fork.processes {
            process.voter = voters.get(store).copied();
            process.address = String::from(NOWHERE);
        }
        Some(fork)
    }

    /// The last view, `None` before the first.
    #[must_use]
    pub fn view(&self) -> Option<&View> {
        self.view.as_ref()
    }

    /// The newest stable epoch.
    #[must_use]
    pub fn stable(&self) -> Epoch {
        self.stable
    }

    /// What makes work safe, from the next view on.
    #[must_use]
    pub fn durability(&self) -> Durability {
        self.durability
    }

    /// Which stable epochs are kept.
    #[must_use]
    pub fn snapshots(&self) -> &Snapshots {
        &self.snapshots
    }

    /// The last epoch that may begin as things are. Never falls.
    #[must_use]
    pub fn epoch_limit(&self) -> Epoch {
        let Some(view) = &self.view else {
            return Epoch(0);
        };
        Epoch(self.stable.max(view.first_epoch).0 + EPOCHS_AHEAD_MAX)
    }

    /// The process that serves, or last served, this disk.
    #[must_use]
    pub fn process(&self, store: StoreId) -> Option<&Process> {
        self.processes.get(&store)
    }

    /// Who should vote: the leader and the oldest members, of those that can and stay.
    #[must_use]
    pub fn electorate(&self) -> BTreeSet<VoterId> {
        self.electorate_without(&BTreeSet::new())
    }

    /// Who should vote if these members, too, were about to go.
    #[must_use]
    pub fn electorate_without(&self, nodes: &BTreeSet<NodeId>) -> BTreeSet<VoterId> {
        let members = self.view.iter().flat_map(View::staying);
        let members = members.filter(|member| !nodes.contains(&member.node));
        let leader = self.view.as_ref().map(|view| view.leader);
        let mut members: Vec<&Member> = members.collect();
        members.sort_by_key(|member| Some(member.node) != leader);
        let voters = members.into_iter();
        let voters = voters.filter_map(|member| self.processes[&member.store].voter);
        voters.take(VOTERS_MAX).collect()
    }

    /// The control log of a member, if it can vote.
    #[must_use]
    pub fn voter_of(&self, node: NodeId) -> Option<VoterId> {
        let member = self.view.as_ref()?.member(node)?;
        self.processes.get(&member.store)?.voter
    }

    /// Whether those that are about to go can: all that they have done is stable, for they
    /// have committed nothing since the view began, and everything stable has its copies
    /// at the others.
    #[must_use]
    pub fn is_free_to_leave(&self) -> bool {
        let is_stable = |view: &View| self.stable.next() >= view.first_epoch;
        self.view.as_ref().is_some_and(is_stable) && self.is_replicated()
    }

    /// Every process that was ever a member: the last one of each disk.
    pub fn processes(&self) -> impl Iterator<Item = &Process> {
        self.processes.values()
    }

    /// The process that votes, or has voted, with this control log.
    #[must_use]
    pub fn process_of(&self, voter: VoterId) -> Option<&Process> {
        let mut processes = self.processes.values();
        processes.find(|process| process.voter == Some(voter))
    }

    /// Where each member of the last view is reached, in its order.
    #[must_use]
    pub fn addresses(&self) -> Vec<String> {
        let members = self.view.iter().flat_map(|view| &view.members);
        let address = |member: &Member| self.processes[&member.store].address.clone();
        members.map(address).collect()
    }

    /// Disks that may hold something stable and are not among those present.
    #[must_use]
    pub fn missing(&self, present: &BTreeSet<StoreId>) -> Vec<StoreId> {
        self.holders.difference(present).copied().collect()
    }

    /// Whether everything stable has as many copies as it should have, at members that
    /// stay.
    #[must_use]
    pub fn is_replicated(&self) -> bool {
        let members = self.view.iter().flat_map(View::staying);
        let stores: BTreeSet<StoreId> = members.map(|member| member.store).collect();
        self.holders == stores && self.copies == REPLICAS.min(stores.len())
    }

    /// How many disks may be missing without loss of anything stable.
    #[must_use]
    pub fn may_miss(&self) -> usize {
        self.copies.saturating_sub(1)
    }
}
