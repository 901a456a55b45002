//! Commands on hashes: fields with values.

use crate::call::{Call, integer};
use crate::failure::Failure;
use crate::number::{self, Decimal};
use crate::value::Fields;

type Done = Result<(), Failure>;

/// Sets fields; returns how many are new.
fn set(call: &mut Call<'_, '_>, arguments: &[&[u8]], name: &'static str) -> Result<usize, Failure> {
    let (pairs, rest) = arguments[2..].as_chunks();
    if !rest.is_empty() {
        return Err(Failure::Arity(name));
    }
    let fields: &mut Fields = call.get_or_make(arguments[1])?;
    let before = fields.len();
    for &[field, value] in pairs {
        put(fields, field, value);
    }
    Ok(fields.len() - before)
}

fn put(fields: &mut Fields, field: &[u8], value: &[u8]) {
    match fields.get_mut(field) {
        Some(old) => old.assign(value),
        None => drop(fields.insert(field.into(), value.into())),
    }
}

pub(super) fn hset(call: &mut Call<'_, '_>, arguments: &[&[u8]]) -> Done {
    let new = set(call, arguments, "hset")?;
    call.output.count(new);
    Ok(())
}

pub(super) fn hmset(call: &mut Call<'_, '_>, arguments: &[&[u8]]) -> Done {
    set(call, arguments, "hmset")?;
    call.output.ok();
    Ok(())
}

pub(super) fn hsetnx(call: &mut Call<'_, '_>, arguments: &[&[u8]]) -> Done {
    let fields = call.get::<Fields>(arguments[1])?;
    let is_new = fields.is_none_or(|fields| !fields.contains_key(arguments[2]));
    if is_new {
        put(call.get_or_make(arguments[1])?, arguments[2], arguments[3]);
    }
    call.output.integer(is_new.into());
    Ok(())
}

/// Answers with the values of fields.
fn answer(call: &mut Call<'_, '_>, key: &[u8], fields: &[&[u8]]) -> Done {
    let spot = call.find(key);
    let found: Option<&Fields> = match spot {
        Some(spot) => Some(Call::value_of(call.database, spot)?),
        None => None,
    };
    for &field in fields {
        let value = found.and_then(|found| found.get(field));
        call.output.bulk_or_null(value.map(|value| &**value));
    }
    Ok(())
}

pub(super) fn hget(call: &mut Call<'_, '_>, arguments: &[&[u8]]) -> Done {
    answer(call, arguments[1], &arguments[2..])
}

pub(super) fn hmget(call: &mut Call<'_, '_>, arguments: &[&[u8]]) -> Done {
    call.get::<Fields>(arguments[1])?;
    call.begin_work(arguments.len())?;
    call.output.array(arguments.len() - 2);
    answer(call, arguments[1], &arguments[2..])
}

pub(super) fn hdel(call: &mut Call<'_, '_>, arguments: &[&[u8]]) -> Done {
    let mut removed = 0;
    if let Some(spot) = call.find(arguments[1]) {
        let fields: &mut Fields = call.value_mut(spot)?;
        for &field in &arguments[2..] {
            removed += usize::from(fields.remove(field).is_some());
        }
        call.remove_if_empty::<Fields>(spot);
    }
    call.output.count(removed);
    Ok(())
}

pub(super) fn hlen(call: &mut Call<'_, '_>, arguments: &[&[u8]]) -> Done {
    let length = call.get::<Fields>(arguments[1])?.map_or(0, Fields::len);
    call.output.count(length);
    Ok(())
}

pub(super) fn hexists(call: &mut Call<'_, '_>, arguments: &[&[u8]]) -> Done {
    let fields = call.get::<Fields>(arguments[1])?;
    let is_there = fields.is_some_and(|fields| fields.contains_key(arguments[2]));
    call.output.integer(is_there.into());
    Ok(())
}

/// What is answered of each field.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    Fields,
    Values,
    Both,
}

fn show(call: &mut Call<'_, '_>, key: &[u8], shown: Shown) -> Done {
    let Some(spot) = call.find(key) else {
        call.output.array(0);
        return Ok(());
    };
    let length = call.value::<Fields>(spot)?.len();
    call.begin_work(length)?;
    call.output
        .array(length * if shown == Shown::Both { 2 } else { 1 });
    for (field, value) in Call::value_of::<Fields>(call.database, spot)? {
        if shown != Shown::Values {
            call.output.bulk(field);
        }
        if shown != Shown::Fields {
            call.output.bulk(value);
        }
    }
    Ok(())
}

pub(super) fn hgetall(call: &mut Call<'_, '_>, arguments: &[&[u8]]) -> Done {
    show(call, arguments[1], Shown::Both)
}

pub(super) fn hkeys(call: &mut Call<'_, '_>, arguments: &[&[u8]]) -> Done {
    show(call, arguments[1], Shown::Fields)
}

pub(super) fn hvals(call: &mut Call<'_, '_>, arguments: &[&[u8]]) -> Done {
    show(call, arguments[1], Shown::Values)
}

pub(super) fn hincrby(call: &mut Call<'_, '_>, arguments: &[&[u8]]) -> Done {
    let amount = integer(arguments[3])?;
    let value = call
        .get::<Fields>(arguments[1])?
        .and_then(|fields| fields.get(arguments[2]));
    let before = value.map_or(Some(0), |value| number::parse(value));
    let before = before.ok_or(Failure::Text("ERR hash value is not an integer"))?;
    let after = before.checked_add(amount).ok_or(Failure::OVERFLOW)?;
    let fields = call.get_or_make(arguments[1])?;
    put(fields, arguments[2], Decimal::new(after).as_bytes());
    call.output.integer(after);
    Ok(())
}
