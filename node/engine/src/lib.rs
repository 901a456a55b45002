//! Runs WebAssembly modules as steps of transactions, over page memory of the node.
//!
//! A *step* is one call of an exported function, from an empty stack to its return. The
//! module's memory is a view of the platform; whatever the guest needs from outside of
//! its own instructions (a missing page, leave to write to a page, a call of the ABI)
//! is asked of a [`StepHost`], which may answer with a [`Stop`]: then the step ends at
//! once, and the host rolls its effects back.
//!
//! All state of a guest is in pages: linear memory in the view, the size of the memory
//! and the mutable globals in header pages ([`header`]). An [`Instance`] itself holds
//! nothing that cannot be made again in a microsecond.
//!
//! Absences: the engine knows no transactions, no messages, no operating system; it
//! reads no clock and starts no thread (the platform interrupts long steps).
//!
//! Start with [`Instance::step`] and [`StepHost`]. A step flows: the header is read, the
//! instance brought to that size and those globals -> the function is called -> faults
//! and interrupts (both in the platform), barriers (`barrier`), ABI calls (`calls`, `wasi`)
//! ask the host -> changed globals are written to the header.
#![no_std]
#![deny(missing_docs)]
extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod access;
mod barrier;
mod calls;
mod code;
mod engine;
mod globals;
mod handout;
pub mod header;
mod host;
mod info;
mod instance;
mod memory;
mod module;
#[cfg(not(feature = "std"))]
mod processor;
mod state;
mod stop;
mod value;
mod wasi;

#[cfg(feature = "compiler")]
pub use engine::CompileError;
pub use engine::{Engine, LoadError};
pub use host::{DriverCall, HostCall, StepHost};
pub use info::{ModuleInfo, StackPointer};
pub use instance::{Instance, Limits};
pub use module::{Module, Signature};
pub use stop::{FaultKind, GuestFault, StepReturn, Stop};
pub use value::{Value, ValueError, ValueType};
