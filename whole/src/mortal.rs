//! Programs that come and go, one after the other: each is called now and then, and ended. In
//! the end nothing is left of the memory of those whose end was told, and clients find that of
//! the program that lives as they left it.
use admin::{Request, Response};
use kernel::ProcessId;
use types::limits::FIRST_APPLICATION_REGION;
use types::{Duration, Extent, RegionId};
use wire::{PastFound, PastQuestion};

use crate::client::PROGRAM as MODULE;
use crate::names::Pid;
use crate::story::Phase;
use crate::tool::{Asker, Told};
use crate::world::World;

/// Their name.
const NAME: &str = "mortal";
/// How often each is called, about.
const CALLS: u32 = 6;
/// An answer that takes longer is not waited for.
const PATIENCE: Duration = Duration::from_millis(5_000);

/// The one that lives now, and those that have ended.
#[derive(Default, Debug)]
pub(crate) struct Mortals {
    alive: Option<Mortal>,
    is_asking: bool,
    /// Whoever has asked was told so, and nothing undoes it.
    pub(crate) ended: Vec<ProcessId>,
    /// Times that somebody has looked whether anything is left.
    looks: u32,
    /// An epoch that is kept, after all that.
    kept: Option<u64>,
}

#[derive(Debug)]
struct Mortal {
    process: ProcessId,
    calls: u32,
}

impl World {
    /// The next thing that is to be done to the one that lives.
    pub(crate) fn look_at_mortals(&mut self) {
        let nodes = self.alive();
        let mortals = &mut self.story.mortals;
        if mortals.is_asking || nodes.is_empty() {
            return;
        }
        let request = match &mut mortals.alive {
            None => Request::Run {
                module: MODULE.to_owned(),
                program: NAME.to_owned(),
                workers: 0,
                arguments: Vec::new(),
                inputs: Vec::new(),
            },
            Some(Mortal { process, calls }) if *calls == CALLS => {
                Request::Cancel { process: process.0 }
            }
            Some(Mortal { calls, .. }) => {
                *calls += 1;
                let list = 400 * *calls;
                Request::Call {
                    program: NAME.to_owned(),
                    function: "append".to_owned(),
                    arguments: vec![list.to_string(), "7".to_owned()],
                    inputs: Vec::new(),
                    is_query: false,
                }
            }
        };
        mortals.is_asking = true;
        let node = self.any_of(&nodes);
        self.ask(Asker::Mortals, node, &request, PATIENCE);
    }

    pub(crate) fn on_mortals_told(&mut self, told: Told) {
        // The memory goes back to later.
        let is_for_good = matches!(
            self.story.phase,
            Phase::Chaos | Phase::Healing | Phase::Closing | Phase::Reading | Phase::Recovering
        );
        let mortals = &mut self.story.mortals;
        mortals.is_asking = false;
        let Told::Answer(response) = told else {
            // Whether it was ended nobody knows.
            mortals.alive.take_if(|one| one.calls == CALLS);
            return;
        };
        match *response {
            Response::Started { process } => {
                let process = ProcessId(process);
                mortals.alive = Some(Mortal { process, calls: 0 });
            }
            Response::Done => {
                let one = mortals.alive.take();
                mortals
                    .ended
                    .extend(one.filter(|_| is_for_good).map(|one| one.process));
                self.counts.programs_ended += 1;
            }
            _ => {}
        }
    }

    /// Looks whether anything is left of those that have ended: in an epoch that is kept for
    /// that.
    pub(crate) fn look_for_remains(&mut self) {
        let mortals = &mut self.story.mortals;
        if mortals.ended.is_empty() {
            return self.enter(Phase::Stopping);
        }
        if let Some(epoch) = mortals.kept {
            let from = Extent {
                region: RegionId(FIRST_APPLICATION_REGION),
                index: 0,
            };
            let question = PastQuestion::Extents { from };
            return self.ask_for_story(&Request::Past { epoch, question });
        }
        let name = format!("look-{}", mortals.looks);
        self.ask_leader(&Request::Snapshot { name });
    }

    pub(crate) fn on_remains_told(&mut self, response: Response) {
        let mortals = &mut self.story.mortals;
        match response {
            Response::Snapshot { epoch } => mortals.kept = Some(epoch),
            Response::Past(Some(PastFound::Extents { extents, .. })) => {
                mortals.looks += 1;
                mortals.kept = None;
                let ended = &mortals.ended;
                let of = |extent: &Extent| ProcessId::of_region(extent.region);
                let left = extents.iter().filter_map(of);
                let left: Vec<ProcessId> = left.filter(|one| ended.contains(one)).collect();
                if left.is_empty() {
                    self.enter(Phase::Stopping);
                } else {
                    self.note(format_args!("left of those that have ended: {left:?}"));
                }
            }
            other => {
                mortals.looks += 1;
                mortals.kept = None;
                self.note(format_args!("{other:?}"));
            }
        }
    }

    fn any_of(&mut self, nodes: &[Pid]) -> Pid {
        let place = self.prng.below(nodes.len() as u64);
        nodes[usize::try_from(place).expect("few")]
    }
}
