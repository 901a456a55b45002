//! The small modules that benchmarks run, and making them ready.
use std::sync::Arc;

use engine::{Engine, Instance, ModuleInfo};
use platform::GuestSpace;

const PAGES: &str = include_str!("../guests/pages.wat");
const RESIDENT: &str = include_str!("../guests/resident.wat");
/// Pages in a unit of WebAssembly's own, 64 KiB.
const PAGES_PER_64K: u32 = 16;

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
        .load(&artefact, &ModuleInfo { stack: None })
        .expect("and loaded");
    Instance::new(module, space)
}
