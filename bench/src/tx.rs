//! Local transactions: what the memory's protocol costs on top of the barriers, and how
//! a small transfer compares with a software transactional memory for threads.
use std::time::Duration;

use engine::{Engine, Instance};
use stm::{TVar, atomically};

use crate::bare::Bare;
use crate::guests;
use crate::report::{Better, Goal, Outcome, Report};
use crate::rounds::{interleaved, machine, median, ratio};
use crate::site::Site;

const ROUNDS: u32 = 21;
/// Pages written by the transactions of one round, together.
const PAGES_PER_ROUND: u32 = 1 << 14;
/// Memory sizes, in pages.
const SIZES: [(u32, &str); 2] = [(1 << 14, "64 MiB"), (1 << 18, "1 GiB")];
/// Pages that a transaction dirties.
const DIRTY: [u32; 3] = [1, 4, 16];
/// Against the bare loop.
const RATIO_GOAL: f64 = 2.0;
/// Transactions of four pages per second.
const RATE_GOAL: f64 = 250_000.0;

const ACCOUNTS: u16 = 1000;
const BALANCE: i64 = 1000;
const TRANSFERS_PER_ROUND: u32 = 20_000;
/// Against `stm`.
const BANK_GOAL: f64 = 0.5;

/// Runs all of it.
///
/// # Panics
/// When money gets lost.
#[must_use]
pub fn tx() -> Report {
    let engine = Engine::new().expect("the runtime works on this machine");
    let (mut results, mut goals) = (Vec::new(), Vec::new());
    for (pages, size) in SIZES {
        scattered(&engine, pages, size, &mut results, &mut goals);
    }
    for (stride, layout) in [(8, "accounts side by side"), (4096, "an account per page")] {
        let ratio = bank(&engine, stride, layout, &mut results);
        if stride == 8 {
            goals.push(Goal::new(
                "bank transfers per second, against stm",
                ratio,
                BANK_GOAL,
                Better::Higher,
            ));
        }
    }
    Report {
        bench: "tx".to_owned(),
        machine: machine(),
        results,
        goals,
        notes: Vec::new(),
    }
}

/// Transactions that write to random pages.
fn scattered(
    engine: &Engine,
    pages: u32,
    size: &str,
    results: &mut Vec<Outcome>,
    goals: &mut Vec<Goal>,
) {
    let wasm = guests::pages(pages, 8);
    let (mut site, mut bare) = (Site::alone(), Bare::new(pages));
    let mut guest = guests::instance(engine, &wasm, site.space());
    let mut bare_guest = guests::instance(engine, &wasm, bare.space());
    for page in 0..pages {
        site.transact(&mut guest, "write", i64::from(page));
        bare.run(&mut bare_guest, "write", i64::from(page));
    }
    for dirty in DIRTY {
        let (mut seeds, mut bare_seeds) = (Seeds::new(dirty), Seeds::new(dirty));
        let count = PAGES_PER_ROUND / dirty;
        let mut ways: [Box<dyn FnMut()>; 2] = [
            Box::new(|| {
                for _ in 0..count {
                    bare.run(&mut bare_guest, "scatter", bare_seeds.next());
                }
            }),
            Box::new(|| {
                for _ in 0..count {
                    site.transact(&mut guest, "scatter", seeds.next());
                }
            }),
        ];
        let times = interleaved(ROUNDS, &mut ways);
        let ratio = ratio(&times[1], &times[0]);
        let what = format!("{dirty} dirty pages of {size}");
        let [bare_us, us] = [0, 1].map(|way| micros_each(&times[way], count));
        results.push(Outcome::new(&format!("{what}, bare"), bare_us, "µs"));
        results.push(Outcome::new(&format!("{what}, transaction"), us, "µs"));
        results.push(Outcome::new(&what, ratio, "ratio"));
        if dirty == 4 {
            let name = format!("{what}, against bare");
            goals.push(Goal::new(&name, ratio, RATIO_GOAL, Better::Lower));
            let name = format!("{what}, per second");
            goals.push(Goal::new(&name, 1e6 / us, RATE_GOAL, Better::Higher));
        }
    }
}

