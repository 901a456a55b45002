//! A commit that needs a page of another node, against a bare exchange of a page over the
//! same links: two nodes in two threads of this process, real loopback connections.
use std::ops::Range;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use engine::{Engine, Instance};
use linux::Waker;
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

/// Runs it with both ends asleep while they wait, and with both polling.
#[must_use]
pub fn remote() -> Report {
    let (mut results, mut goals) = (Vec::new(), Vec::new());
    for (spin, name) in [
        (Duration::ZERO, "sleeping"),
        (Duration::from_millis(5), "polling"),
    ] {
        compare(spin, name, &mut results, &mut goals);
    }
    Report {
        bench: "remote".to_owned(),
        machine: machine(),
        results,
        goals,
    }
}

fn compare(spin: Duration, name: &str, results: &mut Vec<Outcome>, goals: &mut Vec<Goal>) {
    let engine = Engine::new().expect("the runtime works on this machine");
    let mut site = Site::with_links(ME, spin);
    let mut other = Other::start(&engine, &mut site, spin);
    let mut guest = guest(&engine, &site);
    let [mut raw, mut reads, mut writes] = [const { Vec::new() }; 3];
    for round in 0..=ROUNDS {
        let pages = (round % 8) * PAGES_PER_ROUND..(round % 8 + 1) * PAGES_PER_ROUND;
        let times = one_round(&mut site, &mut other, &mut guest, &pages);
        // The first round sets up what later ones find.
        if round > 0 {
            raw.extend(&times[0]);
            reads.extend(&times[1]);
            writes.extend(&times[2]);
        }
    }
    other.stop();
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
}

/// Times in microseconds of bare exchanges, reading commits, writing commits.
fn one_round(
    site: &mut Site,
    other: &mut Other,
    guest: &mut Instance,
    pages: &Range<u32>,
) -> [Vec<f64>; 3] {
    other.write(site, pages);
    let raw = spread(pages).map(|_| timed(|| site.exchange_raw(OTHER)));
    let raw = raw.collect();
    let reads = spread(pages).map(|page| timed(|| site.transact(guest, "read", page)));
    let reads = reads.collect();
    other.write(site, pages);
    let writes = spread(pages).map(|page| timed(|| site.transact(guest, "write", page)));
    [raw, reads, writes.collect()]
}

/// These pages of every extent.
fn spread(pages: &Range<u32>) -> impl Iterator<Item = i64> + use<> {
    let pages = pages.clone();
    (0..EXTENTS).flat_map(move |extent| {
        let page = move |page| i64::from(extent * PAGES_PER_EXTENT + page);
        pages.clone().map(page)
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

/// The other node: a thread that does what it is told and answers in between.
struct Other {
    /// Pages to be written.
    orders: Option<Sender<Range<u32>>>,
    done: Receiver<()>,
    waker: Waker,
    thread: JoinHandle<()>,
}

impl Other {
    /// Starts it and brings both nodes into one view.
    fn start(engine: &Engine, site: &mut Site, spin: Duration) -> Self {
        let (orders, todo) = mpsc::channel();
        let (done_sender, done) = mpsc::channel();
        let (hello, greeted) = mpsc::channel();
        let (engine, address) = (engine.clone(), site.network().address());
        let waker_here = site.network().waker();
        let thread = thread::spawn(move || {
            let mut site = Site::with_links(OTHER, spin);
            let network = site.network();
            network.connect(ME, &address);
            let greeting = (network.address(), network.waker());
            hello.send(greeting).expect("the first node listens");
            site.enter(OTHER, &[ME, OTHER]);
            serve(&engine, &mut site, &todo, || {
                done_sender.send(()).expect("the first node listens");
                waker_here.wake();
            });
        });
        let (address, waker) = greeted.recv().expect("the other node starts");
        site.network().connect(OTHER, &address);
        site.enter(ME, &[ME, OTHER]);
        Self {
            orders: Some(orders),
            done,
            waker,
            thread,
        }
    }

    /// Has it write pages, and serves it meanwhile.
    fn write(&mut self, site: &mut Site, pages: &Range<u32>) {
        let orders = self.orders.as_ref().expect("it has not been stopped");
        orders.send(pages.clone()).expect("the other node listens");
        self.waker.wake();
        while self.done.try_recv().is_err() {
            site.pump();
        }
    }

    fn stop(mut self) {
        self.orders = None;
        self.waker.wake();
        self.thread.join().expect("the other node ends");
    }
}

/// Answers the first node, carries out orders, until there can be none any more.
fn serve(engine: &Engine, site: &mut Site, orders: &Receiver<Range<u32>>, on_done: impl Fn()) {
    let mut guest = guest(engine, site);
    loop {
        match orders.try_recv() {
            Ok(pages) => {
                for page in spread(&pages) {
                    site.transact(&mut guest, "write", page);
                }
                on_done();
            }
            Err(mpsc::TryRecvError::Empty) => site.pump(),
            Err(mpsc::TryRecvError::Disconnected) => return,
        }
    }
}
