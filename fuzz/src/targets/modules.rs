//! WebAssembly modules, which anybody may bring along: refused, or rewritten.
use instrument::{Refusal, instrument};

use crate::Target;

pub(crate) const TARGET: Target = Target {
    name: "modules",
    seeds: modules,
    check,
};

fn check(module: &[u8]) {
    match instrument(module) {
        Ok(_) => {}
        Err(Refusal::Internal { message }) => panic!("a fault of our own: {message}"),
        Err(refusal) => assert!(!refusal.to_string().is_empty()),
    }
}

fn modules() -> Vec<Vec<u8>> {
    const HOSTILE: [&str; 4] = [
        include_str!("../../../guest/examples/hostile/endless.wat"),
        include_str!("../../../guest/examples/hostile/memory_bomb.wat"),
        include_str!("../../../guest/examples/hostile/out_of_bounds_pointer.wat"),
        include_str!("../../../guest/examples/hostile/spawn_bomb.wat"),
    ];
    let compiled: [&[u8]; 2] = [
        include_bytes!("../../../guest/modules/bank.wasm"),
        include_bytes!("../../../guest/modules/lists.wasm"),
    ];
    let written = HOSTILE.map(|text| wat::parse_str(text).expect("an example is a module"));
    let compiled = compiled.map(Vec::from);
    [&written[..], &compiled].concat()
}
