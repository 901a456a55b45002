//! The hostile modules are what they say they are. How a cluster stands them is tested with
//! the cluster.

use check::{End, Program, Setup};

fn module(name: &str) -> Vec<u8> {
    let path = format!("{}/../hostile/{name}.wat", env!("CARGO_MANIFEST_DIR"));
    wat::parse_file(path).expect("the text is a module")
}

fn run(name: &str) -> End {
    Program::new(&module(name), Setup::default())
        .expect("the module is sound")
        .run()
}

#[test]
fn all_are_valid_modules() {
    let folder = format!("{}/../hostile", env!("CARGO_MANIFEST_DIR"));
    let mut count = 0;
    for file in std::fs::read_dir(folder).expect("the folder is there") {
        let path = file.expect("the folder is readable").path();
        let bytes = wat::parse_file(&path).expect("the text is a module");
        wasmparser::validate(&bytes).expect("the module is valid");
        count += 1;
    }
    assert!(count >= 10);
}

#[test]
fn faults_are_faults() {
    for name in [
        "deep_recursion",
        "out_of_bounds",
        "out_of_bounds_pointer",
        "unreachable",
        "divide_by_zero",
        "spawn_unknown",
        "bad_step",
        "result_bomb",
    ] {
        assert!(matches!(run(name), End::Fault(_)), "{name}");
    }
}

#[test]
fn the_spawn_bomb_is_bounded() {
    assert_eq!(run("spawn_bomb"), End::Done(0));
}

#[test]
fn an_unknown_import_is_refused() {
    assert!(Program::new(&module("unknown_import"), Setup::default()).is_err());
}
