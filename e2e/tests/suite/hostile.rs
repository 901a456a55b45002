//! Programs that mean harm end themselves and nothing else.
use e2e::{Machine, Outcome};

/// Runs one of the hostile examples.
fn run(machine: &mut Machine, name: &str) -> Outcome {
    let path = format!(
        "{}/../guest/examples/hostile/{name}.wat",
        env!("CARGO_MANIFEST_DIR")
    );
    let wasm = wat::parse_file(path).unwrap();
    let module = machine.write(&format!("{name}.wasm"), wasm);
    machine.run(&["run", &module])
}

/// The program is refused or fails, and the report says this; then others still run.
fn fails(name: &str, words: &[&str]) {
    let mut machine = Machine::with_cluster(name);
    run(&mut machine, name).refused(words);
    machine.check_bank();
}

#[test]
fn an_endless_step_meets_its_time_limit() {
    fails("endless", &["failed", "ran longer than it may"]);
}

#[test]
fn faults_are_reported_with_the_function() {
    let mut machine = Machine::with_cluster("faults");
    let expected: [(&str, &[&str]); 8] = [
        ("deep_recursion", &["stack overflow", "in deeper"]),
        ("divide_by_zero", &["division by zero", "in "]),
        ("out_of_bounds", &["memory access out of bounds", "in "]),
        ("out_of_bounds_pointer", &["memory", "in "]),
        ("unreachable", &["unreachable code reached", "in "]),
        ("bad_step", &["main", "3"]),
        ("spawn_unknown", &["nobody"]),
        ("result_bomb", &["a write up to byte", "can hold", "in "]),
    ];
    for (name, words) in expected {
        run(&mut machine, name).refused(words);
    }
    machine.check_bank();
}

#[test]
fn a_memory_bomb_ends_at_its_limit() {
    let mut machine = Machine::new("memory_bomb");
    machine.up(&["--nodes", "3", "--memory", "64"]);
    let outcome = run(&mut machine, "memory_bomb").ok();
    assert_eq!(outcome.err, "");
    machine.check_bank();
}

#[test]
fn a_spawn_bomb_leaves_others_alone() {
    let mut machine = Machine::with_cluster("spawn_bomb");
    let outcome = run(&mut machine, "spawn_bomb");
    if outcome.code != Some(0) {
        outcome.refused(&["too many workers"]);
    }
    machine.check_bank();
}

#[test]
fn modules_that_cannot_run_are_refused_before_they_do() {
    let mut machine = Machine::with_cluster("refused");
    run(&mut machine, "unknown_import").refused(&["plurix", "launch"]);

    let bank = cli::examples::find("bank").unwrap().wasm;
    let cut = machine.write("cut.wasm", &bank[..bank.len() / 2]);
    machine.run(&["run", &cut]).refused(&["module"]);
    let empty = machine.write("empty.wasm", b"\0asm\x01\0\0\0");
    machine.run(&["run", &empty]).refused(&["memory"]);
    let no_main = wat::parse_str("(module (memory (export \"memory\") 1))").unwrap();
    let no_main = machine.write("no_main.wasm", no_main);
    machine
        .run(&["run", &no_main])
        .refused(&["neither `main` nor `_start`"]);
    let table = wat::parse_str(
        "(module (memory (export \"memory\") 1) (table 2 funcref)
           (func (export \"main\") (param i64) (result i64)
             (table.set (i32.const 0) (ref.null func)) (i64.const 2)))",
    )
    .unwrap();
    let table = machine.write("table.wasm", table);
    machine.run(&["run", &table]).refused(&["table.set"]);
    machine.check_bank();
}
