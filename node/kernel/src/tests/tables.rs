//! Superblock, names, modules, output: the tables beside the scheduler.
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use types::Prng;

use super::memory::{Memory, Stops, name, slot, station};
use crate::blobs::{self, Progress};
use crate::cell::Cell;
use crate::modules::{self, ModuleState};
use crate::names::{self, Kind, Object};
use crate::step::StepEnd;
use crate::superblock::{self, Format, LAYOUT_VERSION};
use crate::{Name, ProcessId, Refusal, output, region};

#[test]
fn a_memory_is_formatted_once() {
    let mut memory = Memory::new(Stops::Every(1));
    assert_eq!(memory.run(superblock::check), Err(Refusal::NotFormatted));
    assert_eq!(memory.run(superblock::format), Ok(Format::Fresh));
    assert_eq!(memory.run(superblock::format), Ok(Format::Known));
    assert_eq!(memory.run(superblock::check), Ok(()));
}

#[test]
fn another_layout_or_another_memory_is_refused() {
    let mut memory = Memory::new(Stops::Never);
    memory.run(superblock::format).unwrap();
    let version = Cell::<u32>::at(region::superblock(), 8);
    memory
        .run(|pages| version.set(pages, LAYOUT_VERSION + 1))
        .unwrap();
    let refusal = memory.run(superblock::format).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "the memory has layout version 5, expected 4"
    );
    let magic = Cell::<u64>::first(region::superblock());
    memory.run(|pages| magic.set(pages, 5)).unwrap();
    let refusal = memory.run(superblock::check).unwrap_err();
    assert_eq!(refusal, Refusal::ForeignMemory { found: 5 });
}

#[test]
fn names_have_1_to_64_bytes() {
    assert_eq!(Name::new(""), Err(Refusal::NameLength { found: 0 }));
    assert_eq!(
        Name::new(&"x".repeat(65)),
        Err(Refusal::NameLength { found: 65 })
    );
    assert_eq!(name(&"x".repeat(64)).as_str().len(), 64);
}

#[test]
fn the_directory_equals_a_map() {
    for stops in [Stops::Never, Stops::Every(50)] {
        let mut prng = Prng::new(11);
        let mut memory = Memory::new(stops);
        let mut model = BTreeMap::new();
        for number in 1..500 {
            let text = format!("program {}", prng.below(100));
            let object = Object::Process(ProcessId(number));
            if prng.chance(2, 3) {
                let before = memory.run(|pages| names::bind(pages, &name(&text), object));
                assert_eq!(before, Ok(model.insert(text.clone(), object)));
            } else if let Some(&bound) = model.get(&text) {
                // Only the object that the name stands for frees it.
                memory
                    .run(|pages| names::unbind(pages, &name(&text), object))
                    .unwrap();
                memory
                    .run(|pages| names::unbind(pages, &name(&text), bound))
                    .unwrap();
                model.remove(&text);
            }
            let found = memory.run(|pages| names::lookup(pages, Kind::Process, &name(&text)));
            assert_eq!(found, Ok(model.get(&text).copied()));
            let other = memory.run(|pages| names::lookup(pages, Kind::Module, &name(&text)));
            assert_eq!(other, Ok(None), "modules have names of their own");
        }
        let mut listed = BTreeMap::new();
        for bucket in 0..names::BUCKETS {
            for (name, object) in memory.run(|pages| names::list(pages, bucket)).unwrap() {
                assert_eq!(listed.insert(String::from(name.as_str()), object), None);
            }
        }
        assert_eq!(listed, model);
    }
}

#[test]
fn full_buckets_pass_names_on_and_still_find_them() {
    let mut memory = Memory::new(Stops::Never);
    let object = |number| Object::Process(ProcessId(number));
    let text = |number| name(&format!("{number:04}"));
    let mut bound = 0;
    // Fills the directory until some neighbourhood of buckets is full.
    let refusal = loop {
        match memory.run(|pages| names::bind(pages, &text(bound), object(bound))) {
            Ok(before) => assert_eq!(before, None),
            Err(refusal) => break refusal,
        }
        bound += 1;
    };
    assert_eq!(refusal, Refusal::DirectoryFull);
    assert!(bound > 10_000, "{bound} names fit");
    for number in 0..bound {
        let found = memory.run(|pages| names::lookup(pages, Kind::Process, &text(number)));
        assert_eq!(found, Ok(Some(object(number))));
    }
    memory
        .run(|pages| names::unbind(pages, &text(0), object(0)))
        .unwrap();
    for number in 1..bound {
        let found = memory.run(|pages| names::lookup(pages, Kind::Process, &text(number)));
        assert_eq!(
            found,
            Ok(Some(object(number))),
            "after a hole appeared before it"
        );
    }
}

