//! A typist: somebody who presses keys at the node that has the keyboard, and watches the
//! display, wherever it is. What is shown is what was typed, in order, nothing twice; it is
//! never taken back, whichever display shows it; and of what was typed at a home that lives on
//! nothing is missing. In some runs the display changes its mode now and then: what was typed
//! before never shows again, and nothing is ever written that is meant for another mode.
use std::collections::BTreeMap;

use adapter::display::Mode;
use adapter::input::InputEvent;
use adapter::{DISPLAY, INPUT};
use admin::{DeviceInfo, DeviceState, Picture, Request, Response};
use types::{Duration, Instant, NodeId, Prng};

use crate::guest;
use crate::item::Item;
use crate::names::Pid;
use crate::report::Property;
use crate::scenario::Typing;
use crate::sheet::{Key, Sheet, read_text, text_of};
use crate::story::Phase;
use crate::tool::{Asker, Told};
use crate::world::World;

/// Both drivers, and the program that writes what is typed; with their arguments.
const PROGRAMS: [(&str, &[u8], &[&str]); 3] = [
    (DISPLAY, guest::DISPLAY, &[]),
    (INPUT, guest::INPUT, &[]),
    ("board", guest::BOARD, &["text"]),
];
/// An answer to whoever starts them.
const START_TIME: Duration = Duration::from_millis(20_000);
/// An answer that takes longer is not waited for.
const PATIENCE: Duration = Duration::from_millis(10_000);
/// Between two things that he does.
const PAUSE_US_MAX: u64 = 50_000;
/// A key that is to change the mode, and seems not to, is pressed again.
const AGAIN: Duration = Duration::from_millis(1_500);
/// With so many keys that do not show he waits, but not for ever: some are lost.
const AWAITED_MAX: usize = 150;
/// The board would begin with its first row again.
const KEYS_MAX: usize = 1_800;
/// Keys by which he sees in the end that all is well.
const PROBES: u32 = 4;
/// Without faults they show within less.
const WELL_TIME: Duration = Duration::from_millis(30_000);
/// Keys of the USB tables: the first letter, and the one that sets the first mode.
const LETTER: u16 = 0x04;
const F1: u16 = 0x3A;
/// Modes with few pixels, so that pictures are small.
const GRAPHICS: [Mode; 2] = [Mode::Low, Mode::Palette];

/// The typist, and what he knows.
#[derive(Debug)]
pub(crate) struct Typist {
    prng: Prng,
    /// Things that were done to start the programs.
    started: usize,
    asked: Option<Asked>,
    /// Who is which node.
    nodes: BTreeMap<u32, Pid>,
    keyboard: Option<Pid>,
    display: Option<Pid>,
    sheet: Sheet,
    stage: Stage,
    /// A key has shown: from now on none is lost for want of somebody who hears it.
    is_heard: bool,
    /// When he pressed a key last, and one that changes the mode.
    pressed: Instant,
    switched: Instant,
    last_look: Option<LastLook>,
}

/// What is being asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Asked {
    Start,
    Devices,
    /// So many keys are pressed that are to show.
    Keys(usize),
    /// Keys that must not show.
    Noise,
    /// Whether it is the display that he watches, or any.
    Look {
        is_watched: bool,
    },
}

/// What the display is to show.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Text,
    /// Text, until it is this mode.
    Leaving(Mode),
    Graphics(Mode),
    /// This mode, until it is text.
    Returning(Mode),
}

/// He looks whether all is well, since then.
#[derive(Debug)]
struct LastLook {
    since: Instant,
    /// All that was shown before is there.
    is_restored: bool,
    /// So many keys are still to be pressed.
    probes: u32,
    is_well: bool,
}

/// What he does next.
enum Move {
    Ask,
    Look(Pid),
    /// Presses keys at the keyboard's home, so many.
    Type(Pid, usize),
    /// A key that changes the mode.
    Switch(Pid, Mode),
}

impl Typist {
    pub(crate) fn new(typing: Typing) -> Self {
        Self {
            prng: Prng::new(typing.seed),
            started: 0,
            asked: None,
            nodes: BTreeMap::new(),
            keyboard: None,
            display: None,
            sheet: Sheet::default(),
            stage: Stage::Text,
            is_heard: false,
            pressed: Instant::default(),
            switched: Instant::default(),
            last_look: None,
        }
    }

