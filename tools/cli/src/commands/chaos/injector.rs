//! Does to a cluster what the schedule says, and brings back what has ended.
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use admin::Status;

use super::ChaosArgs;
use super::board::Board;
use super::schedule::{Fault, Losses, Planned, Schedule, Who};
use crate::client::Client;
use crate::cluster::Cluster;
use crate::commands::DurabilityArg;
use crate::data::DataDir;
use crate::error::Error;
use crate::interrupt;
use crate::network::{Break, Network};
use crate::supervisor::Happening;
use crate::ui::Teller;

const PATIENCE: Duration = Duration::from_millis(10);
/// A node that has ended by itself is not started again in a frenzy.
const BREATH: Duration = Duration::from_millis(200);
/// Without any answer for so long something is wrong.
const STALL_TIME: Duration = Duration::from_secs(60);
/// A cluster whose nodes are all there has them all as members long before.
const SETTLE_TIME: Duration = Duration::from_secs(60);
/// A node says within less whether it leads.
const LEADER_TIME: Duration = Duration::from_millis(200);
/// How a node ends that was excluded or has had no leader for too long.
const STOPPED: i32 = 1;

/// Something that a fault leaves to be done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Action {
    Kill { number: u32, away: Duration },
    Replace(u32),
    Resume(u32),
    Cut(Break),
    Mend(Break),
}

/// When faults end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) losses: Losses,
    pub(super) time: Duration,
    pub(super) faults: u64,
}

impl Bounds {
    pub(super) fn of(args: &ChaosArgs) -> Self {
        let losses = match args.durability {
            DurabilityArg::Disk => Losses::Any,
            DurabilityArg::Memory => Losses::OneAtATime,
        };
        Self {
            losses,
            time: Duration::from_secs(60) * args.minutes,
            faults: args.faults.unwrap_or(u64::MAX),
        }
    }
}

/// What was done.
#[derive(Clone, Default, Debug)]
pub(super) struct Done {
    pub(super) faults: BTreeMap<&'static str, u64>,
    /// Nodes that were started again while others ran.
    pub(super) replaced: u64,
    /// Starts of the whole cluster from its data.
    pub(super) restarts: u64,
    /// Nodes that have ended by themselves, as they do when they are excluded.
    pub(super) ended: u64,
    /// What should not have happened.
    pub(super) problems: Vec<String>,
}

/// The one who does it.
pub(super) struct Injector<'run> {
    cluster: &'run mut Cluster,
    /// If it may be broken.
    network: Option<Network>,
    data: DataDir,
    nodes: u32,
    board: &'run Board,
    teller: Teller,
    agenda: Vec<(Instant, Action)>,
    pub(super) done: Done,
}

impl<'run> Injector<'run> {
    pub(super) fn new(
        cluster: &'run mut Cluster,
        network: Option<Network>,
        data: DataDir,
        board: &'run Board,
        teller: Teller,
    ) -> Self {
        let nodes = u32::try_from(cluster.running().len()).expect("few");
        Self {
            cluster,
            network,
            data,
            nodes,
            board,
            teller,
            agenda: Vec::new(),
            done: Done::default(),
        }
    }

    /// Injects faults until a bound is met, the user interrupts or something is wrong.
    pub(super) fn run(&mut self, schedule: Schedule, bounds: Bounds) -> Result<(), Error> {
        let mut due = Instant::now();
        for (count, Planned { after, fault }) in (0..).zip(schedule) {
            due += after;
            while Instant::now() < due || count >= bounds.faults {
                let is_enough = self.board.elapsed() >= bounds.time || count >= bounds.faults;
                if is_enough || interrupt::count() > 0 {
                    return Ok(());
                }
                if self.board.silence() > STALL_TIME {
                    return Err(Error::internal(format!(
                        "no client has had an answer for {STALL_TIME:?}"
                    )));
                }
                self.supervise()?;
            }
            if bounds.losses == Losses::OneAtATime {
                self.settle()?;
            }
            *self.done.faults.entry(fault.kind()).or_default() += 1;
            self.inject(fault)?;
            self.board.count_fault();
            // What took time itself, as a restart does, is no reason to hurry afterwards.
            due = due.max(Instant::now());
        }
        Ok(())
    }

