//! Rules on single files: sizes, headers, words, lints.
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::run;

const LINE_COLUMNS_MAX: usize = 100;
const FILE_LINES_MAX: usize = 800;
const TOUR_LINES_MAX: usize = 300;
const FUNCTION_LINES_MAX: usize = 70;
/// Split so that this file does not break its own rule.
const BANNED: &[&str] = &[
    concat!("FIX", "ME"),
    concat!("dbg", "!("),
    concat!("unimplement", "ed!"),
];
/// The only folders with `unsafe`: the edge to the machine and to compiled guests.
const UNSAFE_IN: &[&str] = &[
    "host/linux",
    "node/engine",
    "metal/hal",
    "guest/sdk",
    "guest/examples",
];

pub(crate) fn check() -> Result<Vec<String>> {
    let root = run::root();
    let mut violations = Vec::new();
    for path in files(&root)? {
        let name = path
            .strip_prefix(&root)
            .expect("listed below the root")
            .display()
            .to_string();
        let text = fs::read_to_string(&path).with_context(|| format!("read {name}"))?;
        if name.ends_with(".rs") {
            check_source(&name, &text, &mut violations);
        } else if name.ends_with("Cargo.toml") && text.contains("version.workspace") {
            require(
                text.contains("[lints]\nworkspace = true"),
                &mut violations,
                || format!("{name}: expected `[lints] workspace = true`"),
            );
        }
    }
    Ok(violations)
}

fn check_source(name: &str, text: &str, violations: &mut Vec<String>) {
    require(text.starts_with("//!"), violations, || {
        format!("{name}: expected a first line `//! what this file is about`")
    });
    let product = text
        .split("\n#[cfg(test)]\nmod tests")
        .next()
        .unwrap_or(text);
    let lines = product.lines().count();
    let is_tour = name.ends_with("/lib.rs") || name.ends_with("/mod.rs");
    let lines_max = if is_tour {
        TOUR_LINES_MAX
    } else {
        FILE_LINES_MAX
    };
    require(lines <= lines_max, violations, || {
        format!("{name}: {lines} lines without tests, expected at most {lines_max}")
    });
    for (number, line) in text.lines().enumerate() {
        let columns = line.chars().count();
        let number = number + 1;
        require(columns <= LINE_COLUMNS_MAX, violations, || {
            format!("{name}:{number}: {columns} columns, expected at most {LINE_COLUMNS_MAX}")
        });
        for word in BANNED.iter().filter(|word| line.contains(**word)) {
            violations.push(format!(
                "{name}:{number}: `{word}` is not for the main branch"
            ));
        }
    }
    let may_be_unsafe = UNSAFE_IN.iter().any(|folder| name.starts_with(folder));
    let is_unsafe = product.lines().any(|line| {
        let code = line.split("//").next().unwrap_or(line);
        ["unsafe {", "unsafe fn", "unsafe impl"]
            .iter()
            .any(|word| code.contains(word))
    });
    require(
        may_be_unsafe || !is_unsafe || name.starts_with("xtask"),
        violations,
        || format!("{name}: `unsafe` is for {UNSAFE_IN:?} only"),
    );
    check_functions(name, product, violations);
}

/// Lengths of functions, found by indentation: formatted code ends a function with a
/// brace in the column in which it began.
fn check_functions(name: &str, text: &str, violations: &mut Vec<String>) {
    let lines: Vec<&str> = text.lines().collect();
    for (start, line) in lines.iter().enumerate() {
        let indent = line.len() - line.trim_start().len();
        let code = line.trim_start();
        let head = code.split('(').next().unwrap_or_default();
        let is_function = !code.starts_with("//") && format!(" {head}").contains(" fn ");
        if !is_function || code.ends_with(';') || code.ends_with('}') {
            continue;
        }
        let end = format!("{}}}", " ".repeat(indent));
        let length = lines[start..]
            .iter()
            .position(|line| *line == end)
            .map_or(0, |at| at + 1);
        require(length <= FUNCTION_LINES_MAX, violations, || {
            format!(
                "{name}:{}: function of {length} lines, expected at most {FUNCTION_LINES_MAX}",
                start + 1
            )
        });
    }
}

fn require(holds: bool, violations: &mut Vec<String>, message: impl FnOnce() -> String) {
    if !holds {
        violations.push(message());
    }
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("list {}", folder.display()))? {
        let path = entry?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if path.is_dir() {
            let skipped =
                name.starts_with('.') || name.starts_with("target") || name == "node_modules";
            if !skipped {
                found.extend(files(&path)?);
            }
        } else if name.ends_with(".rs") || name == "Cargo.toml" {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