#[test]
fn a_deployment_replaces_the_name_and_leaves_the_old_module() {
    let (mut memory, old) = Memory::with_module(Stops::Every(1));
    let process = memory.create(station(0), old);
    let new = memory.deploy("demo");
    assert_eq!(
        memory.run(|pages| modules::by_name(pages, &name("demo"))),
        Ok(Some(new))
    );
    let module = memory.run(|pages| modules::get(pages, old)).unwrap();
    assert_eq!((module.state, module.users), (ModuleState::Ready, 1));
    let found = memory
        .run(|pages| crate::processes::get(pages, process))
        .unwrap();
    assert_eq!(found.module, old);
    let in_use = Refusal::ModuleInUse { users: 1 };
    assert_eq!(
        memory.run(|pages| modules::remove(pages, old, 8)),
        Err(in_use)
    );
}

#[test]
fn a_removed_module_leaves_only_counters() {
    let mut memory = Memory::new(Stops::Every(1));
    memory.run(superblock::format).unwrap();
    let id = memory.deploy("gone");
    let module = memory.run(|pages| modules::get(pages, id)).unwrap();
    assert_eq!(module.state, ModuleState::Ready);
    while memory.run(|pages| modules::remove(pages, id, 8)).unwrap() == Progress::More {}
    assert_eq!(memory.run(modules::list), Ok(Vec::new()));
    assert_eq!(
        memory.run(|pages| modules::by_name(pages, &name("gone"))),
        Ok(None)
    );
    let refused = Err(Refusal::NoSuchBlob(module.wasm));
    assert_eq!(
        memory.run(|pages| blobs::length(pages, module.wasm)),
        refused
    );
    assert_eq!(
        memory.used().len(),
        3,
        "superblock, module counter, blob counter"
    );
}

#[test]
fn output_is_read_back_in_order_and_the_oldest_goes_first() {
    for stops in [Stops::Never, Stops::Every(400)] {
        let mut prng = Prng::new(17);
        let (mut memory, module) = Memory::with_module(stops);
        let id = memory.start(station(2), module);
        let mut printed: Vec<(u8, Vec<u8>)> = Vec::new();
        let (mut next, mut read) = (0, 0);
        for round in 0..150_u8 {
            let length = usize::try_from(prng.below(20_000)).unwrap();
            let text = alloc::vec![round; length];
            memory
                .step(station(2), |pages, step| {
                    step.print(pages, round % 2, &text)?;
                    Ok(StepEnd::Again)
                })
                .unwrap();
            printed.extend(
                text.chunks(16 << 10)
                    .map(|piece| (round % 2, piece.to_vec())),
            );
            if round < 60 {
                let chunk = memory
                    .run(|pages| output::read(pages, id, slot(2), next, 50_000))
                    .unwrap();
                assert_eq!(chunk.lost, 0);
                assert_eq!(chunk.records, printed[read..read + chunk.records.len()]);
                read += chunk.records.len();
                next = chunk.next;
            }
        }
        let chunk = memory
            .run(|pages| output::read(pages, id, slot(2), 0, usize::MAX))
            .unwrap();
        assert!(chunk.lost > 0, "more was printed than is kept");
        assert_eq!(
            chunk.records,
            printed[printed.len() - chunk.records.len()..]
        );
        let kept: usize = chunk.records.iter().map(|(_, bytes)| bytes.len() + 5).sum();
        assert_eq!(chunk.lost + kept as u64, chunk.next);
        assert!(kept > (1 << 20) - 20_000, "{kept} bytes are kept");
        let total: usize = printed.iter().map(|(_, bytes)| bytes.len()).sum();
        let work = memory
            .run(|pages| output::work(pages, id, slot(2)))
            .unwrap();
        assert_eq!(work.printed_bytes, total as u64);
    }
}

#[test]
fn a_reader_with_a_wrong_position_gets_no_further_than_the_end() {
    let (mut memory, module) = Memory::with_module(Stops::Never);
    let id = memory.start(station(0), module);
    memory
        .step(station(0), |pages, step| {
            step.print(pages, 1, &[0xFF; 100])?;
            Ok(StepEnd::Again)
        })
        .unwrap();
    for from in [1, 50, 101, 104, 105, 106, u64::MAX] {
        let chunk = memory
            .run(|pages| output::read(pages, id, slot(0), from, 1000))
            .unwrap();
        assert!(
            chunk.next <= 105 && chunk.records.is_empty(),
            "from {from}: {chunk:?}"
        );
    }
}
