//! Programs do on a cluster what they would do anywhere.
use std::collections::BTreeMap;

use e2e::Machine;

#[test]
fn a_bank_keeps_its_total_and_answers_calls() {
    let mut machine = Machine::with_cluster("bank");
    let run = machine.run(&["run", "bank", "--", "200", "3000", "3"]).ok();
    assert!(run.out.contains("total 200000 of 200000"), "{run:#?}");

    let total = |machine: &mut Machine| machine.run(&["call", "bank", "total", "--query"]).ok();
    assert_eq!(total(&mut machine).out, "200000\n");
    // A query takes nothing along; a call does.
    let balance = ["call", "bank", "balance", "0"];
    let before = machine.run(&balance).ok();
    let transfer = ["call", "bank", "transfer", "0", "1", "1"];
    let query = [&transfer[..], &["--query"]].concat();
    let _ = machine.run(&query).ok();
    assert_eq!(machine.run(&balance).out, before.out);
    assert_eq!(machine.run(&transfer).ok().out, "1\n");
    let amount: i64 = before.out.trim().parse().unwrap();
    assert_eq!(machine.run(&balance).out, format!("{}\n", amount - 1));
    assert_eq!(total(&mut machine).out, "200000\n");
}

#[test]
fn wrong_calls_are_told_what_would_be_right() {
    let mut machine = Machine::with_cluster("calls");
    let call = |machine: &mut Machine, words: &[&str], expected: &[&str]| {
        let line = [&["call"], words].concat();
        machine.run(&line).refused(expected);
    };
    call(
        &mut machine,
        &["bank", "total"],
        &["no program `bank`", "plurix ps"],
    );
    machine.check_bank();
    call(&mut machine, &["bank", "lend"], &["no function `lend`"]);
    let expected = ["`balance` is (i64) -> (i64)", "found 0 arguments"];
    call(&mut machine, &["bank", "balance"], &expected);
    let expected = ["`transfer` is (i64, i64, i64)", "found 1 arguments"];
    call(&mut machine, &["bank", "transfer", "1"], &expected);
    call(
        &mut machine,
        &["bank", "balance", "zwei"],
        &["`zwei` is no i64"],
    );
    let much = "9999999999999999999999";
    call(&mut machine, &["bank", "balance", much], &[much, "i64"]);
    machine.check_bank();
}

#[test]
fn words_are_counted_as_by_a_plain_count() {
    let mut machine = Machine::with_cluster("words");
    let texts = [
        include_str!("../../../README.md").repeat(20),
        "the cat, the hat; The End: don't ".repeat(5000),
    ];
    let (one, other) = (
        machine.write("one", &texts[0]),
        machine.write("two", &texts[1]),
    );
    let result = machine.file("counts");
    let _ = machine
        .run(&[
            "run",
            "wordcount",
            "--input",
            &one,
            "--input",
            &other,
            "--result",
            &result,
        ])
        .ok();
    let found = std::fs::read_to_string(result).unwrap();
    assert_eq!(found, count(&texts));
}

/// A line `count word` per word, the most frequent first.
fn count(texts: &[String]) -> String {
    let is_gap = |char: char| char.is_ascii() && !char.is_ascii_alphanumeric() && char != '\'';
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    let words = texts.iter().flat_map(|text| text.split(is_gap));
    for word in words.filter(|word| !word.is_empty()) {
        *counts.entry(word.to_ascii_lowercase()).or_default() += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let lines = counts
        .iter()
        .map(|(word, count)| format!("{count} {word}\n"));
    lines.collect()
}
