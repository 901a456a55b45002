//! Commands on sets.

use crate::call::{Call, Kind, count};
use crate::failure::Failure;
use crate::value::Members;

type Done = Result<(), Failure>;

pub(super) fn sadd(call: &mut Call<'_, '_>, arguments: &[&[u8]]) -> Done {
    let members: &mut Members = call.get_or_make(arguments[1])?;
    let before = members.len();
    for &member in &arguments[2..] {
        if !members.contains(member) {
            members.insert(member.into());
        }
    }
    let new = members.len() - before;
    call.output.count(new);
    Ok(())
}

pub(super) fn srem(call: &mut Call<'_, '_>, arguments: &[&[u8]]) -> Done {
    let mut removed = 0;
    if let Some(spot) = call.find(arguments[1]) {
        let members: &mut Members = call.value_mut(spot)?;
        for &member in &arguments[2..] {
            removed += usize::from(members.remove(member));
        }
        call.remove_if_empty::<Members>(spot);
    }
    call.output.count(removed);
    Ok(())
}

pub(super) fn scard(call: &mut Call<'_, '_>, arguments: &[&[u8]]) -> Done {
    let length = call.get::<Members>(arguments[1])?.map_or(0, Members::len);
    call.output.count(length);
    Ok(())
}

pub(super) fn sismember(call: &mut Call<'_, '_>, arguments: &[&[u8]]) -> Done {
    let members = call.get::<Members>(arguments[1])?;
    let is_there = members.is_some_and(|members| members.contains(arguments[2]));
    call.output.integer(is_there.into());
    Ok(())
}

pub(super) fn smembers(call: &mut Call<'_, '_>, arguments: &[&[u8]]) -> Done {
    let Some(spot) = call.find(arguments[1]) else {
        call.output.array(0);
        return Ok(());
    };
    let length = call.value::<Members>(spot)?.len();
    call.begin_work(length)?;
    call.output.array(length);
    for member in Call::value_of::<Members>(call.database, spot)? {
        call.output.bulk(member);
    }
    Ok(())
}

/// Takes members out of a set: which, is not said; here the first in the order of bytes.
pub(super) fn spop(call: &mut Call<'_, '_>, arguments: &[&[u8]]) -> Done {
    let wanted = match arguments[2..] {
        [] => None,
        [argument] => Some(count(argument)?),
        _ => return Err(Failure::Syntax),
    };
    let Some(spot) = call.find(arguments[1]) else {
        match wanted {
            None => call.output.null(),
            Some(_) => call.output.array(0),
        }
        return Ok(());
    };
    let popped = wanted.unwrap_or(1).min(call.value::<Members>(spot)?.len());
    call.begin_work(popped)?;
    if wanted.is_some() {
        call.output.array(popped);
    }
    if popped > 0 {
        let output = &mut *call.output;
        let value = &mut call.database.table.entry_mut(spot).value;
        let members = Members::of_mut(value).ok_or(Failure::WrongType)?;
        (0..popped).for_each(|_| output.bulk_or_null(members.pop_first().as_deref()));
        call.remove_if_empty::<Members>(spot);
    }
    Ok(())
}
