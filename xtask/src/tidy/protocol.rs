//! The message table of `docs/protocol.md` lists exactly the messages that exist.
use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, Result};

use crate::run;

pub(crate) fn check() -> Result<Vec<String>> {
    let read = |path: &str| {
        fs::read_to_string(run::root().join(path)).with_context(|| format!("read {path}"))
    };
    let source = read("protocol/wire/src/message.rs")?;
    let document = read("docs/protocol.md")?;
    let in_code = variants(&source);
    let in_table = rows(&document);
    let mut violations = Vec::new();
    for name in in_code.difference(&in_table) {
        violations.push(format!(
            "docs/protocol.md: message {name} is not in the table"
        ));
    }
    for name in in_table.difference(&in_code) {
        violations.push(format!("docs/protocol.md: no message {name} exists"));
    }
    Ok(violations)
}

/// Variants of `enum Message`: lines indented once that begin with a capital.
fn variants(source: &str) -> BTreeSet<String> {
    let body = source
        .split_once("pub enum Message {")
        .map_or("", |(_, rest)| rest);
    let body = body.split_once("\n}").map_or(body, |(body, _)| body);
    body.lines()
        .filter_map(|line| line.strip_prefix("    "))
        .filter(|line| line.starts_with(|first: char| first.is_ascii_uppercase()))
        .map(|line| {
            line.chars()
                .take_while(char::is_ascii_alphanumeric)
                .collect()
        })
        .collect()
}

/// First cells of the rows between the markers of the message table.
fn rows(document: &str) -> BTreeSet<String> {
    let table = document
        .split_once("<!-- messages -->")
        .map_or("", |(_, rest)| rest);
    let table = table
        .split_once("<!-- /messages -->")
        .map_or("", |(table, _)| table);
    table
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .map(|line| {
            line.chars()
                .take_while(char::is_ascii_alphanumeric)
                .collect()
        })
        .collect()
}
