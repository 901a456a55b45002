//! Time.
use hal::clock::{now_ns, sleep_until_ns};
use hal::ports::HarmlessPort;
use hal::{rtc, virtio};

use crate::Machine;

const MS: u64 = 1_000_000;

pub(crate) fn monotonic(_: &mut Machine) {
    let mut last = now_ns();
    let end = last + 20 * MS;
    while last < end {
        let next = now_ns();
        assert!(next >= last, "{next} ns after {last} ns");
        last = next;
    }
}

pub(crate) fn sleep(_: &mut Machine) {
    for ms in [0, 1, 5, 20] {
        let start = now_ns();
        let until = start + ms * MS;
        let mut turns = 0;
        let _ = virtio::take_lines();
        // It may end earlier, but by itself it comes to an end, and does not just return.
        while now_ns() < until {
            sleep_until_ns(until);
            turns += 1;
        }
        assert!(turns <= 100, "{turns} turns in {ms} ms are no sleep");
    }
}

/// A register of the clock with the battery.
fn field(register: u8) -> u8 {
    let port = |number| HarmlessPort::new(number).expect("the clock's ports are harmless");
    port(0x70).write(register);
    port(0x71).read()
}

fn set_field(register: u8, value: u8) {
    let port = |number| HarmlessPort::new(number).expect("the clock's ports are harmless");
    port(0x70).write(register);
    port(0x71).write(value);
}

/// Its seconds.
fn second() -> u8 {
    field(0)
}

/// When the next second begins.
fn next_second() -> u64 {
    let (now, start) = (second(), now_ns());
    while second() == now {
        assert!(now_ns() - start < 10_000 * MS, "the clock stands still");
    }
    now_ns()
}

/// The counter was measured for a millisecond; in a second an error would show.
pub(crate) fn pace(_: &mut Machine) {
    let start = next_second();
    let ms = (next_second() - start) / MS;
    assert!((800..1_250).contains(&ms), "a second was {ms} ms");
}

/// Set to a moment before a day of a leap year that does not begin every century, it goes there.
pub(crate) fn set(_: &mut Machine) {
    // The last second of the 28th of February 2028.
    const BEFORE: u64 = 1_835_395_199;
    let now = rtc::seconds().expect("a clock with a battery");
    rtc::set(BEFORE);
    let deadline = now_ns() + 10_000 * MS;
    let mut found = rtc::seconds();
    while found == Some(BEFORE) {
        assert!(now_ns() < deadline, "the clock stands still");
        found = rtc::seconds();
    }
    assert_eq!(found, Some(BEFORE + 1), "the day after");
    assert_eq!(field(7), 0x29, "the day, as the clock has it");
    // A day that there is not, while it stands still.
    set_field(11, field(11) | 0x80);
    set_field(7, 0);
    assert_eq!(rtc::seconds(), Some(946_684_800), "the beginning of 2000");
    rtc::set(now);
    let found = rtc::seconds().expect("it is still there");
    assert!((now..now + 3).contains(&found), "{found} instead of {now}");
}
