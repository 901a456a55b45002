//! Random programs behave the same with barriers, and change no page unannounced.
#![expect(
    clippy::tests_outside_test_module,
    reason = "an integration test is one"
)]

mod support;

use support::{Machine, engine, instrumented};
use types::Prng;
use wasmtime::Val;

const PROGRAMS: u64 = 400;
/// Locals 0 to 3 are parameters; 7 is the frame; 8 and up count loops.
const ADDRESS_LOCALS: u64 = 7;

/// Writes random functions in the text format.
struct Author {
    prng: Prng,
    text: String,
    depth: u32,
    loops: u32,
    /// Addresses and offsets beyond memory are used too.
    wild: bool,
    /// Statements still to be written.
    budget: u32,
}

impl Author {
    fn pick<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[usize::try_from(self.prng.below(list.len() as u64)).unwrap()]
    }

    fn put(&mut self, text: &str) {
        self.text.push_str(text);
        self.text.push('\n');
    }

    fn local(&mut self) -> u64 {
        self.prng.below(ADDRESS_LOCALS)
    }

    fn constant(&mut self) -> u32 {
        let page = u32::try_from(self.prng.below(8)).unwrap() * 4096;
        let near = u32::try_from(self.prng.below(24)).unwrap();
        match self.prng.below(12) {
            0 if self.wild => u32::MAX - near,
            1 => near,
            2 => 4096 - near,
            _ => page.wrapping_sub(12).wrapping_add(near),
        }
    }

    /// An `i32` that is often an address near the border of a page.
    fn address(&mut self) {
        match self.prng.below(8) {
            0 => {
                let constant = self.constant();
                self.put(&format!("i32.const {constant}"));
            }
            1..=4 => {
                let local = self.local();
                self.put(&format!("local.get {local}"));
            }
            5 => {
                let (local, constant) = (self.local(), self.prng.below(64));
                let sign = self.pick(&["add", "sub"]);
                self.put(&format!(
                    "local.get {local} i32.const {constant} i32.{sign}"
                ));
            }
            6 => self.put("local.get 7"),
            _ => {
                self.address();
                let (local, mask) = (self.local(), self.constant() & 0x7fff);
                self.put(&format!("i32.const {mask} i32.and local.tee {local}"));
            }
        }
    }

    fn offset(&mut self) -> u32 {
        match self.prng.below(16) {
            0 if self.wild => self.constant(),
            1 => u32::try_from(4080 + self.prng.below(24)).unwrap(),
            _ => u32::try_from(self.prng.below(40)).unwrap(),
        }
    }

    fn store(&mut self) {
        self.address();
        let number = self.prng.below(1 << 31);
        let (value, stores): (String, &[&str]) = match self.prng.below(5) {
            0 => (format!("f64.const {number}"), &["f64.store"]),
            1 => (format!("f32.const {number}"), &["f32.store"]),
            2 => {
                let all = &["i64.store", "i64.store8", "i64.store16", "i64.store32"];
                (format!("i64.const {number}"), all)
            }
            3 => {
                let value = format!("v128.const i64x2 {number} 7");
                let lanes = &[
                    "v128.store",
                    "v128.store8_lane",
                    "v128.store16_lane",
                    "v128.store32_lane",
                    "v128.store64_lane",
                ];
                (value, lanes)
            }
            _ => (
                format!("i32.const {number}"),
                &["i32.store", "i32.store8", "i32.store16"],
            ),
        };
        let store = self.pick(stores);
        let lane = if store.ends_with("lane") { "1" } else { "" };
        let align = self.pick(&["", "", "align=1"]);
        let offset = self.offset();
        self.put(&format!("{value} {store} offset={offset} {align} {lane}"));
    }

    fn bulk(&mut self) {
        self.address();
        if self.prng.chance(1, 2) {
            self.put("i32.const 90");
            let length = self.length();
            self.put(&format!("i32.const {length} memory.fill"));
        } else {
            self.address();
            let length = self.length();
            self.put(&format!("i32.const {length} memory.copy"));
        }
    }

    fn length(&mut self) -> u64 {
        let max = [1, 16, 5000][usize::try_from(self.prng.below(3)).unwrap()];
        self.prng.below(max)
    }

    fn statements(&mut self) {
        for _ in 0..=self.prng.below(6) {
            if self.budget == 0 {
                return;
            }
            self.budget -= 1;
            self.statement();
        }
    }

    fn statement(&mut self) {
        match self.prng.below(24) {
            0..=11 => self.store(),
            12..=14 => {
                self.address();
                let local = self.local();
                self.put(&format!("local.set {local}"));
            }
            15 => {
                self.address();
                self.put("i32.load offset=4 i32.const 0x7fff i32.and local.set 6");
            }
            16 => self.bulk(),
            17 if self.depth > 0 => {
                let (local, depth) = (self.local(), self.prng.below(u64::from(self.depth)));
                // A branch to a loop would have to count; branch out of blocks only.
                self.put(&format!(
                    "local.get {local} i32.const 4 i32.and br_if {depth}"
                ));
            }
            18 => self.put("i32.const 1 memory.grow drop"),
            19 if self.prng.chance(1, 2) => {
                self.put("local.get 0 local.get 1 local.get 2 local.get 3 call $helper local.set 5")
            }
            20 => self.nested_if(),
            21 => self.nested_loop(),
            22 => {
                self.put("block");
                self.nested("end");
            }
            _ => {
                let (from, to) = (self.local(), self.local());
                self.put(&format!(
                    "local.get {from} i32.const 8 i32.add local.set {to}"
                ));
            }
        }
    }

    fn nested(&mut self, end: &str) {
        if self.depth < 5 {
            self.depth += 1;
            self.statements();
            self.depth -= 1;
        }
        self.put(end);
    }

    fn nested_if(&mut self) {
        let local = self.local();
        self.put(&format!("local.get {local} i32.const 4 i32.and if"));
        self.nested("else");
        self.nested("end");
    }

    /// `block loop ... end end`: a branch to either leaves or repeats, and the count
    /// ends it.
    fn nested_loop(&mut self) {
        let counter = 8 + self.loops;
        if counter >= 16 {
            return;
        }
        self.loops += 1;
        let rounds = 1 + self.prng.below(4);
        self.put(&format!(
            "i32.const {rounds} local.set {counter} block loop"
        ));
        self.put(&format!("local.get {counter} i32.eqz br_if 1"));
        self.put(&format!(
            "local.get {counter} i32.const 1 i32.sub local.set {counter}"
        ));
        if self.depth < 5 {
            self.depth += 2;
            self.statements();
            self.depth -= 2;
        }
        self.put("br 0 end end");
    }

    fn function(&mut self, header: &str, helper: bool) {
        self.put(&format!(
            "(func {header} (param i32 i32 i32 i32) (result i32)"
        ));
        self.put("(local i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)");
        let frame = [16, 48, 4096, 5000][usize::try_from(self.prng.below(4)).unwrap()];
        if self.prng.chance(3, 4) {
            self.put(&format!(
                "global.get $sp i32.const {frame} i32.sub local.tee 7 global.set $sp"
            ));
        }
        (self.depth, self.loops, self.budget) = (0, 0, if helper { 8 } else { 60 });
        self.statements();
        while !helper && self.budget > 0 {
            self.statements();
        }
        self.put("local.get 4 local.get 5 i32.xor local.get 6 i32.xor)");
    }

    fn module(seed: u64) -> String {
        let mut author = Self {
            prng: Prng::new(seed),
            text: String::new(),
            depth: 0,
            loops: 0,
            wild: seed.is_multiple_of(4),
            budget: 0,
        };
        author.put(r#"(module (memory (export "memory") 1 2) (global $sp (mut i32)"#);
        author.put("(i32.const 32800))");
        let start = author.prng.below(40_000);
        author.put(&format!(
            r#"(data (i32.const {start}) "some initial bytes")"#
        ));
        let mut other = Self {
            text: String::new(),
            ..author
        };
        other.function(r#"(export "run")"#, false);
        let body = other.text.clone();
        other.text.clear();
        // The helper calls nobody: its text has no call.
        other.function("$helper", true);
        let helper = other.text.replace("call $helper", "drop drop drop");
        format!("{}{body}{helper})", author.text)
    }
}

fn arguments(prng: &mut Prng) -> Vec<Val> {
    let mut one = || {
        let page = i32::try_from(prng.below(8)).unwrap() * 4096;
        Val::I32(page - 12 + i32::try_from(prng.below(24)).unwrap())
    };
    vec![one(), one(), one(), one()]
}

#[test]
fn random_programs_behave_the_same_and_announce_all_writes() {
    let engine = engine();
    let (mut traps, mut values) = (0, 0);
    for seed in 0..PROGRAMS {
        let text = Author::module(seed);
        let module = instrumented(&text);
        let wasm = wat::parse_str(&text).unwrap();
        let mut plain = Machine::plain(&engine, &wasm);
        let mut guarded = Machine::instrumented(&engine, &module);
        let mut prng = Prng::new(seed);
        for step in 0..6 {
            let arguments = arguments(&mut prng);
            guarded.protect();
            let seen = guarded.call("run", &arguments);
            let expected = plain.call("run", &arguments);
            assert_eq!(seen, expected, "seed {seed} step {step}\n{text}");
            guarded.check_announced();
            assert!(
                plain.bytes() == guarded.bytes(),
                "memory, seed {seed} step {step}\n{text}"
            );
            match seen {
                support::Outcome::Trap(_) => traps += 1,
                support::Outcome::Values(_) => values += 1,
            }
        }
    }
    assert!(
        values > 400 && traps > 400,
        "{values} steps ended, {traps} trapped"
    );
}
