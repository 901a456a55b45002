//! The life of a process: a node is put together from its machine's disks, as the command
//! does it, and runs until it ends.
use std::fmt;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use node::{
    Config, FAILURE_TIMEOUT, FatalReason, JOIN_GRACE, LEASE, Node, Origin, Suffrage, Voter,
};
use platform::ClusterId;
use store::{ControlLog, Identity, Store};
use types::{Durability, Duration, Instant, StoreId};

use crate::disk::SimDisk;
use crate::guest;
use crate::machine::Drive;
use crate::names::Pid;
use crate::sim_platform::SimPlatform;
use crate::stage::Stage;

/// As `plurix node` has it.
const REFERRAL_TIME: Duration = Duration::from_millis(500);
/// Reports show what a node does; so there are many.
const REPORT_EVERY: Duration = Duration::from_millis(40);
/// Small, so that some are sealed, cleaned and dropped in a run.
pub(crate) const SEGMENT_SIZE: u32 = 64 << 10;
const CLUSTER: ClusterId = ClusterId(0x5EED);

/// Of a disk of the cluster.
pub(crate) fn identity(id: u64) -> Identity {
    Identity {
        cluster: CLUSTER,
        store: StoreId(id),
    }
}

/// How a process is started.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) name: String,
    pub(crate) founds: bool,
    pub(crate) join: Option<String>,
    pub(crate) members: usize,
    pub(crate) epoch_length: Duration,
    pub(crate) epoch_min: Duration,
    pub(crate) durability: Durability,
}

/// How a process has ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Fate {
    /// Its node ended.
    Ended(FatalReason),
    /// Its node could not be made.
    NotBegun(String),
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended(reason) => write!(f, "{reason}"),
            Self::NotBegun(why) => write!(f, "it could not start: {why}"),
        }
    }
}

/// Begins a process on a thread of its own, which waits for its turn.
pub(crate) fn begin(stage: Arc<Stage>, me: Pid, plan: Plan) -> JoinHandle<()> {
    Builder::new()
        .name(format!("{} {me}", plan.name))
        .spawn(move || {
            stage.enter(me);
            let fate = live(&stage, me, &plan);
            let mut world = stage.lock();
            world.on_end(me, fate);
            stage.leave(world, me);
        })
        .expect("the machine has a thread to give")
}

fn live(stage: &Arc<Stage>, me: Pid, plan: &Plan) -> Fate {
    let mut node = match make_node(stage, me, plan) {
        Ok(node) => node,
        Err(why) => return Fate::NotBegun(why),
    };
    let reason = node.run();
    if reason == FatalReason::Left {
        node.refer_callers(REFERRAL_TIME);
    }
    Fate::Ended(reason)
}

fn make_node(
    stage: &Arc<Stage>,
    me: Pid,
    plan: &Plan,
) -> Result<Node<SimPlatform, SimDisk>, String> {
    let mut drawn = [0; 4].map(|_: u64| 0);
    let now: Instant = {
        let mut world = stage.lock();
        let prng = &mut world.process_mut(me).prng;
        drawn.iter_mut().for_each(|one| *one = prng.next_u64());
        world.shown(me)
    };
    let [store_id, log_id, voter_seed, dtm_seed] = drawn;
    let disk = |drive| SimDisk::new(Arc::clone(stage), me, drive);
    let store = Store::open_with(disk(Drive::Store), identity(store_id), SEGMENT_SIZE);
    let store = store.map_err(|error| error.to_string())?;
    let (log, records) = ControlLog::open(disk(Drive::Control), identity(log_id))
        .map_err(|error| error.to_string())?;
    if plan.founds && records.is_empty() && store.stable().0 > 0 {
        return Err("the log of decisions is empty, the store is not".to_owned());
    }
    let config = control::Config {
        store: store.id(),
        expected: plan.members,
        epoch_length: plan.epoch_length,
        epoch_min: plan.epoch_min,
        failure_timeout: FAILURE_TIMEOUT,
        lease: LEASE,
        join_grace: JOIN_GRACE,
        durability: plan.founds.then_some(plan.durability),
        ladder: None,
        wall_ms: 0,
    };
    let origin = match plan.founds {
        true => Origin::Founds,
        false => Origin::Joins,
    };
    let log = (log, records);
    let voter = Voter::new(config, Suffrage::Full, origin, log, voter_seed, now)?;
    let config = Config {
        name: plan.name.clone(),
        dtm: dtm::Config {
            seed: dtm_seed,
            ..dtm::Config::default()
        },
        failure_timeout: FAILURE_TIMEOUT,
        lease: LEASE,
        report_every: REPORT_EVERY,
        ..Config::default()
    };
    let platform = SimPlatform::new(Arc::clone(stage), me);
    let (engine, join) = (guest::engine(), plan.join.clone());
    Ok(Node::new(config, platform, store, engine, voter, join))
}
