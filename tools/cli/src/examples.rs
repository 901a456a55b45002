//! The programs that come with the command.

/// A program inside this executable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Example {
    /// Its name on the command line.
    pub name: &'static str,
    /// The module.
    pub wasm: &'static [u8],
}

/// All of them. Their sources are in `guest/examples`.
pub const EXAMPLES: &[Example] = &[
    Example {
        name: "bank",
        wasm: include_bytes!("../../../guest/modules/bank.wasm"),
    },
    Example {
        name: "board",
        wasm: include_bytes!("../../../guest/modules/board.wasm"),
    },
    Example {
        name: "clock",
        wasm: include_bytes!("../../../guest/modules/clock.wasm"),
    },
    Example {
        name: "console",
        wasm: include_bytes!("../../../guest/modules/console.wasm"),
    },
    Example {
        name: "disk",
        wasm: include_bytes!("../../../guest/modules/disk.wasm"),
    },
    Example {
        name: "display",
        wasm: include_bytes!("../../../guest/modules/display.wasm"),
    },
    Example {
        name: "input",
        wasm: include_bytes!("../../../guest/modules/input.wasm"),
    },
    Example {
        name: "kv",
        wasm: include_bytes!("../../../guest/modules/kv.wasm"),
    },
    Example {
        name: "lists",
        wasm: include_bytes!("../../../guest/modules/lists.wasm"),
    },
    Example {
        name: "network",
        wasm: include_bytes!("../../../guest/modules/network.wasm"),
    },
    Example {
        name: "power",
        wasm: include_bytes!("../../../guest/modules/power.wasm"),
    },
    Example {
        name: "raytracer",
        wasm: include_bytes!("../../../guest/modules/raytracer.wasm"),
    },
    Example {
        name: "resp",
        wasm: include_bytes!("../../../guest/modules/resp.wasm"),
    },
    Example {
        name: "scribe",
        wasm: include_bytes!("../../../guest/modules/scribe.wasm"),
    },
    Example {
        name: "shell",
        wasm: include_bytes!("../../../guest/modules/shell.wasm"),
    },
    Example {
        name: "tally",
        wasm: include_bytes!("../../../guest/modules/tally.wasm"),
    },
    Example {
        name: "wordcount",
        wasm: include_bytes!("../../../guest/modules/wordcount.wasm"),
    },
];

/// The scene that the demonstration renders.
pub const DEMO_SCENE: &str = include_str!("../../../guest/examples/raytracer/scenes/demo.scene");

/// What benchmarks call over TCP: it is no example for people.
pub(crate) const TURNSTILE: &[u8] = include_bytes!("../../../guest/modules/turnstile.wasm");

/// The example of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Example> {
    EXAMPLES.iter().find(|example| example.name == name)
}
