//! Stands for a crate of Linux that the WebAssembly runtime names and, without `std`, does not
//! use.
#![no_std]
