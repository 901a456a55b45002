//! Compiles only if none of these crates, nor anything they depend on, needs std:
//! std brings a panic handler of its own, and two are an error.
#![no_std]

extern crate admin as _;
extern crate control as _;
extern crate devices as _;
extern crate dtm as _;
extern crate kernel as _;
extern crate links as _;
extern crate oracle as _;
extern crate platform as _;
extern crate seal as _;
extern crate settings as _;
extern crate store as _;
extern crate types as _;
extern crate volume as _;
extern crate wire as _;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
