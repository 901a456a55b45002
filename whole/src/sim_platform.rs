//! What a node asks of the world, answered by this one. Every question takes a little of
//! the node's time, and now and then everybody else gets a turn first: so a node can be
//! stopped or killed between any two of them.
use std::fmt;
use std::sync::Arc;

use linux::LinuxViews;
use platform::{
    Board, Clock, CompileJob, CompiledModule, Compiler, Entropy, Event, Events, JoinerId,
    LinkCounters, Links, NotCompiled, RequestId, Requests, Screen, Terminal, ViewError, Views,
    Wait,
};
use types::{Duration, Epoch, Instant, NodeId, ViewNumber};
use wire::{Envelope, Message};

use crate::guest;
use crate::item::Item;
use crate::names::Pid;
use crate::stage::{Guard, Stage};

/// What a question costs.
const QUESTION: Duration = Duration::from_nanos(300);
/// What it costs to look whether something has happened.
const LOOK: Duration = Duration::from_micros(3);
/// One of so many questions waits for the others.
const YIELD_ONE_OF: u64 = 32;
/// How long a compilation takes.
const COMPILATION: Duration = Duration::from_millis(20);
/// The wall clock when the world begins.
const WALL_NS: u64 = 1_700_000_000_000_000_000;
/// A dead node that asks so often for events does not come to its end.
const LAST_WORDS_MAX: u64 = 1_000_000;

/// The world as one node sees it.
pub(crate) struct SimPlatform {
    stage: Arc<Stage>,
    me: Pid,
    views: LinuxViews,
}

impl SimPlatform {
    pub(crate) fn new(stage: Arc<Stage>, me: Pid) -> Self {
        let views = LinuxViews::new();
        Self { stage, me, views }
    }

    pub(crate) fn me(&self) -> Pid {
        self.me
    }

    pub(crate) fn enter(&self) -> Guard<'_> {
        enter(&self.stage, self.me)
    }
}

/// The world, after a question's time.
pub(crate) fn enter(stage: &Stage, me: Pid) -> Guard<'_> {
    let mut world = stage.lock();
    let process = world.process_mut(me);
    process.spent = process.spent + QUESTION;
    if process.is_alive() && process.prng.chance(1, YIELD_ONE_OF) {
        world = stage.catch_up(world, me);
    }
    world
}

impl Clock for SimPlatform {
    fn now(&self) -> Instant {
        self.enter().shown(self.me)
    }

    fn wall_ns(&self) -> u64 {
        WALL_NS + self.enter().now.as_nanos()
    }
}

impl Entropy for SimPlatform {
    fn fill(&mut self, bytes: &mut [u8]) {
        let mut world = self.enter();
        let prng = &mut world.process_mut(self.me).prng;
        for piece in bytes.chunks_mut(8) {
            piece.copy_from_slice(&prng.next_u64().to_le_bytes()[..piece.len()]);
        }
    }
}

impl Events for SimPlatform {
    fn next_event(&mut self, wait: Wait) -> Option<Event> {
        let me = self.me;
        let mut world = self.stage.lock();
        let process = world.process_mut(me);
        process.spent = process.spent + LOOK;
        loop {
            if !world.process(me).is_alive() {
                return last_word(&mut world, me, wait);
            }
            world = self.stage.catch_up(world, me);
            if !world.process(me).is_alive() {
                continue;
            }
            let event = world.next_event(me);
            if event.is_some() {
                world.process_mut(me).haste = 0;
                return event;
            }
            let until = match wait {
                Wait::Until(until) if until > world.shown(me) => until,
                Wait::Until(_) | Wait::No => {
                    world.check_haste(me, wait);
                    return None;
                }
            };
            world.process_mut(me).haste = 0;
            let process = world.process(me);
            let next = process.links.next_deadline();
            let until = process
                .clock
                .when(next.map_or(until, |next| next.min(until)));
            world = self.stage.sleep(world, me, until);
        }
    }
}