/// Transfers, here and with `stm`; returns how many times as many per second.
fn bank(engine: &Engine, stride: u32, layout: &str, results: &mut Vec<Outcome>) -> f64 {
    let pages = (u32::from(ACCOUNTS) * stride).div_ceil(4096);
    let wasm = guests::pages(pages.next_multiple_of(16).next_power_of_two(), stride);
    let mut site = Site::alone();
    let mut guest = guests::instance(engine, &wasm, site.space());
    for account in 0..i64::from(ACCOUNTS) {
        site.transact(&mut guest, "deposit", account | BALANCE << 16);
    }
    let accounts: Vec<TVar<i64>> = (0..ACCOUNTS).map(|_| TVar::new(BALANCE)).collect();
    let (mut mine, mut theirs) = (Seeds::new(0), Seeds::new(0));
    let mut ways: [Box<dyn FnMut()>; 2] = [
        Box::new(|| {
            for _ in 0..TRANSFERS_PER_ROUND {
                let (from, to, amount) = theirs.transfer();
                let (from, to) = (usize::from(from), usize::from(to));
                transfer(&accounts[from], &accounts[to], amount);
            }
        }),
        Box::new(|| run_transfers(&mut site, &mut guest, &mut mine)),
    ];
    let times = interleaved(ROUNDS, &mut ways);
    drop(ways);
    let total: i64 = accounts.iter().map(TVar::read_atomic).sum();
    assert_eq!(total, i64::from(ACCOUNTS) * BALANCE, "the total stays");
    let balances = (0..u32::from(ACCOUNTS)).map(|account| site.word(account * stride));
    assert_eq!(balances.sum::<i64>(), total, "the total stays");
    for (way, name) in [(0, "stm"), (1, "plurix")] {
        let us = micros_each(&times[way], TRANSFERS_PER_ROUND);
        let name = format!("bank transfer, {layout}, {name}");
        results.push(Outcome::new(&name, us, "µs"));
    }
    ratio(&times[0], &times[1])
}

fn run_transfers(site: &mut Site, guest: &mut Instance, seeds: &mut Seeds) {
    for _ in 0..TRANSFERS_PER_ROUND {
        let (from, to, amount) = seeds.transfer();
        let packed = i64::from(from) | i64::from(to) << 16 | amount << 32;
        site.transact(guest, "transfer", packed);
    }
}

fn transfer(from: &TVar<i64>, to: &TVar<i64>, amount: i64) {
    atomically(|transaction| {
        let balance = from.read(transaction)?;
        if balance >= amount {
            from.write(transaction, balance - amount)?;
            let balance = to.read(transaction)?;
            to.write(transaction, balance + amount)?;
        }
        Ok(())
    });
}

/// Median time of one of `count`.
fn micros_each(times: &[Duration], count: u32) -> f64 {
    let micros = times.iter().map(|time| time.as_secs_f64() * 1e6);
    median(micros.collect()) / f64::from(count)
}

/// Arguments of guests, the same for every way.
struct Seeds {
    state: u64,
    low: u32,
}

impl Seeds {
    fn new(low: u32) -> Self {
        Self { state: 1, low }
    }

    fn number(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let bits = (self.state ^ (self.state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits ^ (bits >> 31)
    }

    /// A seed above the lowest byte.
    fn next(&mut self) -> i64 {
        (self.number() << 8 | u64::from(self.low)).cast_signed()
    }

    fn transfer(&mut self) -> (u16, u16, i64) {
        let number = self.number();
        let accounts = u64::from(ACCOUNTS);
        let below = |shift: u32, limit| ((number >> shift) & 0xFFFF) % limit;
        let index = |number| u16::try_from(number).expect("below the number of accounts");
        (
            index(below(0, accounts)),
            index(below(16, accounts)),
            below(32, 100).cast_signed(),
        )
    }
}
