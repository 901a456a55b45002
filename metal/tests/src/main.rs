//! The machine's own tests: they run on the machine itself, and say on the serial port how each
//! has ended.
//!
//! A test that fails ends the machine by a panic. Tests that end it anyway, or come after such an
//! end, run alone, in a machine of their own: they are only listed unless the command line has
//! `only=NAME`, or the first file has. `cargo xtask metal` makes the machines, with what they
//! need: a disk, a network of which each frame comes back, and `guest.wat` as machine code for a
//! first file.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]
extern crate alloc;

use alloc::format;
use alloc::string::String;

mod clocks;
mod cores;
mod devices;
mod endings;
mod frames;
mod guests;
mod interrupts;
mod memory;
mod protocol;
mod views;

use hal::boot::Boot;
use hal::kept::{self, Kept};
use hal::panic::{self, PANIC_CODE, Then};
use hal::virtio::{Block, Devices, Network};
use hal::{clock, cpu, say, virtio};

/// What tests find.
pub(crate) struct Machine {
    boot: Boot,
    disk: Option<Block>,
    network: Option<Network>,
    kept: Option<Kept>,
}

struct Test {
    name: &'static str,
    body: fn(&mut Machine),
    end: End,
}

/// How a test ends that passes.
#[derive(Clone, Copy)]
enum End {
    /// It returns.
    Returns,
    /// It returns, and is run alone, after the others.
    Later,
    /// The machine is reset, which QEMU is told to take for its end.
    Resets,
    /// The machine ends as by any defect, and says this.
    Panics(&'static str),
}

const TESTS: &[Test] = &[
    test(
        "memory is as much as the machine has",
        memory::all_is_claimed,
    ),
    test(
        "memory that is set aside is apart from the heap",
        memory::aside_is_apart,
    ),
    test("the heap keeps what is put there", memory::heap_keeps),
    test(
        "the heap gives back all that it gave",
        memory::heap_gives_back,
    ),
    test(
        "pages are present and protected as told",
        views::pages_do_as_told,
    ),
    test("views do not see one another", views::views_are_apart),
    test(
        "a view that ends gives all frames back",
        views::frames_come_back,
    ),
    test("an emptied view is as a new one", views::emptied),
    test("time does not go back", clocks::monotonic),
    test("sleep is as long as was asked", clocks::sleep),
    test("time passes as on the clock with the battery", clocks::pace),
    test("the clock with the battery is set", clocks::set),
    test(
        "ticks leave guests as they were",
        interrupts::ticks_of_guests,
    ),
    test("ticks leave the host as it was", interrupts::ticks_of_hosts),
    test("an absent page is asked for", interrupts::absent_page),
    test("the protocol's scenarios hold", protocol::scenarios),
    test("a guest computes", guests::computes),
    test("a guest's pages are asked for one by one", guests::pages),
    test("a guest's faults are errors", guests::faults),
    test("a guest is stopped at a page", guests::stopped_at_page),
    test("a guest that never ends is stopped", guests::endless),
    test(
        "ticks do not change what a guest computes",
        guests::interrupted,
    ),
    test("guests leave nothing behind", guests::no_leak),
    test("a disk keeps what is written", devices::disk),
    test("a disk takes many requests at once", devices::disk_queue),
    test("a disk's cache is as it was told", devices::disk_cache),
    test("a volume keeps what is synced", devices::volume),
    test("frames come back, and wake the processor", devices::network),
    Test {
        name: "a volume is there after a reset",
        body: devices::volume_again,
        end: End::Later,
    },
    Test {
        name: "bad frames and unwanted ones do nothing",
        body: frames::bad_and_unwanted,
        end: End::Later,
    },
    Test {
        name: "processors work beside one another",
        body: cores::beside,
        end: End::Later,
    },
    Test {
        name: "a processor that sleeps is woken",
        body: cores::woken,
        end: End::Later,
    },
    Test {
        name: "a device wakes the processor that uses it",
        body: cores::device,
        end: End::Later,
    },
    Test {
        name: "more processors than there are is an error",
        body: cores::too_few,
        end: End::Later,
    },
    Test {
        name: "a panic on another processor says where",
        body: cores::panics,
        end: End::Panics("cores::fail"),
    },
    Test {
        name: "a panic says where",
        body: endings::panics,
        end: End::Panics("endings::fail"),
    },
    Test {
        name: "a stack that overflows is a panic",
        body: endings::overflows,
        end: End::Panics("endings::deeper"),
    },
    Test {
        name: "a heap that is used up is a panic",
        body: endings::exhausts,
        end: End::Panics("memory allocation of"),
    },
    Test {
        name: "a machine resets",
        body: endings::resets,
        end: End::Resets,
    },
];

const fn test(name: &'static str, body: fn(&mut Machine)) -> Test {
    Test {
        name,
        body,
        end: End::Returns,
    }
}

hal::entry!(main);

fn main(boot: Boot) -> ! {
    panic::set_then(Then::PowerOff);
    let Devices {
        mut networks,
        mut blocks,
        ..
    } = virtio::find(&boot.command_line);
    blocks.iter_mut().for_each(Block::wake_here);
    networks.iter_mut().for_each(Network::wake_here);
    let mut machine = Machine {
        boot,
        disk: blocks.pop(),
        network: networks.pop(),
        kept: kept::take(memory::KEPT_BYTES),
    };
    kept::give_up();
    let only = only(&machine.boot);
    let mut count = 0;
    for test in TESTS {
        let is_alone = !matches!(test.end, End::Returns);
        let is_wanted = match &only {
            Some(only) => only == test.name,
            None => !is_alone,
        };
        if is_wanted {
            run(test, &mut machine);
            count += 1;
        } else if is_alone && only.is_none() {
            list(test);
        }
    }
    assert!(count > 0, "there is such a test");
    say!("plurix-tests: {count} passed");
    cpu::power_off(0)
}

/// The one test that is to be run, if the command line or the first file says so.
fn only(boot: &Boot) -> Option<String> {
    let file = boot.modules.first().map_or(&[][..], |file| file);
    let file = core::str::from_utf8(file).unwrap_or_default();
    let words = boot.command_line.split_ascii_whitespace();
    let mut words = words.chain(file.split_ascii_whitespace());
    let name = words.find_map(|word| word.strip_prefix("only="));
    // Words end at spaces.
    name.map(|name| name.replace('_', " "))
}

fn run(test: &Test, machine: &mut Machine) {
    say!("plurix-tests: run {}", test.name);
    let start = clock::now_ns();
    (test.body)(machine);
    let us = (clock::now_ns() - start) / 1_000;
    match test.end {
        End::Returns | End::Later => say!("plurix-tests: ok {} ({us} us)", test.name),
        End::Panics(_) | End::Resets => panic!("it has returned"),
    }
}

/// Says with which status QEMU ends after it, and what is said before.
fn list(test: &Test) {
    let (code, says) = match test.end {
        End::Returns | End::Later => (Some(0), "1 passed".into()),
        // A machine that resets earlier does not come to say this.
        End::Resets => (None, format!("run {}", test.name)),
        End::Panics(says) => (Some(PANIC_CODE), String::from(says)),
    };
    let status = code.map_or(0, |code| u32::from(code) * 2 + 1);
    say!("plurix-tests: alone {status} {} | {says}", test.name);
}
