//! Kinds of faults: what may be asked for by name.
use std::fmt;
use std::str::FromStr;

/// A kind of fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FaultKind {
    /// A node crashes, and its disk comes back soon.
    Crash,
    /// A node stands still for a while.
    Pause,
    /// What one node says to another does not arrive for a while, the other way round it
    /// does; then it arrives, or the link breaks.
    Hold,
    /// A link breaks and comes up again.
    Reset,
    /// A disk takes long for a while.
    SlowDisk,
}

impl FaultKind {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Crash,
        Self::Pause,
        Self::Hold,
        Self::Reset,
        Self::SlowDisk,
    ];

    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Crash => "crash",
            Self::Pause => "pause",
            Self::Hold => "hold",
            Self::Reset => "reset",
            Self::SlowDisk => "slow-disk",
        }
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for FaultKind {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|kind| kind.name() == name);
        found.ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.iter().map(|kind| kind.name()).collect();
            format!("expected one of {}", names.join(", "))
        })
    }
}
