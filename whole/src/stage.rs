//! Threads as coroutines: each node has one, and exactly one of all runs at a time.
//!
//! A thread that waits runs the world itself, item by item, until it is somebody's turn;
//! then it hands over, unless that is itself. So what happens depends on the world alone,
//! never on the machine's scheduler.
use std::cell::RefCell;
use std::panic;
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError, Weak};
use std::thread;

use crate::names::Pid;
use crate::process::{Life, Rest};
use crate::report::Property;
use crate::world::World;

pub(crate) type Guard<'a> = MutexGuard<'a, World>;

/// Who runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Turn {
    /// Whoever has begun the run.
    Main,
    Process(Pid),
}

/// The world, and whose turn it is.
#[derive(Debug)]
pub(crate) struct Stage {
    world: Mutex<World>,
    main: std::sync::Condvar,
}

thread_local! {
    /// The process that this thread is.
    static ACTOR: RefCell<Option<(Weak<Stage>, Pid)>> = const { RefCell::new(None) };
}

impl Stage {
    /// A stage with a world that is made for it.
    pub(crate) fn new(make: impl FnOnce(Weak<Self>) -> World) -> Arc<Self> {
        report_panics();
        Arc::new_cyclic(|stage| Self {
            world: Mutex::new(make(stage.clone())),
            main: std::sync::Condvar::new(),
        })
    }

    pub(crate) fn lock(&self) -> Guard<'_> {
        // Whoever panicked has said so; what is left of the world is good for a report.
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the world go on until it is over, then ends all its threads.
    pub(crate) fn play(&self) {
        drop(self.pass(self.lock(), Turn::Main));
        loop {
            let mut world = self.lock();
            let Some(process) = world.next_to_end() else {
                break;
            };
            world.turn = Turn::Process(process);
            world.process(process).turn.notify_one();
            drop(self.wait(world, Turn::Main));
            let thread = self.lock().process_mut(process).thread.take();
            if let Some(thread) = thread.filter(|_| self.lock().has_returned(process)) {
                thread.join().expect("a thread that panics does not end");
            }
        }
    }

    /// This thread is that process from now on; returns when it is its turn.
    pub(crate) fn enter(self: &Arc<Self>, me: Pid) {
        ACTOR.with_borrow_mut(|actor| *actor = Some((Arc::downgrade(self), me)));
        drop(self.wait(self.lock(), Turn::Process(me)));
    }

    /// This thread's process is over: it is somebody else's turn.
    pub(crate) fn leave(&self, mut world: Guard<'_>, me: Pid) {
        world.process_mut(me).life = Life::Over;
        let turn = world.go_on();
        self.hand_over(&mut world, turn);
    }

    /// Lets everything happen that happens before this process' own time.
    pub(crate) fn catch_up<'a>(&'a self, mut world: Guard<'a>, me: Pid) -> Guard<'a> {
        let until = world.here(me);
        world.process_mut(me).spent = types::Duration::ZERO;
        if !world.is_before(until) {
            world.now = until;
            return world;
        }
        world.wake_at(me, until);
        self.pass(world, Turn::Process(me))
    }

    /// Sleeps until then, or until something happens.
    pub(crate) fn sleep<'a>(
        &'a self,
        mut world: Guard<'a>,
        me: Pid,
        until: types::Instant,
    ) -> Guard<'a> {
        world.process_mut(me).rest = Rest::Asleep;
        world.wake_at(me, until);
        let mut world = self.pass(world, Turn::Process(me));
        world.process_mut(me).rest = Rest::Busy;
        world
    }

    /// Lets the world go on until it is this one's turn again.
    fn pass<'a>(&'a self, mut world: Guard<'a>, me: Turn) -> Guard<'a> {
        let turn = world.go_on();
        if turn == me {
            return world;
        }
        self.hand_over(&mut world, turn);
        self.wait(world, me)
    }

    fn hand_over(&self, world: &mut World, turn: Turn) {
        world.turn = turn;
        match turn {
            Turn::Main => self.main.notify_one(),
            Turn::Process(process) => world.process(process).turn.notify_one(),
        }
    }

    fn wait<'a>(&'a self, mut world: Guard<'a>, me: Turn) -> Guard<'a> {
        while world.turn != me {
            world = match me {
                Turn::Main => self.main.wait(world),
                Turn::Process(process) => {
                    let turn = Arc::clone(&world.process(process).turn);
                    turn.wait(world)
                }
            }
            .unwrap_or_else(PoisonError::into_inner);
        }
        world
    }
}

/// A node that panics has broken a promise. It may do so in the middle of a guest's
/// instruction, where nothing can unwind: so its thread stays where it is, for ever.
fn report_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let actor = ACTOR.with_borrow(Clone::clone);
            let Some((stage, me)) = actor.and_then(|(stage, me)| Some((stage.upgrade()?, me)))
            else {
                return usual(info);
            };
            let Ok(mut world) = stage.world.try_lock() else {
                // The world itself is broken.
                usual(info);
                std::process::abort();
            };
            let place = info.location().map(ToString::to_string).unwrap_or_default();
            let what = info.payload_as_str().unwrap_or("a panic without a message");
            let who = world.name_of(me);
            if world.process(me).is_alive() {
                let detail = format!("{who} at {place}: {what}");
                world.fail(Property::Assertion, detail);
            } else {
                world.note(format_args!(
                    "{who}, which is dead, panics at {place}: {what}"
                ));
            }
            world.strand(me);
            stage.leave(world, me);
            loop {
                thread::park();
            }
        }));
    });
}
