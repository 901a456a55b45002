//! Makes modules of the files of scenarios, in which tests are functions, and a list of these.
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

const FOLDER: &str = "../../protocol/dtm/tests/scenarios";
/// Names the others, which are listed here.
const MAIN: &str = "main";
/// What every file has with `std`, and how it shows that it is used.
const EVERYWHERE: [(&[&str], &str); 5] = [
    (&["Box<", "Box::"], "boxed::Box"),
    (&["Vec<", "Vec::"], "vec::Vec"),
    (&["vec!"], "vec"),
    (&["String", "to_string"], "string::{String, ToString}"),
    (&["format!"], "format"),
];

fn main() {
    println!("cargo:rerun-if-changed={FOLDER}");
    let (mut modules, mut list) = (String::new(), String::new());
    for path in files() {
        let name = path.file_stem().expect("a file").to_str().expect("ASCII");
        let text = fs::read_to_string(&path).expect("a file of scenarios");
        if name != MAIN {
            let (module, tests) = module(&text);
            let expected = text.matches("#[test]").count();
            assert_eq!(tests.len(), expected, "tests of {name} that are found");
            writeln!(modules, "mod {name} {{\n{module}}}").expect("to memory");
            for test in tests {
                let line = format!("    (\"{name}::{test}\", {name}::{test}),");
                writeln!(list, "{line}").expect("to memory");
            }
        }
    }
    let all = format!("{modules}\n/// All of them.\npub const ALL: &[Scenario] = &[\n{list}];\n");
    let out = env::var("OUT_DIR").expect("cargo says where");
    fs::write(Path::new(&out).join("scenarios.rs"), all).expect("there is room");
}

fn files() -> Vec<PathBuf> {
    let entries = fs::read_dir(FOLDER).expect("the protocol's scenarios");
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.expect("it can be listed").path())
        .collect();
    files.sort();
    files
}

/// The file without `std`, and the names of its tests.
fn module(text: &str) -> (String, Vec<String>) {
    let text = text
        .replace("use std::", "use alloc::")
        .replace("crate::", "super::");
    let (mut module, mut tests) = (String::new(), Vec::new());
    let mut is_test = false;
    for line in text.lines() {
        if line == "#[test]" {
            is_test = true;
            continue;
        }
        if let Some(rest) = line.strip_prefix("fn ").filter(|_| is_test) {
            let (name, _) = rest.split_once('(').expect("a function");
            tests.push(name.to_owned());
            module.push_str("pub(super) ");
            is_test = false;
        }
        module.push_str(line);
        module.push('\n');
    }
    for (signs, item) in EVERYWHERE {
        if signs.iter().any(|sign| text.contains(sign)) {
            writeln!(module, "use alloc::{item};").expect("to memory");
        }
    }
    (module, tests)
}
