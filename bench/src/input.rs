//! What it costs to keep what has come in until nothing can undo it: a smart buffer against a
//! ring that forgets at once; and how much a node takes in and answers.
use std::cell::RefCell;
use std::collections::VecDeque;
use std::hint::black_box;
use std::time::Duration;

use devices::Intake;
use types::{Durability, Epoch, PAGE_SIZE, PageBytes};

use crate::caller::{Caller, free_address};
use crate::cluster::{EpochsEnd, Plan, Start, run};
use crate::report::{Outcome, Report};
use crate::rounds::{interleaved, machine, median, ratio};

const ROUNDS: u32 = 21;
const RECORD_BYTES: usize = 64;
/// Records that come at a time.
const AT_ONCE: [u32; 2] = [1, 64];
const RECORDS_PER_EPOCH: u32 = 1024;
const EPOCHS_PER_ROUND: u32 = 64;
/// Epochs until one is safe.
const EPOCHS_UNSAFE: u64 = 2;
const STREAMED: Duration = Duration::from_secs(4);
const STREAMS: usize = 3;

/// Runs all of it; `turnstile` is the module that answers.
///
/// # Errors
/// Why the cluster could not be measured.
pub fn input(start: Start<'_>, turnstile: &[u8]) -> Result<Report, String> {
    let mut results = Vec::new();
    for at_once in AT_ONCE {
        compare(at_once, &mut results);
    }
    let rate = streamed(start, turnstile)?;
    let name = "numbers of 8 bytes, taken in, counted and answered at commit by a node";
    results.push(Outcome::new(name, rate, "numbers/s"));
    Ok(Report {
        bench: "input".to_owned(),
        machine: machine(),
        results,
        goals: Vec::new(),
        notes: Vec::new(),
    })
}

/// Both buffers, with so many records that come, and are read, at a time.
fn compare(at_once: u32, results: &mut Vec<Outcome>) {
    let arriving = vec![7; RECORD_BYTES * at_once as usize];
    let times_per_epoch = RECORDS_PER_EPOCH / at_once;
    let page = RefCell::new(Page([0; PAGE_SIZE]));
    let (mut ring, mut intake) = (VecDeque::new(), Intake::default());
    let mut epoch = Epoch(EPOCHS_UNSAFE);
    let mut ways: [Box<dyn FnMut()>; 2] = [
        Box::new(|| {
            for _ in 0..times_per_epoch * EPOCHS_PER_ROUND {
                ring.extend(arriving.clone());
                while !ring.is_empty() {
                    let read = page.borrow_mut().read(ring.as_slices().0);
                    ring.drain(..read);
                }
            }
        }),
        Box::new(|| {
            for _ in 0..EPOCHS_PER_ROUND {
                for _ in 0..times_per_epoch {
                    intake.push(arriving.clone());
                    while !intake.next().is_empty() {
                        let read = page.borrow_mut().read(intake.next());
                        intake.deliver(read as u64, epoch);
                    }
                }
                intake.safe(Epoch(epoch.0 - EPOCHS_UNSAFE));
                epoch = epoch.next();
            }
        }),
    ];
    let times = interleaved(ROUNDS, &mut ways);
    drop(ways);
    let what = format!("record of {RECORD_BYTES} bytes, {at_once} at a time");
    for (times, name) in times.iter().zip(["plain ring", "smart buffer"]) {
        let nanos = median(times.iter().map(|time| time.as_secs_f64() * 1e9).collect());
        let each = nanos / f64::from(RECORDS_PER_EPOCH * EPOCHS_PER_ROUND);
        results.push(Outcome::new(&format!("{what}, {name}"), each, "ns"));
        let name = format!("{what}, {name}, per byte");
        let bytes = f64::from(u32::try_from(RECORD_BYTES).expect("a few bytes"));
        results.push(Outcome::new(&name, each / bytes, "ns"));
    }
    let name = format!("{what}, smart buffer against plain ring");
    results.push(Outcome::new(&name, ratio(&times[1], &times[0]), "ratio"));
}

/// Where what is read goes.
struct Page(PageBytes);

impl Page {
    /// Reads one stretch; how many bytes that was.
    fn read(&mut self, stretch: &[u8]) -> usize {
        let count = stretch.len().min(PAGE_SIZE);
        self.0[..count].copy_from_slice(&stretch[..count]);
        black_box(&self.0);
        count
    }
}

/// What a caller who does not wait is answered per second, by one node.
fn streamed(start: Start<'_>, turnstile: &[u8]) -> Result<f64, String> {
    let mut cluster = start(Plan {
        nodes: 1,
        epoch_ms: 100,
        epochs_end: EpochsEnd::OnDemand,
        memory_mib: 256,
        durability: Durability::Disk,
    })?;
    let address = free_address()?;
    let arguments = [&address.to_string(), "commit"];
    run(&mut *cluster, "turnstile", turnstile, &arguments)?;
    let stream = |_| Caller::connect(address)?.stream(STREAMED);
    let rates: Result<Vec<f64>, String> = (0..STREAMS).map(stream).collect();
    rates.map(median)
}
