//! Commands on sorted sets.

use super::lists::range;
use crate::call::{Call, Kind, count, integer, is};
use crate::failure::Failure;
use crate::sorted::{End, Score, Sorted};
use crate::table::Spot;
use crate::text::Text;

type Done = Result<(), Failure>;

const NO_FLOAT: Failure = Failure::Text("ERR value is not a valid float");

/// The options of ZADD.
#[derive(Default)]
struct Options {
    if_absent: bool,
    if_present: bool,
    if_greater: bool,
    if_less: bool,
    counts_changed: bool,
    adds: bool,
}

impl Options {
    /// Takes the options from the beginning of the arguments; returns the rest.
    fn parse<'a>(mut rest: &'a [&'a [u8]]) -> Result<(Self, &'a [&'a [u8]]), Failure> {
        let mut options = Self::default();
        while let [first, behind @ ..] = rest {
            let option = if is(first, "nx") {
                &mut options.if_absent
            } else if is(first, "xx") {
                &mut options.if_present
            } else if is(first, "gt") {
                &mut options.if_greater
            } else if is(first, "lt") {
                &mut options.if_less
            } else if is(first, "ch") {
                &mut options.counts_changed
            } else if is(first, "incr") {
                &mut options.adds
            } else {
                break;
            };
            *option = true;
            rest = behind;
        }
        if rest.is_empty() || !rest.len().is_multiple_of(2) {
            return Err(Failure::Syntax);
        }
        if options.if_absent && options.if_present {
            return Err(Failure::Text(
                "ERR XX and NX options at the same time are not compatible",
            ));
        }
        let compares = options.if_greater || options.if_less;
        if options.if_absent && compares || options.if_greater && options.if_less {
            return Err(Failure::Text(
                "ERR GT, LT, and/or NX options at the same time are not compatible",
            ));
        }
        if options.adds && rest.len() > 2 {
            return Err(Failure::Text(
                "ERR INCR option supports a single increment-element pair",
            ));
        }
        Ok((options, rest))
    }

    fn hold(&self, old: Option<Score>, new: Score) -> bool {
        match old {
            None => !self.if_present,
            Some(old) => {
                !(self.if_absent || self.if_greater && new <= old || self.if_less && new >= old)
            }
        }
    }
}

pub(super) fn zadd(call: &mut Call<'_, '_>, arguments: &[&[u8]]) -> Done {
    let (options, rest) = Options::parse(&arguments[2..])?;
    let (pairs, _) = rest.as_chunks();
    if pairs.iter().any(|[score, _]| Score::parse(score).is_none()) {
        return Err(NO_FLOAT);
    }
    let is_there = call.get::<Sorted>(arguments[1])?.is_some();
    if !is_there && options.if_present {
        match options.adds {
            true => call.output.null(),
            false => call.output.integer(0),
        }
        return Ok(());
    }
    let (mut new, mut changed, mut last) = (0, 0, None);
    let sorted: &mut Sorted = call.get_or_make(arguments[1])?;
    for [score, member] in pairs {
        let old = sorted.score(member);
        let mut score = Score::parse(score).ok_or(NO_FLOAT)?;
        if let (Some(old), true) = (old, options.adds) {
            score = score
                .checked_add(old)
                .ok_or(Failure::Text("ERR resulting score is not a number (NaN)"))?;
        }
        last = options.hold(old, score).then_some(score);
        if last.is_some() && old != last {
            sorted.set(member, score);
            new += i64::from(old.is_none());
            changed += i64::from(old.is_some());
        }
    }
    match (options.adds, options.counts_changed) {
        (true, _) => answer(call, last),
        (false, true) => call.output.integer(new + changed),
        (false, false) => call.output.integer(new),
    }
    Ok(())
}

fn answer(call: &mut Call<'_, '_>, score: Option<Score>) {
    let text = score.map(Score::text);
    call.output.bulk_or_null(text.as_deref().map(str::as_bytes));
}

pub(super) fn zincrby(call: &mut Call<'_, '_>, arguments: &[&[u8]]) -> Done {
    let [name, key, amount, member] = [0, 1, 2, 3].map(|index| arguments[index]);
    zadd(call, &[name, key, b"INCR", amount, member])
}

pub(super) fn zrem(call: &mut Call<'_, '_>, arguments: &[&[u8]]) -> Done {
    let mut removed = 0;
    if let Some(spot) = call.find(arguments[1]) {
        let sorted: &mut Sorted = call.value_mut(spot)?;
        let members = arguments[2..].iter();
        removed = members.filter(|member| sorted.remove(member)).count();
        call.remove_if_empty::<Sorted>(spot);
    }
    call.output.count(removed);
    Ok(())
}

pub(super) fn zcard(call: &mut Call<'_, '_>, arguments: &[&[u8]]) -> Done {
    let length = call.get::<Sorted>(arguments[1])?.map_or(0, Sorted::len);
    call.output.count(length);
    Ok(())
}

pub(super) fn zscore(call: &mut Call<'_, '_>, arguments: &[&[u8]]) -> Done {
    let sorted = call.get::<Sorted>(arguments[1])?;
    let score = sorted.and_then(|sorted| sorted.score(arguments[2]));
    answer(call, score);
    Ok(())
}

pub(super) fn zpopmin(call: &mut Call<'_, '_>, arguments: &[&[u8]]) -> Done {
    pop(call, arguments, End::Lowest)
}

pub(super) fn zpopmax(call: &mut Call<'_, '_>, arguments: &[&[u8]]) -> Done {
    pop(call, arguments, End::Highest)
}

/// Where a sorted set is, and how many members it has.
fn find(call: &mut Call<'_, '_>, key: &[u8]) -> Result<(Option<Spot>, usize), Failure> {
    let spot = call.find(key);
    let length = match spot {
        Some(spot) => call.value::<Sorted>(spot)?.len(),
        None => 0,
    };
    Ok((spot, length))
}

fn pop(call: &mut Call<'_, '_>, arguments: &[&[u8]], end: End) -> Done {
    let wanted = match arguments[2..] {
        [] => 1,
        [argument] => count(argument)?,
        _ => return Err(Failure::Syntax),
    };
    let (spot, length) = find(call, arguments[1])?;
    let popped = wanted.min(length);
    call.begin_work(popped)?;
    call.output.array(2 * popped);
    if let Some(spot) = spot.filter(|_| popped > 0) {
        let output = &mut *call.output;
        let value = &mut call.database.table.entry_mut(spot).value;
        let sorted = Sorted::of_mut(value).ok_or(Failure::WrongType)?;
        for (score, member) in (0..popped).map_while(|_| sorted.pop(end)) {
            output.bulk(&member);
            output.bulk(score.text().as_bytes());
        }
        call.remove_if_empty::<Sorted>(spot);
    }
    Ok(())
}

/// By index only.
pub(super) fn zrange(call: &mut Call<'_, '_>, arguments: &[&[u8]]) -> Done {
    let (mut shows_scores, mut is_reversed) = (false, false);
    for option in &arguments[4..] {
        if is(option, "withscores") {
            shows_scores = true;
        } else if is(option, "rev") {
            is_reversed = true;
        } else {
            return Err(Failure::Syntax);
        }
    }
    let (first, last) = (integer(arguments[2])?, integer(arguments[3])?);
    let (spot, length) = find(call, arguments[1])?;
    let (Some(spot), Some((first, last))) = (spot, range(first, last, length)) else {
        call.output.array(0);
        return Ok(());
    };
    let shown = last - first + 1;
    call.begin_work(last)?;
    call.output.array(shown * if shows_scores { 2 } else { 1 });
    let sorted: &Sorted = Call::value_of(call.database, spot)?;
    let output = &mut *call.output;
    let show = |(score, member): (Score, &Text)| {
        output.bulk(member);
        if shows_scores {
            output.bulk(score.text().as_bytes());
        }
    };
    match is_reversed {
        false => sorted.iter().skip(first).take(shown).for_each(show),
        true => sorted.iter().rev().skip(first).take(shown).for_each(show),
    }
    Ok(())
}
