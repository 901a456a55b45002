//! A commit that needs a page of another node, against a bare exchange of a page over the
//! same links: two nodes in two processes, real loopback connections. (Two threads of
//! one process would disturb each other: taking a page out of one's view interrupts all
//! processors that run the other.)
use std::time::Instant;

use engine::{Engine, Instance};
use platform::Links;
use types::{Duration, NodeId, PAGES_PER_EXTENT};

use crate::guests;
use crate::report::{Better, Goal, Outcome, Report};
use crate::rounds::{machine, median};
use crate::site::Site;

const ME: NodeId = NodeId(1);
const OTHER: NodeId = NodeId(2);
const ROUNDS: u32 = 24;
/// Pages used in a round, spread over extents, so that both nodes are homes of some.
const EXTENTS: u32 = 16;
const PAGES_PER_ROUND: u32 = 16;
const MEMORY_PAGES: u32 = 1 << 14;
/// Against the bare exchange.
const GOAL: f64 = 3.0;

/// How both nodes wait for messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Waiting {
    /// They sleep.
    Sleeping,
    /// They look again and again.
    Polling,
}

impl Waiting {
    fn spin(self) -> Duration {
        match self {
            Self::Sleeping => Duration::ZERO,
            Self::Polling => Duration::from_millis(5),
        }
    }
}

/// A process that runs [`remote_peer`]; it ends with this.
pub trait Peer {
    /// Where it is reached.
    fn address(&self) -> &str;
}

/// Starts a process that runs [`remote_peer`] with this address.
pub type StartPeer<'a> = &'a dyn Fn(&str, Waiting) -> Result<Box<dyn Peer>, String>;

/// Runs it with both ends asleep while they wait, and with both polling.
///
/// # Errors
/// Why the other process does not start.
pub fn remote(start: StartPeer<'_>) -> Result<Report, String> {
    let (mut results, mut goals) = (Vec::new(), Vec::new());
    for (wait, name) in [
        (Waiting::Sleeping, "sleeping"),
        (Waiting::Polling, "polling"),
    ] {
        compare(start, wait, name, &mut results, &mut goals)?;
    }
    Ok(Report {
        bench: "remote".to_owned(),
        machine: machine(),
        results,
        goals,
        notes: Vec::new(),
    })
}

fn compare(
    start: StartPeer<'_>,
    wait: Waiting,
    name: &str,
    results: &mut Vec<Outcome>,
    goals: &mut Vec<Goal>,
) -> Result<(), String> {
    let engine = Engine::new().expect("the runtime works on this machine");
    let mut site = Site::with_links(ME, wait.spin());
    let peer = start(&site.network().address(), wait)?;
    site.network().connect(OTHER, peer.address());
    site.enter(ME, &[ME, OTHER]);
    let mut guest = guest(&engine, &site);
    let [mut raw, mut reads, mut writes] = [const { Vec::new() }; 3];
    for round in 0..=ROUNDS {
        let pages = round % 8 * PAGES_PER_ROUND;
        let times = one_round(&mut site, &mut guest, pages);
        // The first round sets up what later ones find.
        if round > 0 {
            raw.extend(&times[0]);
            reads.extend(&times[1]);
            writes.extend(&times[2]);
        }
    }
    drop(peer);
    let [raw, reads, writes] = [raw, reads, writes].map(median);
    let figures = [
        ("4 KiB request and response", raw),
        ("commit that reads a page of the other node", reads),
        ("commit that writes a page of the other node", writes),
    ];
    for (what, micros) in figures {
        results.push(Outcome::new(&format!("{name}: {what}"), micros, "µs"));
    }
    for (what, micros) in &figures[1..] {
        let name = format!("{name}: {what}, against bare");
        goals.push(Goal::new(&name, micros / raw, GOAL, Better::Lower));
    }
    Ok(())
}

/// Times in microseconds of bare exchanges, reading commits, writing commits.
fn one_round(site: &mut Site, guest: &mut Instance, pages: u32) -> [Vec<f64>; 3] {
    site.order(OTHER, pages);
    let raw = spread(pages).map(|_| timed(|| site.exchange_raw(OTHER)));
    let raw = raw.collect();
    let reads = spread(pages).map(|page| timed(|| site.transact(guest, "read", page)));
    let reads = reads.collect();
    site.order(OTHER, pages);
    let writes = spread(pages).map(|page| timed(|| site.transact(guest, "write", page)));
    [raw, reads, writes.collect()]
}

/// Some pages of every extent, from this one of the extent on.
fn spread(first: u32) -> impl Iterator<Item = i64> {
    (0..EXTENTS).flat_map(move |extent| {
        let pages = first..first + PAGES_PER_ROUND;
        pages.map(move |page| i64::from(extent * PAGES_PER_EXTENT + page))
    })
}

fn timed(body: impl FnOnce()) -> f64 {
    let begin = Instant::now();
    body();
    begin.elapsed().as_secs_f64() * 1e6
}

fn guest(engine: &Engine, site: &Site) -> Instance {
    guests::instance(engine, &guests::pages(MEMORY_PAGES, 8), site.space())
}

/// Becomes the other node: writes pages when told to, answers, until the first node has
/// ended. Tells `announce` where it is reached.
pub fn remote_peer(address: &str, wait: Waiting, announce: impl FnOnce(&str)) {
    let engine = Engine::new().expect("the runtime works on this machine");
    let mut site = Site::with_links(OTHER, wait.spin());
    site.network().connect(ME, address);
    site.enter(OTHER, &[ME, OTHER]);
    announce(&site.network().address());
    let mut guest = guest(&engine, &site);
    while !site.is_left() {
        site.pump();
        if let Some(pages) = site.next_order() {
            for page in spread(pages) {
                site.transact(&mut guest, "write", page);
            }
            site.order_done(ME);
        }
    }
}
