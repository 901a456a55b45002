//! Lines of output.

use crate::raw;

/// Where a line goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Level {
    /// Standard output.
    Output,
    /// Standard error.
    Error,
}

/// Writes the text as it is.
pub fn log(level: Level, text: &str) {
    let level = match level {
        Level::Output => abi::level::OUTPUT,
        Level::Error => abi::level::ERROR,
    };
    // SAFETY: the text is readable for the duration of the call.
    unsafe { raw::log(level, text.as_ptr(), text.len()) }
}

/// Prints a line, formatted as by `println!`.
#[macro_export]
macro_rules! out {
    () => { $crate::log($crate::Level::Output, "\n") };
    ($format:literal $($rest:tt)*) => {
        $crate::log(
            $crate::Level::Output,
            &$crate::format!("{}\n", format_args!($format $($rest)*)),
        )
    };
}

/// Prints a line to standard error, formatted as by `eprintln!`.
#[macro_export]
macro_rules! err {
    ($format:literal $($rest:tt)*) => {
        $crate::log(
            $crate::Level::Error,
            &$crate::format!("{}\n", format_args!($format $($rest)*)),
        )
    };
}
