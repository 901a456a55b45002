//! The engine, and the modules that clients call: compiled once for all runs.
use std::sync::OnceLock;

use engine::Engine;
use platform::CompiledModule;

/// Lists that callers append to and read.
pub(crate) const LISTS: &[u8] = include_bytes!("../../guest/modules/lists.wasm");

/// Numbers whoever passes by a socket.
pub(crate) const TURNSTILE: &[u8] = include_bytes!("../../guest/modules/turnstile.wasm");

/// Drives displays.
pub(crate) const DISPLAY: &[u8] = include_bytes!("../../guest/modules/display.wasm");

/// Drives keyboards.
pub(crate) const INPUT: &[u8] = include_bytes!("../../guest/modules/input.wasm");

/// Writes what is typed on a display.
pub(crate) const BOARD: &[u8] = include_bytes!("../../guest/modules/board.wasm");

/// The engine of all nodes.
pub(crate) fn engine() -> Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    let make = || Engine::new().expect("the processor runs the engine");
    ENGINE.get_or_init(make).clone()
}

/// What a node's compiler makes of a module.
pub(crate) fn compile(wasm: &[u8]) -> Result<CompiledModule, String> {
    static COMPILED: [OnceLock<CompiledModule>; 5] = [const { OnceLock::new() }; 5];
    let known = [LISTS, TURNSTILE, DISPLAY, INPUT, BOARD];
    let Some(at) = known.iter().position(|known| *known == wasm) else {
        return linux::compile(&engine(), wasm);
    };
    let compile = || linux::compile(&engine(), wasm).expect("a module of this repository");
    Ok(COMPILED[at].get_or_init(compile).clone())
}
