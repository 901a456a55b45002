//! Commands on the server.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::COMMANDS;
use crate::call::{Call, integer, is};
use crate::failure::Failure;
use crate::glob;

type Done = Result<(), Failure>;

/// The version of Redis whose answers are given.
const VERSION: &str = "7.0.15";
/// What clients ask for, and what it is here.
const CONFIGURATION: [(&str, &str); 4] = [
    ("appendonly", "no"),
    ("databases", "1"),
    ("proto-max-bulk-len", "8388608"),
    ("save", ""),
];

pub(super) fn ping(call: &mut Call<'_, '_>, arguments: &[&[u8]]) -> Done {
    match arguments[1..] {
        [] => call.output.simple("PONG"),
        [text] => call.output.bulk(text),
        _ => return Err(Failure::Arity("ping")),
    }
    Ok(())
}

pub(super) fn echo(call: &mut Call<'_, '_>, arguments: &[&[u8]]) -> Done {
    call.output.bulk(arguments[1]);
    Ok(())
}

pub(super) fn select(call: &mut Call<'_, '_>, arguments: &[&[u8]]) -> Done {
    if integer(arguments[1])? != 0 {
        return Err(Failure::Text("ERR DB index is out of range"));
    }
    call.output.ok();
    Ok(())
}

fn unknown(family: &str, subcommand: &[u8]) -> Failure {
    let shown = &subcommand[..subcommand.len().min(super::SHOWN_BYTES)];
    let parts: [&[u8]; 5] = [
        b"ERR unknown subcommand '",
        shown,
        b"'. Try ",
        family.as_bytes(),
        b" HELP.",
    ];
    Failure::Message(parts.concat())
}

/// Clients want to know of no command in particular; they do without what is not told.
pub(super) fn command(call: &mut Call<'_, '_>, arguments: &[&[u8]]) -> Done {
    match arguments[1..] {
        [] => call.output.array(0),
        [what] if is(what, "count") => call.output.count(COMMANDS.len()),
        [what, ..] if is(what, "docs") => call.output.array(0),
        [what, ..] if is(what, "info") => {
            call.output.array(arguments.len() - 2);
            (2..arguments.len()).for_each(|_| call.output.null_array());
        }
        [what, ..] => return Err(unknown("COMMAND", what)),
    }
    Ok(())
}

pub(super) fn config(call: &mut Call<'_, '_>, arguments: &[&[u8]]) -> Done {
    if !is(arguments[1], "get") {
        return Err(unknown("CONFIG", arguments[1]));
    }
    if arguments.len() == 2 {
        return Err(Failure::Arity("config|get"));
    }
    let is_wanted = |(name, _): &&(&str, &str)| {
        let patterns = arguments[2..].iter();
        patterns
            .map(|pattern| pattern.to_ascii_lowercase())
            .any(|pattern| glob::matches(&pattern, name.as_bytes()))
    };
    let found: Vec<_> = CONFIGURATION.iter().filter(is_wanted).collect();
    call.output.array(2 * found.len());
    for (name, value) in found {
        call.output.bulk(name.as_bytes());
        call.output.bulk(value.as_bytes());
    }
    Ok(())
}

pub(super) fn time(call: &mut Call<'_, '_>, _arguments: &[&[u8]]) -> Done {
    let now_ms = call.here.now_ms;
    call.output.array(2);
    call.output.bulk(format!("{}", now_ms / 1000).as_bytes());
    call.output
        .bulk(format!("{}", now_ms % 1000 * 1000).as_bytes());
    Ok(())
}

pub(super) fn dbsize(call: &mut Call<'_, '_>, _arguments: &[&[u8]]) -> Done {
    let keys = call.database.keys.sum();
    call.output.integer(keys);
    Ok(())
}

/// Empties the database. The memory is freed by the steps that follow, piece by piece.
pub(super) fn flush(call: &mut Call<'_, '_>, arguments: &[&[u8]]) -> Done {
    match arguments[1..] {
        [] => {}
        [how] if is(how, "async") || is(how, "sync") => {}
        _ => return Err(Failure::Syntax),
    }
    let removed = call.database.table.clear();
    call.trash.put_table(removed);
    call.database.keys.clear();
    call.output.ok();
    Ok(())
}

pub(super) fn info(call: &mut Call<'_, '_>, arguments: &[&[u8]]) -> Done {
    let wants = |section: &str| {
        arguments.len() == 1
            || arguments[1..].iter().any(|argument| {
                ["all", "default", "everything", section]
                    .iter()
                    .any(|word| is(argument, word))
            })
    };
    let mut text = String::new();
    let mut add = |section: &str, title: &str, lines: &str| {
        if wants(section) {
            let gap = if text.is_empty() { "" } else { "\r\n" };
            text.push_str(&format!("{gap}# {title}\r\n{lines}"));
        }
    };
    let here = call.here;
    let uptime = here.now_ms.saturating_sub(call.database.started_ms) / 1000;
    add(
        "server",
        "Server",
        &format!(
            "redis_version:{VERSION}\r\nredis_mode:standalone\r\nos:Plurix\r\n\
             uptime_in_seconds:{uptime}\r\nplurix_nodes:{}\r\nplurix_node:{}\r\n",
            here.nodes, here.node
        ),
    );
    let clients = call.database.clients.sum();
    add(
        "clients",
        "Clients",
        &format!("connected_clients:{clients}\r\n"),
    );
    let keys = call.database.keys.sum();
    let keyspace = if keys > 0 {
        format!("db0:keys={keys}\r\n")
    } else {
        String::new()
    };
    add("keyspace", "Keyspace", &keyspace);
    call.output.bulk(text.as_bytes());
    Ok(())
}
