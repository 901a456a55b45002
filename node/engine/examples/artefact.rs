//! Compiles a module as nodes do, for machines that have no compiler: `artefact FILE.wat OUT`.
use std::error::Error;
use std::{env, fs};

use engine::Engine;

fn main() -> Result<(), Box<dyn Error>> {
    let [from, to] = <[String; 2]>::try_from(env::args().skip(1).collect::<Vec<_>>())
        .map_err(|_| "expected two files: the module, and where its machine code is to go")?;
    let module = wat::parse_file(&from)?;
    let instrumented = instrument::instrument(&module)?;
    let artefact = Engine::new()?.compile(&instrumented.wasm)?;
    Ok(fs::write(to, artefact)?)
}
