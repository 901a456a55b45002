//! Commands on keys of any kind.

use alloc::format;
use alloc::vec::Vec;

use crate::call::{Call, integer, is};
use crate::database::Here;
use crate::failure::Failure;
use crate::glob;
use crate::output::Output;
use crate::table::{Entry, Table};

type Done = Result<(), Failure>;

/// How many keys a SCAN returns at least, if it finds so many and is not told otherwise.
const SCANNED: usize = 10;
/// How many buckets a SCAN looks at, if it does not find enough before.
const BUCKETS_MAX: usize = 128;

pub(super) fn del(call: &mut Call<'_, '_>, arguments: &[&[u8]]) -> Done {
    let mut removed = 0;
    for key in &arguments[1..] {
        if let Some(spot) = call.find(key) {
            call.remove(spot);
            removed += 1;
        }
    }
    call.output.count(removed);
    Ok(())
}

pub(super) fn exists(call: &mut Call<'_, '_>, arguments: &[&[u8]]) -> Done {
    let keys = arguments[1..].iter();
    let found = keys.filter(|key| call.find(key).is_some()).count();
    call.output.count(found);
    Ok(())
}

pub(super) fn type_of(call: &mut Call<'_, '_>, arguments: &[&[u8]]) -> Done {
    let spot = call.find(arguments[1]);
    let name = spot.map_or("none", |spot| call.entry(spot).value.type_name());
    call.output.simple(name);
    Ok(())
}

/// What keys are asked for.
#[derive(Default)]
struct Wanted<'a> {
    pattern: Option<&'a [u8]>,
    type_name: Option<&'a [u8]>,
}

impl Wanted<'_> {
    fn is(&self, entry: &Entry) -> bool {
        self.pattern
            .is_none_or(|pattern| glob::matches(pattern, &entry.key))
            && self
                .type_name
                .is_none_or(|name| is(name, entry.value.type_name()))
    }
}

/// What was found from a cursor on.
struct Found<'t> {
    next: u64,
    keys: Vec<&'t [u8]>,
    work: usize,
}

/// Looks for keys until `is_enough` of the entries and the buckets looked at.
fn find<'t>(
    table: &'t Table,
    here: Here,
    wanted: &Wanted<'_>,
    mut cursor: u64,
    is_enough: impl Fn(usize, usize) -> bool,
) -> Found<'t> {
    let mut keys: Vec<&[u8]> = Vec::new();
    let (mut buckets, mut entries) = (0, 0);
    loop {
        cursor = table.visit(cursor, |entry| {
            entries += 1;
            if !entry.is_over(here.now_ms) && wanted.is(entry) {
                keys.push(&entry.key);
            }
        });
        buckets += 1;
        if cursor == 0 || is_enough(entries, buckets) {
            return Found {
                next: cursor,
                keys,
                work: entries + buckets,
            };
        }
    }
}

impl Found<'_> {
    fn answer(&self, output: &mut Output<'_>) {
        output.array(self.keys.len());
        self.keys.iter().for_each(|key| output.bulk(key));
    }
}

pub(super) fn keys(call: &mut Call<'_, '_>, arguments: &[&[u8]]) -> Done {
    call.begin_work(0)?;
    let wanted = Wanted {
        pattern: Some(arguments[1]),
        type_name: None,
    };
    let found = find(&call.database.table, call.here, &wanted, 0, |_, _| false);
    found.answer(call.output);
    call.work += found.work;
    Ok(())
}

pub(super) fn scan(call: &mut Call<'_, '_>, arguments: &[&[u8]]) -> Done {
    let cursor = core::str::from_utf8(arguments[1])
        .ok()
        .and_then(|text| text.parse().ok());
    let cursor: u64 = cursor.ok_or(Failure::Text("ERR invalid cursor"))?;
    let mut wanted = Wanted::default();
    let mut count = SCANNED;
    let (options, rest) = arguments[2..].as_chunks();
    for [option, value] in options {
        if is(option, "count") {
            count = usize::try_from(integer(value)?).unwrap_or(0);
            if count == 0 {
                return Err(Failure::Syntax);
            }
        } else if is(option, "match") {
            wanted.pattern = Some(value);
        } else if is(option, "type") {
            wanted.type_name = Some(value);
        } else {
            return Err(Failure::Syntax);
        }
    }
    if !rest.is_empty() {
        return Err(Failure::Syntax);
    }
    call.begin_work(0)?;
    let enough = |entries, buckets| entries >= count || buckets >= BUCKETS_MAX.max(count);
    let found = find(&call.database.table, call.here, &wanted, cursor, enough);
    call.output.array(2);
    call.output.bulk(format!("{}", found.next).as_bytes());
    found.answer(call.output);
    call.work += found.work;
    Ok(())
}
