//! Commands on lists.

use crate::call::{Call, count, integer};
use crate::failure::Failure;
use crate::list::{List, Side};

type Done = Result<(), Failure>;

/// What is meant by first and last, counted from the end if negative, of so many: both are
/// included. `None`: nothing.
pub(super) fn range(first: i64, last: i64, length: usize) -> Option<(usize, usize)> {
    let from_start = |index: i64| {
        if index < 0 {
            index.saturating_add(length as i64)
        } else {
            index
        }
    };
    let first = from_start(first).max(0);
    let last = from_start(last).min(length as i64 - 1);
    (first <= last).then_some((first as usize, last as usize))
}

fn push(call: &mut Call<'_, '_>, arguments: &[&[u8]], side: Side) -> Done {
    let list: &mut List = call.get_or_make(arguments[1])?;
    for element in &arguments[2..] {
        list.push(side, (*element).into());
    }
    let length = list.len();
    call.output.count(length);
    Ok(())
}

fn push_if_there(call: &mut Call<'_, '_>, arguments: &[&[u8]], side: Side) -> Done {
    if call.find(arguments[1]).is_none() {
        call.output.integer(0);
        return Ok(());
    }
    push(call, arguments, side)
}

pub(super) fn lpush(call: &mut Call<'_, '_>, arguments: &[&[u8]]) -> Done {
    push(call, arguments, Side::Left)
}

pub(super) fn rpush(call: &mut Call<'_, '_>, arguments: &[&[u8]]) -> Done {
    push(call, arguments, Side::Right)
}

pub(super) fn lpushx(call: &mut Call<'_, '_>, arguments: &[&[u8]]) -> Done {
    push_if_there(call, arguments, Side::Left)
}

pub(super) fn rpushx(call: &mut Call<'_, '_>, arguments: &[&[u8]]) -> Done {
    push_if_there(call, arguments, Side::Right)
}

pub(super) fn lpop(call: &mut Call<'_, '_>, arguments: &[&[u8]]) -> Done {
    pop(call, arguments, Side::Left, "lpop")
}

pub(super) fn rpop(call: &mut Call<'_, '_>, arguments: &[&[u8]]) -> Done {
    pop(call, arguments, Side::Right, "rpop")
}

fn pop(call: &mut Call<'_, '_>, arguments: &[&[u8]], side: Side, name: &'static str) -> Done {
    let wanted = match arguments[2..] {
        [] => None,
        [argument] => Some(count(argument)?),
        _ => return Err(Failure::Arity(name)),
    };
    let Some(spot) = call.find(arguments[1]) else {
        match wanted {
            None => call.output.null(),
            Some(_) => call.output.null_array(),
        }
        return Ok(());
    };
    let length = call.value::<List>(spot)?.len();
    let popped = wanted.unwrap_or(1).min(length);
    if wanted.is_some() {
        call.output.array(popped);
    }
    if popped > 0 {
        call.begin_work(popped)?;
        let output = &mut *call.output;
        let value = &mut call.database.table.entry_mut(spot).value;
        let list = <List as crate::call::Kind>::of_mut(value).ok_or(Failure::WrongType)?;
        (0..popped).for_each(|_| output.bulk_or_null(list.pop(side).as_deref()));
        call.remove_if_empty::<List>(spot);
    }
    Ok(())
}

pub(super) fn llen(call: &mut Call<'_, '_>, arguments: &[&[u8]]) -> Done {
    let length = call.get::<List>(arguments[1])?.map_or(0, List::len);
    call.output.count(length);
    Ok(())
}

pub(super) fn lrange(call: &mut Call<'_, '_>, arguments: &[&[u8]]) -> Done {
    let (first, last) = (integer(arguments[2])?, integer(arguments[3])?);
    let Some(spot) = call.find(arguments[1]) else {
        call.output.array(0);
        return Ok(());
    };
    let Some((first, last)) = range(first, last, call.value::<List>(spot)?.len()) else {
        call.output.array(0);
        return Ok(());
    };
    call.begin_work(last - first)?;
    call.output.array(last - first + 1);
    let list: &List = Call::value_of(call.database, spot)?;
    for element in list.range(first, last) {
        call.output.bulk(element);
    }
    Ok(())
}

/// The index that an argument says, from the end if negative.
fn index(argument: &[u8], length: usize) -> Result<usize, Failure> {
    let index = integer(argument)?;
    let index = if index < 0 {
        index.saturating_add(length as i64)
    } else {
        index
    };
    Ok(usize::try_from(index).unwrap_or(usize::MAX))
}

pub(super) fn lindex(call: &mut Call<'_, '_>, arguments: &[&[u8]]) -> Done {
    let Some(spot) = call.find(arguments[1]) else {
        call.output.null();
        return Ok(());
    };
    let list: &List = Call::value_of(call.database, spot)?;
    let element = list.get(index(arguments[2], list.len())?);
    call.output.bulk_or_null(element.map(|element| &**element));
    Ok(())
}

pub(super) fn lset(call: &mut Call<'_, '_>, arguments: &[&[u8]]) -> Done {
    let spot = call
        .find(arguments[1])
        .ok_or(Failure::Text("ERR no such key"))?;
    let list: &mut List = call.value_mut(spot)?;
    let index = index(arguments[2], list.len())?;
    let element = list.get_mut(index);
    element
        .ok_or(Failure::Text("ERR index out of range"))?
        .assign(arguments[3]);
    call.output.ok();
    Ok(())
}