    /// Has everybody back, as a member that votes, and everything with all its copies.
    pub(super) fn settle(&mut self) -> Result<(), Error> {
        if interrupt::count() > 0 {
            self.agenda
                .iter_mut()
                .for_each(|(due, _)| *due = Instant::now());
        }
        let until = Instant::now() + SETTLE_TIME;
        while Instant::now() < until {
            self.supervise()?;
            let is_idle = self.agenda.is_empty();
            if is_idle
                && let Some((_, status)) = Client::leader(&self.data)?
                && self.is_whole(&status)
            {
                return Ok(());
            }
            if interrupt::count() > 1 {
                return Err(Error::user("interrupted"));
            }
        }
        let message = format!("not all nodes voted again, with all copies, after {SETTLE_TIME:?}");
        Err(Error::internal(message))
    }

    /// Whether the next loss finds the cluster as the first one did.
    fn is_whole(&self, status: &Status) -> bool {
        let nodes = self.nodes as usize;
        let voters = status.voters.iter().filter(|voter| voter.is_there);
        status.nodes.len() == nodes
            && status.is_replicated
            && voters.count() == nodes.min(control::VOTERS_MAX)
    }

    /// Looks after the nodes until something is done or it takes too long; whether it is.
    pub(super) fn supervise_until(
        &mut self,
        time: Duration,
        mut is_done: impl FnMut() -> bool,
    ) -> Result<bool, Error> {
        let until = Instant::now() + time;
        while !is_done() {
            if Instant::now() > until || interrupt::count() > 1 {
                return Ok(false);
            }
            self.supervise()?;
        }
        Ok(true)
    }

    /// Ends all nodes, so that nobody waits for them any more.
    pub(super) fn kill_all(&mut self) {
        self.agenda.clear();
        self.cluster.kill_all();
    }

    /// The whole network works.
    fn mend_all(&mut self) -> Result<(), Error> {
        self.network.as_mut().map_or(Ok(()), Network::mend_all)
    }

    /// Stops the cluster in order.
    pub(super) fn stop(&mut self) {
        self.cluster.stop();
    }

    /// What is due now, and what happens to nodes by itself.
    fn supervise(&mut self) -> Result<(), Error> {
        let now = Instant::now();
        let (due, later) = self.agenda.iter().partition(|(when, _)| *when <= now);
        self.agenda = later;
        let due: Vec<(Instant, Action)> = due;
        for (_, action) in due {
            self.act(action)?;
        }
        if let Some(Happening::Ended { number, status }) = self.cluster.next(PATIENCE) {
            self.done.ended += 1;
            self.tell(format!("node {number} has ended by itself: {status}"));
            if status.code() != Some(STOPPED) {
                let problem = format!("node {number} has crashed by itself: {status}");
                self.done.problems.push(problem);
            }
            self.plan(BREATH, Action::Replace(number));
        }
        Ok(())
    }

    fn inject(&mut self, fault: Fault) -> Result<(), Error> {
        match fault {
            Fault::Kill { who, away } => {
                if let Some((number, name)) = self.find(who) {
                    self.tell(format!("kill {name} and start it again after {away:?}"));
                    self.kill(number, away);
                }
            }
            Fault::KillTwo {
                first,
                second,
                gap,
                away,
            } => {
                self.tell(format!(
                    "kill node {first}, node {second} {gap:?} later; start each again \
                     after {away:?}"
                ));
                self.kill(first, away);
                let number = second;
                self.plan(gap, Action::Kill { number, away });
            }
            Fault::KillAll { away } => return self.restart(away),
            Fault::Pause { who, time } => {
                if let Some((number, name)) = self.find(who) {
                    self.tell(format!("stop {name} for {time:?}"));
                    self.cluster.pause(number);
                    self.plan(time, Action::Resume(number));
                }
            }
            Fault::Isolate { who, time } => {
                if let Some((number, name)) = self.find(who) {
                    self.tell(format!("cut {name} off for {time:?}"));
                    self.cut(Break::Node(number))?;
                    self.plan(time, Action::Mend(Break::Node(number)));
                }
            }
            Fault::Break { what, time } => {
                self.tell(format!("lose {what} for {time:?}"));
                self.cut(what)?;
                self.plan(time, Action::Mend(what));
            }
            Fault::Flap { link, each, times } => {
                self.tell(format!("lose {link} for {each:?}, {times} times"));
                for time in 0..times {
                    self.plan(each * (2 * time), Action::Cut(link));
                    self.plan(each * (2 * time + 1), Action::Mend(link));
                }
            }
        }
        Ok(())
    }