/// A dead node is told to end, so that its thread does. Nothing that it does meanwhile has
/// any effect.
fn last_word(world: &mut Guard<'_>, me: Pid, wait: Wait) -> Option<Event> {
    let process = world.process_mut(me);
    process.ghost.1 += 1;
    assert!(
        process.ghost.1 < LAST_WORDS_MAX,
        "a node ends when it is told to"
    );
    if process.ghost.1 == 1 {
        return Some(Event::Message(Envelope {
            from: NodeId(0),
            view: ViewNumber(0),
            epoch: Epoch(0),
            message: Message::Expelled,
        }));
    }
    if let Wait::Until(until) = wait {
        process.ghost.0 = process.ghost.0.max(until);
    }
    None
}

impl Links for SimPlatform {
    fn become_node(&mut self, me: NodeId) {
        let mut world = self.enter();
        if world.process(self.me).is_alive() {
            let (links, mut wire) = world.links(self.me);
            links.become_node(&mut wire, me);
        }
    }

    fn address(&self) -> String {
        self.enter().process(self.me).links.address.clone()
    }

    fn call(&mut self, address: &str) -> JoinerId {
        let mut world = self.enter();
        if !world.process(self.me).is_alive() {
            return JoinerId(world.wire().no_line().0);
        }
        let (links, mut wire) = world.links(self.me);
        links.call(&mut wire, address)
    }

    fn connect(&mut self, node: NodeId, address: &str) {
        let mut world = self.enter();
        if world.process(self.me).is_alive() {
            let (links, mut wire) = world.links(self.me);
            links.connect(&mut wire, node, address);
        }
    }

    fn disconnect(&mut self, node: NodeId) {
        let mut world = self.enter();
        if world.process(self.me).is_alive() {
            let (links, mut wire) = world.links(self.me);
            links.disconnect(&mut wire, node);
        }
    }

    fn bind(&mut self, joiner: JoinerId, node: NodeId) {
        let mut world = self.enter();
        if world.process(self.me).is_alive() {
            let (links, mut wire) = world.links(self.me);
            links.bind(&mut wire, joiner, node);
        }
    }

    fn send(&mut self, to: NodeId, envelope: &Envelope) {
        let mut world = self.enter();
        if world.process(self.me).is_alive() {
            world.on_said(self.me, envelope);
            world.process_mut(self.me).links.send(to, envelope);
        }
    }

    fn send_joiner(&mut self, joiner: JoinerId, envelope: &Envelope) {
        let mut world = self.enter();
        if world.process(self.me).is_alive() {
            world.on_said(self.me, envelope);
            let links = &mut world.process_mut(self.me).links;
            links.send_joiner(joiner, envelope);
        }
    }

    fn pending_bytes(&self, _: NodeId) -> usize {
        0
    }

    fn flush(&mut self) {
        let mut world = self.enter();
        if world.process(self.me).is_alive() {
            let (links, mut wire) = world.links(self.me);
            links.flush(&mut wire);
        }
    }

    fn counters(&self) -> LinkCounters {
        self.enter().process(self.me).links.counters
    }
}

impl Requests for SimPlatform {
    fn reply(&mut self, id: RequestId, bytes: Vec<u8>) {
        let mut world = self.enter();
        if world.process(self.me).is_alive() {
            world.on_reply(self.me, id, bytes);
        }
    }
}

impl Screen for SimPlatform {}
impl Board for SimPlatform {}
impl Terminal for SimPlatform {}

impl Views for SimPlatform {
    type View = linux::View;

    fn create(&mut self) -> Result<linux::View, ViewError> {
        self.views.create()
    }
}

impl Compiler for SimPlatform {
    fn compile(&mut self, job: CompileJob, wasm: Vec<u8>) {
        let compiled = guest::compile(&wasm);
        let mut world = self.enter();
        let process = self.me;
        world
            .process_mut(process)
            .compiling
            .push_back((job, compiled));
        let at = world.here(process) + COMPILATION;
        world.queue.push(at, Item::Compiled { process });
    }

    fn finished(&mut self) -> Option<(CompileJob, Result<CompiledModule, NotCompiled>)> {
        let (job, compiled) = self.enter().process_mut(self.me).compiled.pop_front()?;
        Some((job, compiled.map_err(NotCompiled::Refused)))
    }
}

impl fmt::Debug for SimPlatform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimPlatform")
            .field("me", &self.me)
            .finish_non_exhaustive()
    }
}
