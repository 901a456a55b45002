//! Commands on strings.

use core::num::NonZeroU64;

use super::times::{Unit, end};
use crate::call::{Call, integer, is};
use crate::failure::Failure;
use crate::number::Decimal;
use crate::parse::BULK_BYTES_MAX;
use crate::table::Spot;
use crate::text::Text;

type Done = Result<(), Failure>;

/// Answers with the text of a key.
fn answer(call: &mut Call<'_, '_>, key: &[u8]) -> Result<Option<Spot>, Failure> {
    let spot = call.find(key);
    let Some(found) = spot else {
        call.output.null();
        return Ok(None);
    };
    let text: &Text = Call::value_of(call.database, found)?;
    call.output.bulk(text);
    Ok(spot)
}

pub(super) fn get(call: &mut Call<'_, '_>, arguments: &[&[u8]]) -> Done {
    answer(call, arguments[1]).map(drop)
}

pub(super) fn getdel(call: &mut Call<'_, '_>, arguments: &[&[u8]]) -> Done {
    if let Some(spot) = answer(call, arguments[1])? {
        call.remove(spot);
    }
    Ok(())
}

pub(super) fn getset(call: &mut Call<'_, '_>, arguments: &[&[u8]]) -> Done {
    answer(call, arguments[1])?;
    call.set(arguments[1], arguments[2], Some(None));
    Ok(())
}

pub(super) fn strlen(call: &mut Call<'_, '_>, arguments: &[&[u8]]) -> Done {
    let length = call.get::<Text>(arguments[1])?.map_or(0, |text| text.len());
    call.output.count(length);
    Ok(())
}

pub(super) fn getrange(call: &mut Call<'_, '_>, arguments: &[&[u8]]) -> Done {
    let (first, last) = (integer(arguments[2])?, integer(arguments[3])?);
    let Some(spot) = call.find(arguments[1]) else {
        call.output.bulk(b"");
        return Ok(());
    };
    let text: &Text = Call::value_of(call.database, spot)?;
    let range = super::lists::range(first, last, text.len());
    call.output
        .bulk(range.map_or(&[], |(first, last)| &text[first..=last]));
    Ok(())
}

pub(super) fn append(call: &mut Call<'_, '_>, arguments: &[&[u8]]) -> Done {
    let length = match call.find(arguments[1]) {
        None => {
            call.set(arguments[1], arguments[2], None);
            arguments[2].len()
        }
        Some(spot) => {
            let length = call.value::<Text>(spot)?.len() + arguments[2].len();
            if length > BULK_BYTES_MAX {
                return Err(Failure::TOO_LONG);
            }
            call.value_mut::<Text>(spot)?.append(arguments[2]);
            length
        }
    };
    call.output.count(length);
    Ok(())
}

fn add(call: &mut Call<'_, '_>, key: &[u8], amount: i64) -> Done {
    let spot = call.find(key);
    let before = match spot {
        None => 0,
        Some(spot) => integer(call.value::<Text>(spot)?)?,
    };
    let after = before.checked_add(amount).ok_or(Failure::OVERFLOW)?;
    let text = Decimal::new(after);
    match spot {
        None => call.set(key, text.as_bytes(), None),
        Some(spot) => call.value_mut::<Text>(spot)?.assign(text.as_bytes()),
    }
    call.output.integer(after);
    Ok(())
}

pub(super) fn incr(call: &mut Call<'_, '_>, arguments: &[&[u8]]) -> Done {
    add(call, arguments[1], 1)
}

pub(super) fn decr(call: &mut Call<'_, '_>, arguments: &[&[u8]]) -> Done {
    add(call, arguments[1], -1)
}

pub(super) fn incrby(call: &mut Call<'_, '_>, arguments: &[&[u8]]) -> Done {
    add(call, arguments[1], integer(arguments[2])?)
}

pub(super) fn decrby(call: &mut Call<'_, '_>, arguments: &[&[u8]]) -> Done {
    let amount = integer(arguments[2])?
        .checked_neg()
        .ok_or(Failure::Text("ERR decrement would overflow"))?;
    add(call, arguments[1], amount)
}

pub(super) fn mget(call: &mut Call<'_, '_>, arguments: &[&[u8]]) -> Done {
    call.begin_work(arguments.len())?;
    call.output.array(arguments.len() - 1);
    for key in &arguments[1..] {
        if answer(call, key).is_err() {
            call.output.null();
        }
    }
    Ok(())
}

pub(super) fn mset(call: &mut Call<'_, '_>, arguments: &[&[u8]]) -> Done {
    set_all(call, arguments, "mset")?;
    call.output.ok();
    Ok(())
}

