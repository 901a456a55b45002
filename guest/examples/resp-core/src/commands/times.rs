//! Commands on the times at which keys end.

use core::num::NonZeroU64;

use crate::call::{Call, integer, is};
use crate::failure::Failure;

type Done = Result<(), Failure>;

/// What times are given in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Unit {
    Seconds,
    Milliseconds,
}

impl Unit {
    const fn ms(self) -> i64 {
        match self {
            Self::Seconds => 1000,
            Self::Milliseconds => 1,
        }
    }
}

/// The time that an argument says, from a time on; it must be greater than 0.
pub(super) fn end(
    argument: &[u8],
    unit: Unit,
    base_ms: u64,
    name: &'static str,
) -> Result<NonZeroU64, Failure> {
    let end = Some(integer(argument)?)
        .filter(|&time| time > 0)
        .and_then(|time| time.checked_mul(unit.ms()))
        .and_then(|time| time.checked_add_unsigned(base_ms));
    end.and_then(|end| NonZeroU64::new(end as u64))
        .ok_or(Failure::Expiry(name))
}

pub(super) fn expire(call: &mut Call<'_, '_>, arguments: &[&[u8]]) -> Done {
    set_end(call, arguments, Unit::Seconds, call.here.now_ms, "expire")
}

pub(super) fn pexpire(call: &mut Call<'_, '_>, arguments: &[&[u8]]) -> Done {
    set_end(
        call,
        arguments,
        Unit::Milliseconds,
        call.here.now_ms,
        "pexpire",
    )
}

pub(super) fn expireat(call: &mut Call<'_, '_>, arguments: &[&[u8]]) -> Done {
    set_end(call, arguments, Unit::Seconds, 0, "expireat")
}

pub(super) fn pexpireat(call: &mut Call<'_, '_>, arguments: &[&[u8]]) -> Done {
    set_end(call, arguments, Unit::Milliseconds, 0, "pexpireat")
}

/// When a time is set at all.
#[derive(Default)]
struct Conditions {
    if_none: bool,
    if_any: bool,
    if_later: bool,
    if_earlier: bool,
}

impl Conditions {
    fn parse(options: &[&[u8]]) -> Result<Self, Failure> {
        let mut conditions = Self::default();
        for option in options {
            let condition = if is(option, "nx") {
                &mut conditions.if_none
            } else if is(option, "xx") {
                &mut conditions.if_any
            } else if is(option, "gt") {
                &mut conditions.if_later
            } else if is(option, "lt") {
                &mut conditions.if_earlier
            } else {
                return Err(Failure::Message(
                    [b"ERR Unsupported option ", *option].concat(),
                ));
            };
            *condition = true;
        }
        let Self {
            if_none,
            if_any,
            if_later,
            if_earlier,
        } = conditions;
        if if_none && (if_any || if_later || if_earlier) {
            return Err(Failure::Text(
                "ERR NX and XX, GT or LT options at the same time are not compatible",
            ));
        }
        if if_later && if_earlier {
            return Err(Failure::Text(
                "ERR GT and LT options at the same time are not compatible",
            ));
        }
        Ok(conditions)
    }

    fn hold(&self, old: Option<NonZeroU64>, new_ms: i64) -> bool {
        let old = old.map(|old| old.get() as i64);
        !(self.if_none && old.is_some()
            || self.if_any && old.is_none()
            || self.if_later && old.is_none_or(|old| new_ms <= old)
            || self.if_earlier && old.is_some_and(|old| new_ms >= old))
    }
}

fn set_end(
    call: &mut Call<'_, '_>,
    arguments: &[&[u8]],
    unit: Unit,
    base_ms: u64,
    name: &'static str,
) -> Done {
    let conditions = Conditions::parse(&arguments[3..])?;
    let end_ms = integer(arguments[2])?
        .checked_mul(unit.ms())
        .and_then(|time| time.checked_add_unsigned(base_ms))
        .ok_or(Failure::Expiry(name))?;
    let spot = call.find(arguments[1]);
    let spot = spot.filter(|&spot| conditions.hold(call.entry(spot).expiry_ms(), end_ms));
    if let Some(spot) = spot {
        match u64::try_from(end_ms)
            .ok()
            .filter(|&end_ms| end_ms > call.here.now_ms)
        {
            Some(end_ms) => call.entry_mut(spot).set_expiry_ms(NonZeroU64::new(end_ms)),
            None => call.remove(spot),
        }
    }
    call.output.integer(spot.is_some().into());
    Ok(())
}

pub(super) fn persist(call: &mut Call<'_, '_>, arguments: &[&[u8]]) -> Done {
    let spot = call.find(arguments[1]);
    let spot = spot.filter(|&spot| call.entry(spot).expiry_ms().is_some());
    if let Some(spot) = spot {
        call.entry_mut(spot).set_expiry_ms(None);
    }
    call.output.integer(spot.is_some().into());
    Ok(())
}

/// Answers with what the function makes of a key's end.
fn answer(call: &mut Call<'_, '_>, key: &[u8], make: impl FnOnce(u64) -> u64) -> Done {
    let answer = match call.find(key) {
        None => -2,
        Some(spot) => match call.entry(spot).expiry_ms() {
            None => -1,
            Some(end) => make(end.get()) as i64,
        },
    };
    call.output.integer(answer);
    Ok(())
}

pub(super) fn ttl(call: &mut Call<'_, '_>, arguments: &[&[u8]]) -> Done {
    let now_ms = call.here.now_ms;
    answer(call, arguments[1], |end_ms| (end_ms - now_ms + 500) / 1000)
}

pub(super) fn pttl(call: &mut Call<'_, '_>, arguments: &[&[u8]]) -> Done {
    let now_ms = call.here.now_ms;
    answer(call, arguments[1], |end_ms| end_ms - now_ms)
}

pub(super) fn expiretime(call: &mut Call<'_, '_>, arguments: &[&[u8]]) -> Done {
    answer(call, arguments[1], |end_ms| (end_ms + 500) / 1000)
}

pub(super) fn pexpiretime(call: &mut Call<'_, '_>, arguments: &[&[u8]]) -> Done {
    answer(call, arguments[1], |end_ms| end_ms)
}
