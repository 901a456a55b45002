//! The target that the environment names, under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(
    init: fuzz::sow(),
    |bytes: &[u8]| (fuzz::chosen().check)(bytes)
);