pub(super) fn msetnx(call: &mut Call<'_, '_>, arguments: &[&[u8]]) -> Done {
    let mut keys = arguments[1..].iter().step_by(2);
    if arguments.len() % 2 == 1 && keys.any(|key| call.find(key).is_some()) {
        call.output.integer(0);
        return Ok(());
    }
    set_all(call, arguments, "msetnx")?;
    call.output.integer(1);
    Ok(())
}

fn set_all(call: &mut Call<'_, '_>, arguments: &[&[u8]], name: &'static str) -> Done {
    let (pairs, rest) = arguments[1..].as_chunks();
    if !rest.is_empty() {
        return Err(Failure::Arity(name));
    }
    for [key, value] in pairs {
        call.set(key, value, Some(None));
    }
    Ok(())
}

pub(super) fn setnx(call: &mut Call<'_, '_>, arguments: &[&[u8]]) -> Done {
    let is_new = call.find(arguments[1]).is_none();
    if is_new {
        call.set(arguments[1], arguments[2], Some(None));
    }
    call.output.integer(is_new.into());
    Ok(())
}

pub(super) fn setex(call: &mut Call<'_, '_>, arguments: &[&[u8]]) -> Done {
    set_until(call, arguments, Unit::Seconds, "setex")
}

pub(super) fn psetex(call: &mut Call<'_, '_>, arguments: &[&[u8]]) -> Done {
    set_until(call, arguments, Unit::Milliseconds, "psetex")
}

fn set_until(call: &mut Call<'_, '_>, arguments: &[&[u8]], unit: Unit, name: &'static str) -> Done {
    let expiry = end(arguments[2], unit, call.here.now_ms, name)?;
    call.set(arguments[1], arguments[3], Some(Some(expiry)));
    call.output.ok();
    Ok(())
}

/// When a key is set at all.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Condition {
    Always,
    IfAbsent,
    IfPresent,
}

/// The options of SET.
struct Options {
    condition: Condition,
    /// As for [`Call::set`].
    expiry: Option<Option<NonZeroU64>>,
    answers_old: bool,
}

impl Options {
    fn parse(options: &[&[u8]], now_ms: u64) -> Result<Self, Failure> {
        let mut condition = Condition::Always;
        let mut answers_old = false;
        let mut keeps = false;
        let mut time: Option<(&[u8], Unit, u64)> = None;
        let mut options = options.iter();
        while let Some(option) = options.next() {
            let is_timed = keeps || time.is_some();
            if is(option, "nx") && condition != Condition::IfPresent {
                condition = Condition::IfAbsent;
            } else if is(option, "xx") && condition != Condition::IfAbsent {
                condition = Condition::IfPresent;
            } else if is(option, "get") {
                answers_old = true;
            } else if is(option, "keepttl") && time.is_none() {
                keeps = true;
            } else if !is_timed && let Some((unit, base_ms)) = timed(option, now_ms) {
                time = Some((options.next().ok_or(Failure::Syntax)?, unit, base_ms));
            } else {
                return Err(Failure::Syntax);
            }
        }
        let expiry = match time {
            Some((time, unit, base_ms)) => Some(Some(end(time, unit, base_ms, "set")?)),
            None => (!keeps).then_some(None),
        };
        Ok(Self {
            condition,
            expiry,
            answers_old,
        })
    }
}

/// The unit of an option with a time, and from when on it is counted.
fn timed(option: &[u8], now_ms: u64) -> Option<(Unit, u64)> {
    let all = [
        ("ex", Unit::Seconds, now_ms),
        ("px", Unit::Milliseconds, now_ms),
        ("exat", Unit::Seconds, 0),
        ("pxat", Unit::Milliseconds, 0),
    ];
    let found = all.into_iter().find(|(word, ..)| is(option, word));
    found.map(|(_, unit, base_ms)| (unit, base_ms))
}

pub(super) fn set(call: &mut Call<'_, '_>, arguments: &[&[u8]]) -> Done {
    let (key, value) = (arguments[1], arguments[2]);
    let options = Options::parse(&arguments[3..], call.here.now_ms)?;
    if options.answers_old {
        answer(call, key)?;
    }
    let is_done = match options.condition {
        Condition::Always => true,
        Condition::IfAbsent => call.find(key).is_none(),
        Condition::IfPresent => call.find(key).is_some(),
    };
    if is_done {
        call.set(key, value, options.expiry);
    }
    match (options.answers_old, is_done) {
        (true, _) => {}
        (false, true) => call.output.ok(),
        (false, false) => call.output.null(),
    }
    Ok(())
}
