//! A shell without its terminals: lines become questions to the node, answers become text.
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]
extern crate alloc;
#[cfg(test)]
extern crate std;

mod answer;
mod command;
mod editor;
mod grid;
mod table;

pub use answer::show;
pub use command::{Command, HELP};
pub use editor::{Editor, Key};
pub use grid::{Grid, ROW_BYTES};
