//! The small modules that benchmarks run, and making them ready.
use std::sync::Arc;

use engine::{Engine, Instance, ModuleInfo};
use platform::GuestSpace;

const PAGES: &str = include_str!("../guests/pages.wat");
const SHARING: &str = include_str!("../guests/sharing.wat");
const EXCHANGE: &str = include_str!("../guests/exchange.wat");
const FULL: &str = include_str!("../guests/full.wat");
const RESIDENT: &str = include_str!("../guests/resident.wat");
/// Pages in a unit of WebAssembly's own, 64 KiB.
const PAGES_PER_64K: u32 = 16;

/// Nanoseconds between two steps that share.
const SHARING_PAUSE_NS: u32 = 5_000_000;

/// How 8 nodes work with each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Sharing {
    /// Positions 0 to 3 and 4 to 7.
    Groups,
    /// Each reads what the position before has written.
    Chain,
    /// Positions 4 to 7 share, each of the others works on pages of its own.
    Apart,
}

/// The module that writes to pages, with a memory of so many; accounts are `stride`
/// bytes apart.
pub(crate) fn pages(pages: u32, stride: u32) -> Vec<u8> {
    made_of(
        PAGES,
        &[("MEMORY", pages / PAGES_PER_64K), ("STRIDE", stride)],
    )
}

/// The program that fills a memory of so many pages and then goes on writing to it.
pub(crate) fn resident(pages: u32, pause_ns: u32) -> Vec<u8> {
    made_of(
        RESIDENT,
        &[("MEMORY", pages / PAGES_PER_64K), ("PAUSE", pause_ns)],
    )
}

/// The program that fills every word of a memory of so many pages, has them touched, and
/// writes to one of them so often.
pub(crate) fn full(pages: u32, pause_ns: u32) -> Vec<u8> {
    let memory = pages / PAGES_PER_64K;
    made_of(FULL, &[("MEMORY", memory), ("PAUSE", pause_ns)])
}

/// The program that works on 8 nodes; a node's position is its slot plus `offset`.
pub(crate) fn sharing(sharing: Sharing, offset: u32) -> Vec<u8> {
    let mode = match sharing {
        Sharing::Groups => 0,
        Sharing::Chain => 1,
        Sharing::Apart => 2,
    };
    let values = [
        ("OFFSET", offset),
        ("MODE", mode),
        ("PAUSE", SHARING_PAUSE_NS),
    ];
    made_of(SHARING, &values)
}

/// The program in which two nodes read what the other has just written.
pub(crate) fn exchange() -> Vec<u8> {
    made_of(EXCHANGE, &[])
}

fn made_of(text: &str, values: &[(&str, u32)]) -> Vec<u8> {
    let mut text = text.to_owned();
    for (name, value) in values {
        text = text.replace(name, &value.to_string());
    }
    wat::parse_str(&text).expect("the text is a module")
}

/// A module as a node runs it, over a view.
pub(crate) fn instance(engine: &Engine, wasm: &[u8], space: Arc<dyn GuestSpace>) -> Instance {
    let module = instrument::instrument(wasm).expect("our own modules are accepted");
    assert!(
        module.image.is_empty() && module.info.stack.is_none(),
        "nothing to be put in place first"
    );
    let artefact = engine.compile(&module.wasm).expect("and compiled");
    let module = engine
        .load(&artefact, &ModuleInfo::default())
        .expect("and loaded");
    Instance::new(module, space)
}
