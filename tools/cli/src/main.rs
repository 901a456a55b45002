//! The `plurix` command; everything is in the library.
fn main() -> std::process::ExitCode {
    cli::main(std::env::args_os())
}
