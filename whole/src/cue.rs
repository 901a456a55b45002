//! Faults that wait for their cue: the moment at which a node says something of a kind. So
//! they hit the few moments that matter, which faults at any time seldom do.
use types::Duration;
use wire::Message;

use crate::fault::{Death, Fault, Who};
use crate::item::{Heal, Item};
use crate::names::Pid;
use crate::world::World;

/// A cue that is not given within this time is not waited for.
const PATIENCE: Duration = Duration::from_millis(3_000);

/// What is said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Cue {
    NewView,
    Fence,
    Intervals,
    Stable,
    EpochStored,
    PartStored,
    Inventory,
    Holders,
    StoreData,
    CopiesEnd,
    Replicated,
    Join,
    Voter,
}

impl Cue {
    /// All of them.
    pub(crate) const ALL: [Self; 13] = [
        Self::NewView,
        Self::Fence,
        Self::Intervals,
        Self::Stable,
        Self::EpochStored,
        Self::PartStored,
        Self::Inventory,
        Self::Holders,
        Self::StoreData,
        Self::CopiesEnd,
        Self::Replicated,
        Self::Join,
        Self::Voter,
    ];

    fn is(self, message: &Message) -> bool {
        match self {
            Self::NewView => matches!(message, Message::NewView { .. }),
            Self::Fence => matches!(message, Message::Fence { .. }),
            Self::Intervals => matches!(message, Message::Intervals { .. }),
            Self::Stable => matches!(message, Message::Stable { .. }),
            Self::EpochStored => matches!(message, Message::EpochStored { .. }),
            Self::PartStored => matches!(message, Message::PartStored { .. }),
            Self::Inventory => matches!(message, Message::Inventory { .. }),
            Self::Holders => matches!(message, Message::Holders { .. }),
            Self::StoreData => matches!(message, Message::StoreData { .. }),
            Self::CopiesEnd => matches!(message, Message::CopiesEnd { .. }),
            Self::Replicated => matches!(message, Message::Replicated),
            Self::Join => matches!(message, Message::Join { .. }),
            Self::Voter => matches!(message, Message::Voter { .. }),
        }
    }
}

/// What happens then to the one who says it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Hit {
    Kill(Death),
    Pause,
    Isolate,
}

/// A fault that waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Waiting {
    /// Tells it from others.
    pub(crate) number: u64,
    pub(crate) cue: Cue,
    /// So often it is said before.
    pub(crate) before: u32,
    pub(crate) hit: Hit,
    /// How long the fault lasts.
    pub(crate) time: Duration,
}

impl World {
    pub(crate) fn await_cue(&mut self, waiting: Waiting) {
        self.story.cues.push(waiting);
        self.push(PATIENCE, Item::Heal(Heal::Cue(waiting)));
    }

    /// The cue was not given.
    pub(crate) fn drop_cue(&mut self, waiting: &Waiting) {
        let count = self.story.cues.len();
        self.story
            .cues
            .retain(|other| other.number != waiting.number);
        self.story.faults_left -= count - self.story.cues.len();
    }

    /// A process says something.
    pub(crate) fn give_cue(&mut self, who: Pid, message: &Message) {
        let Some(at) = self.story.cues.iter().position(|one| one.cue.is(message)) else {
            return;
        };
        let waiting = &mut self.story.cues[at];
        if waiting.before > 0 {
            waiting.before -= 1;
            return;
        }
        let Waiting { hit, time, .. } = self.story.cues.swap_remove(at);
        let who = Who::Node(self.process(who).machine.0);
        let fault = match hit {
            Hit::Kill(death) => Fault::Kill {
                who,
                death,
                away: time,
            },
            Hit::Pause => Fault::Pause { who, time },
            Hit::Isolate => Fault::Isolate { who, time },
        };
        let after = self.up_to(Duration::from_micros(100));
        self.push(after, Item::Fault(fault));
    }
}
