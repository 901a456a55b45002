//! How much of each thing a process may have.

/// Inputs of a process: their list is one page.
pub const INPUTS_MAX: u32 = 48;
/// Bytes of a process' arguments: they are written in one transaction.
pub const ARGUMENTS_BYTES_MAX: usize = 64 << 10;
/// Workers of a process: they may all wait for one event.
pub const WORKERS_PER_PROCESS_MAX: u32 = 1 << 16;
/// Bytes of a process' result.
pub const RESULT_BYTES_MAX: u64 = 1 << 30;
/// Bytes of the report of a fault; longer ones are cut.
pub const FAULT_BYTES_MAX: usize = 4000;
/// Bytes of one record of output; longer pieces are cut in several.
pub const OUTPUT_RECORD_BYTES_MAX: usize = 16 << 10;
/// Workers that one theft moves.
pub const STOLEN_MAX: u32 = 16;