    /// The next move, if he may type; nobody but these is alive.
    fn think(&mut self, now: Instant, alive: &[Pid], typing: Option<Typing>) -> Move {
        let is_alive = |one: &Pid| alive.contains(one);
        let keyboard = self.keyboard.filter(is_alive);
        let (Some(keyboard), Some(display)) = (keyboard, self.display.filter(is_alive)) else {
            return Move::Ask;
        };
        let look = Move::Look(display);
        let is_again = now.since(self.switched) > AGAIN;
        match (self.prng.below(10), typing) {
            (0, _) => return Move::Ask,
            (1, _) => return Move::Look(any_of(alive, &mut self.prng)),
            (2..5, _) | (_, None) => return look,
            _ => {}
        }
        let switches = typing.is_some_and(|typing| typing.switches);
        let is_last = self.last_look.is_some();
        match self.stage {
            Stage::Text if is_last => match self.probe() {
                true => Move::Type(keyboard, 1),
                false => look,
            },
            Stage::Text => {
                let is_full = self.sheet.keys() >= KEYS_MAX;
                let is_weary = is_full || self.prng.chance(1, 30);
                if switches && self.is_heard && is_weary {
                    let mode = any_of(&GRAPHICS, &mut self.prng);
                    self.stage = Stage::Leaving(mode);
                    return Move::Switch(keyboard, mode);
                }
                let is_soon = now.since(self.pressed) < AGAIN;
                let waits = is_soon && self.sheet.awaited() > AWAITED_MAX;
                match is_full || waits {
                    true => look,
                    false => Move::Type(keyboard, self.count()),
                }
            }
            Stage::Leaving(mode) if is_again => Move::Switch(keyboard, mode),
            Stage::Leaving(_) if is_last || self.sheet.keys() > KEYS_MAX => look,
            Stage::Leaving(_) => Move::Type(keyboard, 1),
            Stage::Graphics(mode) if is_last || self.prng.chance(1, 8) => {
                self.stage = Stage::Returning(mode);
                Move::Switch(keyboard, Mode::Text)
            }
            Stage::Graphics(_) => Move::Type(keyboard, self.count()),
            Stage::Returning(_) if is_again => Move::Switch(keyboard, Mode::Text),
            Stage::Returning(_) => look,
        }
    }

    /// How many keys he presses without looking.
    fn count(&mut self) -> usize {
        let most = match (self.is_heard, self.prng.chance(1, 10)) {
            (false, _) => 1,
            (true, false) => 4,
            (true, true) => 30,
        };
        usize::try_from(1 + self.prng.below(most)).expect("few")
    }

    /// Whether to press one more key to see that all is well.
    fn probe(&mut self) -> bool {
        let Some(last) = &mut self.last_look else {
            return false;
        };
        if !last.is_restored {
            return false;
        }
        // As long as nobody hears any they do not count.
        let is_wanted = last.probes > 0 || !self.is_heard;
        last.probes = last.probes.saturating_sub(u32::from(self.is_heard));
        is_wanted
    }

    /// The display that he watches shows this.
    fn see(&mut self, picture: &Picture) -> Result<(), String> {
        let mode = Mode::of_number(picture.mode).map_err(|malformed| malformed.to_string())?;
        let Mode::Text = mode else {
            return self.see_graphics(mode);
        };
        let memory: Vec<u8> = picture.chunks.iter().flat_map(|(_, b)| b.clone()).collect();
        let text = read_text(&memory)?;
        if text.is_empty() {
            // It may be one that is being restored: nothing at all was written to it since.
            // Only a mode that was set brings the cursor.
            let [is_visible, ..] = picture.cursor;
            if let (Stage::Returning(_), 1) = (self.stage, is_visible) {
                self.stage = Stage::Text;
                self.sheet = Sheet::default();
                if let Some(last) = &mut self.last_look {
                    last.is_restored = true;
                }
            }
            return Ok(());
        }
        let (Stage::Text | Stage::Leaving(_)) = self.stage else {
            let (text, stage) = (text_of(&text), self.stage);
            return Err(format!(
                "`{text}` is shown, expected nothing of it: {stage:?}"
            ));
        };
        // A text is one write, so all of it is there.
        self.sheet.see(&text)?;
        self.is_heard = true;
        let place = [1, text.len() % 80, text.len() / 80];
        let is_complete = self.sheet.is_complete(self.keyboard);
        if let (Stage::Text, Some(last)) = (self.stage, &mut self.last_look)
            && is_complete
            && picture.cursor.map(usize::from) == place
        {
            last.is_restored = true;
            last.is_well = last.probes == 0;
        }
        Ok(())
    }

    fn see_graphics(&mut self, mode: Mode) -> Result<(), String> {
        match self.stage {
            Stage::Leaving(wanted) if wanted == mode => self.stage = Stage::Graphics(mode),
            Stage::Graphics(known) | Stage::Returning(known) if known == mode => {}
            stage => return Err(format!("the display is in {mode:?}: {stage:?}")),
        }
        Ok(())
    }
}

