//! Contended transfers between accounts: whatever happens, the total stays.
//!
//! Arguments: accounts, transfers, workers, and if wanted seed (1), transfers per step (1),
//! accounts per page (1). Every account begins with 1000; a transfer moves a random amount
//! between two random accounts, not more than there is. At the end the total is checked.
//!
//! Calls: `balance(account)`, `total()`, `transfer(from, to, amount)`.
#![no_std]

extern crate alloc;

use alloc::boxed::Box;
use alloc::format;
use core::cell::{Cell, OnceCell};

use sdk::{Counter, Event, PAGE_BYTES, PageAligned, PerNode, Static, Step, call, worker};

const FIRST_BALANCE: i64 = 1000;
/// The most that one transfer moves.
const AMOUNT_MAX: u64 = 100;
const ACCOUNTS_PER_PAGE_MAX: usize = PAGE_BYTES / size_of::<Cell<i64>>();
/// Signalled by a worker that has ended.
const WORKER_DONE: Event = Event(1);

type Page = PageAligned<[Cell<i64>; ACCOUNTS_PER_PAGE_MAX]>;

struct Bank {
    accounts: usize,
    per_page: usize,
    pages: Box<[Page]>,
    /// Of each worker: its generator and the transfers that it has still to do.
    tellers: Box<[PageAligned<Cell<(u64, u64)>>]>,
    batch: u64,
    refused: PerNode<Cell<u64>>,
}

static BANK: Static<OnceCell<Bank>> = Static::new(OnceCell::new());
static WORKERS_DONE: Counter = Counter::new();

impl Bank {
    fn account(&self, number: usize) -> &Cell<i64> {
        assert!(
            number < self.accounts,
            "account {number} of {}",
            self.accounts
        );
        &self.pages[number / self.per_page][number % self.per_page]
    }

    /// Moves an amount if the account has it; returns whether.
    fn transfer(&self, from: usize, to: usize, amount: i64) -> bool {
        let (source, target) = (self.account(from), self.account(to));
        if amount < 0 || source.get() < amount {
            return false;
        }
        source.set(source.get() - amount);
        target.set(target.get() + amount);
        true
    }

    fn total(&self) -> i64 {
        (0..self.accounts)
            .map(|number| self.account(number).get())
            .sum()
    }
}

worker! {
    /// Opens the bank, waits for the workers, checks the total.
    fn main(_argument: i64) -> Step {
        let Some(bank) = BANK.get() else {
            return open();
        };
        let workers = bank.tellers.len();
        let done = WORKERS_DONE.sum() as usize;
        sdk::progress(done as u64, workers as u64);
        if done < workers {
            return Step::Wait(WORKER_DONE);
        }
        close(bank)
    }
}

worker! {
    /// Does a batch of transfers per step.
    fn transfer_some(teller: i64) -> Step {
        let bank = BANK.get().expect("main opens the bank before it spawns workers");
        let teller = &bank.tellers[teller as usize];
        let (mut generator, mut left) = teller.get();
        for _ in 0..bank.batch.min(left) {
            let from = below(&mut generator, bank.accounts as u64) as usize;
            let to = below(&mut generator, bank.accounts as u64) as usize;
            let amount = below(&mut generator, AMOUNT_MAX + 1) as i64;
            if !bank.transfer(from, to, amount) {
                let refused = bank.refused.mine();
                refused.set(refused.get() + 1);
            }
            left -= 1;
        }
        teller.set((generator, left));
        if left > 0 {
            return Step::Again;
        }
        WORKERS_DONE.add(1);
        sdk::signal(WORKER_DONE);
        Step::Done(0)
    }
}

call! {
    /// Balance of an account; -1 if there is none of this number.
    fn balance(account: i64) -> i64 {
        match (BANK.get(), usize::try_from(account)) {
            (Some(bank), Ok(number)) if number < bank.accounts => bank.account(number).get(),
            _ => -1,
        }
    }
}

call! {
    /// Sum of all balances; -1 before the bank is open.
    fn total() -> i64 {
        BANK.get().map_or(-1, Bank::total)
    }
}

call! {
    /// Moves an amount between two accounts: 1 = done, 0 = refused.
    fn transfer(from: i64, to: i64, amount: i64) -> i64 {
        match (BANK.get(), usize::try_from(from), usize::try_from(to)) {
            (Some(bank), Ok(from), Ok(to)) if from.max(to) < bank.accounts => {
                i64::from(bank.transfer(from, to, amount))
            }
            _ => 0,
        }
    }
}

fn open() -> Step {
    let arguments = sdk::arguments();
    let number = |index: usize, default: Option<u64>, max: u64| match arguments.get(index) {
        Some(text) => text
            .parse()
            .ok()
            .filter(|number| (1..=max).contains(number)),
        None => default,
    };
    let all = (
        number(0, None, 10_000_000),
        number(1, None, u64::MAX),
        number(2, None, 4096),
        number(3, Some(1), u64::MAX),
        number(4, Some(1), 1_000_000),
        number(5, Some(1), ACCOUNTS_PER_PAGE_MAX as u64),
    );
    let (Some(accounts), Some(transfers), Some(workers), Some(seed), Some(batch), Some(per_page)) =
        all
    else {
        sdk::err!(
            "bank: expected as arguments: accounts, transfers, workers (up to 4096), and if \
             wanted seed, transfers per step, accounts per page (up to {ACCOUNTS_PER_PAGE_MAX})"
        );
        sdk::exit(1)
    };
    let (accounts, per_page) = (accounts as usize, per_page as usize);
    let page = |_| -> Page { PageAligned::new([const { Cell::new(0) }; ACCOUNTS_PER_PAGE_MAX]) };
    let teller = |index| {
        let transfers = transfers / workers + u64::from(index < transfers % workers);
        PageAligned::new(Cell::new((
            seed.wrapping_mul(workers).wrapping_add(index),
            transfers,
        )))
    };
    let bank = Bank {
        accounts,
        per_page,
        pages: (0..accounts.div_ceil(per_page)).map(page).collect(),
        tellers: (0..workers).map(teller).collect(),
        batch,
        refused: PerNode::default(),
    };
    for number in 0..accounts {
        bank.account(number).set(FIRST_BALANCE);
    }
    let fresh = BANK.set(bank).is_ok();
    assert!(fresh, "main opens the bank once");
    for teller in 0..workers {
        sdk::spawn("transfer_some", teller as i64);
    }
    Step::Wait(WORKER_DONE)
}

fn close(bank: &Bank) -> Step {
    let (total, expected) = (bank.total(), bank.accounts as i64 * FIRST_BALANCE);
    let refused: u64 = bank.refused.iter().map(Cell::get).sum();
    let verdict = if total == expected {
        "as it must be"
    } else {
        "WRONG"
    };
    let report = format!("total {total} of {expected}: {verdict}; {refused} transfers refused\n");
    sdk::result_write(0, report.as_bytes());
    if total != expected {
        sdk::exit(1);
    }
    Step::Done(0)
}

/// The next number below a limit (`SplitMix64`).
fn below(generator: &mut u64, limit: u64) -> u64 {
    *generator = generator.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut bits = *generator;
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (bits ^ (bits >> 31)) % limit
}
