//! Bugs that are put into what lies around the nodes, to see that they are noticed: a
//! checker that has never caught anything proves nothing.
use std::fmt;
use std::str::FromStr;

use types::Duration;

use crate::fault::{Death, Fault, Who};
use crate::machine::Drive;
use crate::names::MachineId;
use crate::scenario::Scenario;

/// What a disk that lies has in its cache gets to the device so much later.
const LIE: Duration = Duration::from_millis(3_000);

/// A bug to plant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Plant {
    /// Disks with stores call a sync done when it has begun.
    LyingStore,
    /// Disks with control logs do.
    LyingLog,
    /// The clock of one machine runs at a tenth of its speed.
    SlowClock,
    /// Bits flip on all disks at once, while all machines are off.
    RotEverywhere,
}

impl Plant {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::LyingStore,
        Self::LyingLog,
        Self::SlowClock,
        Self::RotEverywhere,
    ];

    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::LyingStore => "lying-store",
            Self::LyingLog => "lying-log",
            Self::SlowClock => "slow-clock",
            Self::RotEverywhere => "rot-everywhere",
        }
    }
}

impl fmt::Display for Plant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Plant {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|plant| plant.name() == name);
        found.ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.iter().map(|plant| plant.name()).collect();
            format!("expected one of {}", names.join(", "))
        })
    }
}

/// Changes the choices of a seed so that the bug has occasions to show.
pub(crate) fn prepare(plant: Plant, scenario: &mut Scenario) {
    scenario.nodes = scenario.nodes.max(3);
    let leader = Who::Leader { or: 0 };
    let away = Duration::from_millis(300);
    let time = Duration::from_millis(4_000);
    let fault = |number: u64| match plant {
        Plant::LyingStore => Fault::Blackout { away },
        Plant::LyingLog if number == 0 => Fault::Blackout { away },
        Plant::LyingLog => Fault::Kill {
            who: leader,
            death: Death::Silent,
            away,
        },
        Plant::SlowClock => Fault::Isolate {
            who: Who::Node(0),
            time,
        },
        Plant::RotEverywhere => Fault::Rot { who: leader },
    };
    let at = |number: u64| Duration::from_millis(4_500 + 6_000 * number);
    let faults = (0..3).map(|number| (at(number), fault(number)));
    scenario.faults = faults.collect();
}

/// The planted bug of a run, if there is one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Planted(pub(crate) Option<Plant>);

impl Planted {
    /// Whether a disk calls syncs done that are not.
    pub(crate) fn lies(self, drive: Drive) -> bool {
        match drive {
            Drive::Store => self.0 == Some(Plant::LyingStore),
            Drive::Control => self.0 == Some(Plant::LyingLog),
        }
    }

    /// What a crash leaves of what was not synced: nothing, all, or anything.
    pub(crate) fn tail(self, drawn: u64) -> u64 {
        match self.0 {
            Some(Plant::LyingStore | Plant::LyingLog) => 0,
            _ => drawn,
        }
    }

    /// How long a sync really takes.
    pub(crate) fn sync(self, drive: Drive, drawn: Duration) -> Duration {
        match self.lies(drive) {
            true => drawn + LIE,
            false => drawn,
        }
    }

    /// Whether bits flip on all disks if they do on one.
    pub(crate) fn rots_everywhere(self) -> bool {
        self.0 == Some(Plant::RotEverywhere)
    }

    /// How much too fast a machine's clock runs.
    pub(crate) fn drift(self, machine: MachineId, drawn: i64) -> i64 {
        match self.0 {
            Some(Plant::SlowClock) if machine == MachineId(0) => -900_000,
            _ => drawn,
        }
    }
}
