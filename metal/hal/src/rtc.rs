//! The clock with the battery, which is taken to be UTC. It goes on when the machine is off.
use adapter::part::{Date, days_since_1970};
use x86_64::instructions::interrupts;
use x86_64::instructions::port::Port;

const CHOOSE: u16 = 0x70;
const DATA: u16 = 0x71;
/// Second, minute, hour, day, month, year.
const FIELDS: [u8; 6] = [0, 2, 4, 7, 8, 9];
const STATUS_A: u8 = 10;
const IS_CHANGING: u8 = 0x80;
const STATUS_B: u8 = 11;
/// It stands still, to be set.
const IS_SET: u8 = 0x80;
const IS_BINARY: u8 = 4;
/// Looks before it is given up: longer than it takes for a second to end.
const LOOKS: u32 = 1_000;
const DAY_SECONDS: u64 = 86_400;
/// It has two digits for the year.
const BEGINNING: Date = Date {
    year: 2000,
    month: 1,
    day: 1,
};

/// Seconds since 1970; those of the beginning of the century if it says what is no time, `None` if
/// there is no such clock.
#[must_use]
pub fn seconds() -> Option<u64> {
    let fields = || FIELDS.map(read);
    // A second may pass while they are read. A clock that is not there says anything.
    let is_still = |now: &[u8; 6]| read(STATUS_A) & IS_CHANGING == 0 && *now == fields();
    let mut now = (0..LOOKS).map(|_| fields()).find(is_still)?;
    if read(STATUS_B) & IS_BINARY == 0 {
        now = now.map(|bcd| (bcd >> 4) * 10 + (bcd & 15));
    }
    let [second, minute, hour, day, month, year] = now.map(u64::from);
    let is_date = (1..=12).contains(&month) && (1..=31).contains(&day);
    if !is_date || hour > 23 || minute > 59 || second > 59 {
        // Its battery was empty.
        return Some(days_since_1970(BEGINNING) * DAY_SECONDS);
    }
    let date = Date {
        year: BEGINNING.year + year,
        month,
        day,
    };
    Some(days_since_1970(date) * DAY_SECONDS + hour * 3_600 + minute * 60 + second)
}

/// Sets it. Who asks for a time of another century gets that of this one.
pub fn set(seconds: u64) {
    let Date { year, month, day } = Date::of_days(seconds / DAY_SECONDS);
    let of_day = seconds % DAY_SECONDS;
    let (second, minute, hour) = (of_day % 60, of_day / 60 % 60, of_day / 3_600);
    let fields = [second, minute, hour, day, month, year % 100];
    let mut fields = fields.map(|field| u8::try_from(field).expect("two digits"));
    let status = read(STATUS_B);
    if status & IS_BINARY == 0 {
        fields = fields.map(|field| ((field / 10) << 4) | (field % 10));
    }
    write(STATUS_B, status | IS_SET);
    for (register, field) in FIELDS.into_iter().zip(fields) {
        write(register, field);
    }
    write(STATUS_B, status & !IS_SET);
}

fn read(register: u8) -> u8 {
    interrupts::without_interrupts(|| {
        // SAFETY: chooses and reads a register of that clock.
        unsafe {
            Port::new(CHOOSE).write(register);
            Port::new(DATA).read()
        }
    })
}

fn write(register: u8, value: u8) {
    interrupts::without_interrupts(|| {
        // SAFETY: chooses and writes a register of that clock.
        unsafe {
            Port::new(CHOOSE).write(register);
            Port::new(DATA).write(value);
        }
    });
}