/// How many programs are started for him.
pub(crate) fn programs(typing: Option<Typing>) -> u32 {
    typing.map_or(0, |_| u32::try_from(PROGRAMS.len()).expect("few"))
}

impl World {
    /// A process is this node, if it is one.
    pub(crate) fn note_node(&mut self, node: NodeId, process: Pid) {
        if let Some(typist) = self.typist.as_mut().filter(|_| node != NodeId(0)) {
            typist.nodes.insert(node.0, process);
        }
    }

    /// Whether both drivers and the board run, if somebody is to type; goes on starting them.
    pub(crate) fn is_board_up(&mut self) -> bool {
        let alive = self.alive();
        let Some(typist) = &mut self.typist else {
            return true;
        };
        let Some((name, wasm, arguments)) = PROGRAMS.get(typist.started / 2) else {
            return true;
        };
        if typist.asked.is_some() {
            return false;
        }
        let name = (*name).to_owned();
        let request = match typist.started % 2 {
            0 => Request::Deploy {
                name,
                wasm: wasm.to_vec(),
            },
            _ => Request::Run {
                module: name.clone(),
                program: name,
                workers: 0,
                arguments: arguments.iter().map(|one| (*one).to_owned()).collect(),
                inputs: Vec::new(),
            },
        };
        // So that the devices may be those of different nodes.
        if !alive.is_empty() {
            let node = any_of(&alive, &mut typist.prng);
            self.ask_for_typist(Asked::Start, node, &request);
        }
        false
    }

    pub(crate) fn begin_typing(&mut self) {
        if self.typist.is_some() {
            self.push(Duration::ZERO, Item::Typist);
        }
    }

    /// Whether the display shows all that it should, now that nothing goes wrong; goes on
    /// looking.
    pub(crate) fn is_board_well(&mut self) -> bool {
        let now = self.now;
        let Some(typist) = &mut self.typist else {
            return true;
        };
        let last = typist.last_look.get_or_insert_with(|| LastLook {
            since: now,
            is_restored: typist.sheet.shown() == 0,
            probes: PROBES,
            is_well: false,
        });
        let is_late = !last.is_well && now.since(last.since) > WELL_TIME;
        let is_well = last.is_well;
        if is_late {
            let detail = format!(
                "the display is not as it should be: {:?}, the keyboard is at {:?}, the display \
                 at {:?}, which shows {} characters of what was typed: {}",
                typist.stage,
                typist.keyboard,
                typist.display,
                typist.sheet.shown(),
                typist.sheet.typed()
            );
            self.fail(Property::Progress, detail);
        }
        is_well
    }

    /// The story goes on: what was well may be so no more.
    pub(crate) fn look_at_board_again(&mut self) {
        if let Some(typist) = &mut self.typist {
            typist.last_look = None;
        }
    }

    /// The typist thinks of something to do.
    pub(crate) fn on_typist(&mut self) {
        let (now, alive) = (self.now, self.alive());
        let phase = self.story.phase;
        let scenario = self.scenario.typist;
        let Some(typist) = &mut self.typist else {
            return;
        };
        if matches!(phase, Phase::Burying | Phase::Stopping) {
            return;
        }
        let pause = Duration::from_micros(typist.prng.below(PAUSE_US_MAX));
        if typist.asked.is_none() && !alive.is_empty() {
            let is_last = typist.last_look.as_ref().is_some_and(|last| !last.is_well);
            let may_type = is_last || matches!(phase, Phase::Chaos | Phase::Healing);
            let next = typist.think(now, &alive, scenario.filter(|_| may_type));
            self.make_move(next, &alive);
        }
        self.push(pause, Item::Typist);
    }

    fn make_move(&mut self, next: Move, alive: &[Pid]) {
        let Some(typist) = &mut self.typist else {
            return;
        };
        match next {
            Move::Ask => {
                let node = any_of(alive, &mut typist.prng);
                self.ask_for_typist(Asked::Devices, node, &Request::Devices);
            }
            Move::Look(node) => {
                let is_watched = typist.display == Some(node);
                let look = Request::Look { since: 0 };
                self.ask_for_typist(Asked::Look { is_watched }, node, &look);
            }
            Move::Type(home, count) => {
                let is_noise = matches!(typist.stage, Stage::Graphics(_));
                let is_sure = typist.is_heard;
                let mut events = Vec::new();
                for _ in 0..count {
                    let character = b'!' + u8::try_from(typist.prng.below(94)).expect("a byte");
                    events.extend(key(LETTER, Some(char::from(character))));
                    if !is_noise {
                        typist.sheet.press(Key {
                            character,
                            home,
                            is_sure,
                        });
                    }
                }
                let asked = match is_noise {
                    true => Asked::Noise,
                    false => Asked::Keys(count),
                };
                self.counts.typed += count as u64;
                self.feel(asked, home, events);
            }
            Move::Switch(home, mode) => {
                let code = F1 + u16::from(mode.number());
                self.counts.switched += 1;
                typist.switched = self.now;
                self.note(format_args!("the typist wants {mode:?}, at {home}"));
                self.feel(Asked::Noise, home, key(code, None).to_vec());
            }
        }
    }

