//! How the image is linked: no system below it, no relocation, every section where
//! `linker.ld` says.
use std::env;

fn main() {
    let folder = env::var("CARGO_MANIFEST_DIR").expect("cargo says where the package is");
    let script = format!("-Wl,-T,{folder}/../image/linker.ld");
    let options = [
        "-nostartfiles",
        "-nostdlib",
        "-static",
        "-no-pie",
        &script,
        "-Wl,--gc-sections",
        "-Wl,-z,max-page-size=0x1000",
        "-Wl,-z,norelro",
        "-Wl,-z,nognustack",
        "-Wl,--build-id=none",
        "-Wl,--no-eh-frame-hdr",
    ];
    for option in options {
        println!("cargo:rustc-link-arg-bins={option}");
    }
    println!("cargo:rerun-if-changed=../image/linker.ld");
}