    fn cut(&mut self, what: Break) -> Result<(), Error> {
        let network = self.network.as_mut();
        network.expect("it is in reach of the schedule").cut(what)
    }

    fn mend(&mut self, what: Break) -> Result<(), Error> {
        let network = self.network.as_mut();
        network.expect("somebody has broken it").mend(what)
    }

    fn act(&mut self, action: Action) -> Result<(), Error> {
        match action {
            Action::Kill { number, away } => {
                self.tell(format!(
                    "kill node {number} and start it again after {away:?}"
                ));
                self.kill(number, away);
            }
            Action::Replace(number) => {
                if !self.cluster.is_alive(number) {
                    self.cluster.replace(number)?;
                    self.done.replaced += 1;
                    self.tell(format!("node {number} is started again with its disk"));
                }
            }
            Action::Resume(number) => {
                self.cluster.resume(number);
                self.tell(format!("node {number} goes on"));
            }
            Action::Cut(what) => self.cut(what)?,
            Action::Mend(what) => {
                self.mend(what)?;
                self.tell(format!("have {what} back"));
            }
        }
        Ok(())
    }

    /// Its return is planned anew, also if it is away already.
    fn kill(&mut self, number: u32, away: Duration) {
        self.cluster.kill(number);
        self.agenda.retain(|(_, action)| {
            *action != Action::Replace(number) && *action != Action::Resume(number)
        });
        self.plan(away, Action::Replace(number));
    }

    fn restart(&mut self, away: Duration) -> Result<(), Error> {
        self.tell(format!(
            "kill all nodes and start them again after {away:?}"
        ));
        self.kill_all();
        // Nobody could mend it while all nodes are awaited.
        self.mend_all()?;
        std::thread::sleep(away);
        let begin = Instant::now();
        self.cluster.restart()?;
        self.done.restarts += 1;
        let took = begin.elapsed();
        self.tell(format!("all nodes are members again after {took:.1?}"));
        Ok(())
    }

    fn plan(&mut self, after: Duration, action: Action) {
        self.agenda.push((Instant::now() + after, action));
    }

    /// Number and description of the node that is meant; if it is away, of the next that is
    /// not.
    fn find(&self, who: Who) -> Option<(u32, String)> {
        let number = match who {
            Who::Node(number) => number,
            Who::Leader { or } => match self.leader() {
                Some(number) => return Some((number, format!("the leader, node {number},"))),
                None => or,
            },
        };
        let mut others = (number..=self.nodes).chain(1..number);
        let number = others.find(|&number| self.cluster.is_alive(number))?;
        Some((number, format!("node {number}")))
    }

    /// The node that says that it leads. Those that stand still are not asked, and nobody
    /// for long: what is due does not wait.
    fn leader(&self) -> Option<u32> {
        let is_paused = |number| {
            let mut actions = self.agenda.iter().map(|(_, action)| *action);
            actions.any(|action| action == Action::Resume(number))
        };
        let leads = |address| {
            let Ok(mut client) = Client::connect(address) else {
                return false;
            };
            client.give_up_at(Instant::now() + LEADER_TIME);
            client.status().is_ok_and(|status| status.leader != 0)
        };
        let nodes = self.cluster.running().iter();
        let mut awake = nodes.filter(|node| !is_paused(node.number));
        let leader = awake.find(|node| leads(node.tools))?;
        Some(leader.number)
    }

    fn tell(&self, what: impl AsRef<str>) {
        let seconds = self.board.elapsed().as_secs_f64();
        self.teller
            .tell(format!("{seconds:7.1} s  {}", what.as_ref()));
    }
}