    fn feel(&mut self, asked: Asked, home: Pid, events: Vec<[u8; 8]>) {
        let now = self.now;
        if let Some(typist) = &mut self.typist {
            typist.pressed = now;
        }
        self.ask_for_typist(asked, home, &Request::Feel { events });
    }

    fn ask_for_typist(&mut self, asked: Asked, node: Pid, request: &Request) {
        if let Some(typist) = &mut self.typist {
            typist.asked = Some(asked);
        }
        let patience = match asked {
            Asked::Start => START_TIME,
            _ => PATIENCE,
        };
        self.ask(Asker::Typist, node, request, patience);
    }

    pub(crate) fn on_typist_told(&mut self, node: Pid, told: Told) {
        let typist = self.typist.as_mut().expect("he has asked");
        let asked = typist.asked.take().expect("he has asked");
        match (asked, told) {
            (Asked::Start, Told::Answer(response)) => match *response {
                Response::Deployed { .. } | Response::Started { .. } => typist.started += 1,
                other => self.note(format_args!("the board: {other:?}")),
            },
            (Asked::Devices, Told::Answer(response)) => {
                if let Response::Devices(devices) = *response {
                    self.on_devices_told(&devices);
                }
            }
            (Asked::Keys(count), Told::NoNode) => typist.sheet.take_back(count),
            (Asked::Keys(count), Told::Late) => typist.sheet.doubt(count),
            (Asked::Keys(count), Told::Answer(response)) if *response != Response::Done => {
                typist.sheet.take_back(count);
            }
            (Asked::Look { is_watched }, Told::Answer(response)) => {
                if let Response::Seen(picture) = *response {
                    self.on_seen(node, is_watched, &picture);
                }
            }
            // Of a node that has ended the last keys may be lost.
            _ => {}
        }
    }

    fn on_devices_told(&mut self, devices: &[DeviceInfo]) {
        let typist = self.typist.as_mut().expect("he has asked");
        for device in devices {
            let home = typist.nodes.get(&device.node).copied();
            let known = match device.name.as_str() {
                DISPLAY => &mut typist.display,
                _ => &mut typist.keyboard,
            };
            if *known != home {
                self.counts.moved += u64::from(known.is_some());
                *known = home;
                let name = &device.name;
                self.trace
                    .note(self.now, format_args!("the {name} is at {home:?}"));
            }
            if device.faults > 0 || device.state != DeviceState::Driven {
                let detail = format!("{device:?}, expected a driver that never fails");
                return self.fail(Property::Device, detail);
            }
        }
    }

    fn on_seen(&mut self, node: Pid, is_watched: bool, picture: &Picture) {
        let misread = picture.misread;
        if misread > 0 {
            let name = self.name_of(node);
            let detail = format!("{misread} writes to the display of {name} were misread");
            return self.fail(Property::Device, detail);
        }
        if !is_watched {
            return;
        }
        let typist = self.typist.as_mut().expect("he has asked");
        let (before, stage) = (typist.sheet.shown(), typist.stage);
        let seen = typist.see(picture);
        self.counts.echoed += (typist.sheet.shown() - before.min(typist.sheet.shown())) as u64;
        let now = typist.stage;
        if now != stage {
            self.note(format_args!("the typist sees: {now:?}"));
        }
        if let Err(why) = seen {
            let detail = format!("the display of {}: {why}", self.name_of(node));
            self.fail(Property::Device, detail);
        }
    }
}

fn key(code: u16, character: Option<char>) -> [[u8; InputEvent::BYTES]; 2] {
    [true, false].map(|is_down| {
        let event = InputEvent::Key {
            code,
            is_down,
            character,
        };
        event.encode()
    })
}

fn any_of<T: Copy>(all: &[T], prng: &mut Prng) -> T {
    all[usize::try_from(prng.below(all.len() as u64)).expect("few")]
}
