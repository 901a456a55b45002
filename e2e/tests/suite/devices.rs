//! Devices and their drivers: what a display shows stays, whichever node is lost; drivers that are
//! replaced, that fail, that are not allowed.
use std::fs;

use adapter::display::{COLUMNS, Mode};
use adapter::input::InputEvent;
use admin::{DeviceInfo, DeviceState, Picture, Request};
use cli::client::Client;
use e2e::{Machine, Started, eventually};

const BRITTLE: &str = include_str!("brittle.wat");
const POKER: &str = include_str!("poker.wat");
/// The key F1 of the USB tables; F2 and so on follow.
const F1: u16 = 0x3A;

/// A cluster whose display somebody paints or types on.
pub(crate) struct Studio {
    pub(crate) machine: Machine,
    programs: Vec<Started>,
}

impl Studio {
    pub(crate) fn new(name: &str, mode: &str) -> Self {
        let mut machine = Machine::with_cluster(name);
        let lines: [&[&str]; 3] = [
            &["run", "display"],
            &["run", "input"],
            &["run", "board", "--", mode],
        ];
        let programs = lines.map(|line| machine.start(line)).into();
        let studio = Self { machine, programs };
        // The board has the display and the keyboard.
        studio.machine.wait_sessions(4);
        studio
    }

    fn device(&self, name: &str) -> Option<DeviceInfo> {
        let devices = self.machine.client().devices().ok()?;
        devices.into_iter().find(|one| one.name == name)
    }

    /// The number of the node that has a device, and a connection to it.
    pub(crate) fn home(&self, name: &str) -> Option<(u32, Client)> {
        let device = self.device(name)?;
        let (_, status) = self.machine.leader();
        let node = status.nodes.iter().find(|one| one.node == device.node)?;
        let number = node.name.strip_prefix("node-")?.parse().ok()?;
        let nodes = self.machine.running().nodes;
        let door = nodes.iter().find(|one| one.number == number)?.tools;
        Some((number, Client::connect(door).ok()?))
    }

    pub(crate) fn look(&self) -> Option<Picture> {
        let (_, mut client) = self.home("display")?;
        let picture = client.look(0).ok()?;
        assert_eq!(
            picture.misread, 0,
            "a display is told nothing that is meant for another mode"
        );
        Some(picture)
    }

    pub(crate) fn feel(&self, events: &[InputEvent]) {
        let events: Vec<[u8; 8]> = events.iter().map(|event| event.encode()).collect();
        eventually(
            "a node takes what is done with keyboard and pointer",
            || {
                let (_, mut client) = self.home("input")?;
                let events = events.clone();
                client.ask(&Request::Feel { events }).ok()
            },
        );
    }

    pub(crate) fn press(&self, code: u16, character: Option<char>) {
        self.feel(&[InputEvent::Key {
            code,
            is_down: true,
            character,
        }]);
    }

    /// Paints from one corner to another, and waits until that is to be seen.
    fn paint(&self, from: (u16, u16), to: (u16, u16)) {
        let before = eventually("the display is there", || self.look());
        let at = |(x, y), buttons| InputEvent::Pointer {
            x,
            y,
            buttons,
            whose: 0,
        };
        self.feel(&[at(from, 1), at(to, 1), at(to, 0)]);
        eventually("it is painted", || {
            (self.look()?.chunks != before.chunks).then_some(())
        });
    }

    /// The mode, and all that is shown.
    fn shown(&self) -> Option<(u8, Vec<u8>)> {
        let picture = self.look()?;
        let chunks = picture.chunks.into_iter();
        Some((picture.mode, chunks.flat_map(|(_, bytes)| bytes).collect()))
    }

    /// What is typed on a board with text; none while the display is being brought back.
    pub(crate) fn text(&self) -> Option<String> {
        let picture = self.look()?;
        if picture.mode != Mode::Text.number() || picture.cursor[0] == 0 {
            return None;
        }
        let [_, column, row] = picture.cursor.map(usize::from);
        let cells = picture.chunks[0].1.chunks_exact(2);
        let typed = cells.take(row * COLUMNS + column);
        Some(typed.map(|cell| char::from(cell[0])).collect())
    }

    pub(crate) fn kill_home_of(&mut self, name: &str) {
        let (number, _) = self.home(name).expect("somebody has it");
        let node = format!("node-{number}");
        self.machine.run(&["kill", &node]).ok();
    }
}

#[test]
fn the_picture_is_the_same_when_another_node_shows_it() {
    let mut studio = Studio::new("devices-picture", "640");
    studio.paint((10_000, 20_000), (60_000, 50_000));
    studio.press(F1 + 1, None);
    eventually("the mode is another one", || {
        (studio.look()?.mode == Mode::Low.number()).then_some(())
    });
    studio.paint((60_000, 20_000), (5_000, 60_000));
    let before = studio.shown().unwrap();
    let shot = studio.machine.file("before.png");
    studio.machine.run(&["screenshot", "--out", &shot]).ok();
    studio.kill_home_of("display");
    eventually("another node shows the same", || {
        (studio.shown()? == before).then_some(())
    });
    let again = studio.machine.file("after.png");
    studio.machine.run(&["screenshot", "--out", &again]).ok();
    assert_eq!(fs::read(shot).unwrap(), fs::read(again).unwrap());
    studio.paint((20_000, 60_000), (20_000, 20_000));
    // And when all is off and on again.
    let before = studio.shown().unwrap();
    studio.machine.kill_all();
    studio.machine.up(&[]);
    eventually("the cluster shows the same again", || {
        (studio.shown()? == before).then_some(())
    });
}

#[test]
fn what_was_echoed_stays_and_nothing_is_echoed_twice() {
    let mut studio = Studio::new("devices-echo", "text");
    let mut typed = String::new();
    let mut shown = String::new();
    for round in 0..4 {
        for letter in 'a'..='t' {
            studio.press(4, Some(letter));
            typed.push(letter);
            if letter == 'j' && round > 0 {
                studio.kill_home_of("input");
            }
        }
        // The last key is pressed until it is heard: those before may be lost with their node.
        let text = eventually("somebody hears a key", || {
            studio.press(4, Some('.'));
            let text = eventually("the display is there", || studio.text());
            text.ends_with('.').then_some(text)
        });
        assert!(text.starts_with(&shown), "{text:?} after {shown:?}");
        let news: String = text[shown.len()..]
            .chars()
            .filter(|one| *one != '.')
            .collect();
        let mut rest = typed.chars();
        assert!(
            news.chars().all(|letter| rest.any(|one| one == letter)),
            "{news:?} of {typed:?}"
        );
        if round == 0 {
            assert_eq!(news, typed);
        }
        typed.clear();
        shown = eventually("all keys are shown", || {
            let text = studio.text()?;
            (studio.text()? == text).then_some(text)
        });
        studio.machine.wait_members(3);
    }
}

#[test]
fn a_driver_is_replaced_while_its_users_go_on() {
    let mut studio = Studio::new("devices-replace", "320");
    studio.paint((10_000, 20_000), (60_000, 50_000));
    let before = studio.shown().unwrap();
    let first = studio.device("display").unwrap();
    let second = studio.machine.start(&["run", "display"]);
    let replaced = studio.programs.remove(0);
    replaced.wait().ok();
    let device = studio.device("display").unwrap();
    assert_ne!(device.process, first.process);
    assert_eq!(device.state, DeviceState::Driven);
    eventually("the new driver shows the same", || {
        (studio.shown()? == before).then_some(())
    });
    studio.paint((60_000, 20_000), (5_000, 60_000));
    drop(second);
}

#[test]
fn a_driver_that_fails_is_tried_again_and_then_its_device_is_offline() {
    let mut machine = Machine::with_cluster("devices-brittle");
    let brittle = machine.write("brittle.wasm", wat::parse_str(BRITTLE).unwrap());
    let poker = machine.write("poker.wasm", wat::parse_str(POKER).unwrap());
    let driver = machine.start(&["run", &brittle]);
    eventually("the console has a driver", || {
        let devices = machine.client().devices().ok()?;
        devices.first().map(|_| ())
    });
    // Whoever uses it is told each time, and in the end that there is nobody.
    machine.run(&["run", &poker]);
    let done = eventually("whoever uses it has ended", || {
        let processes = machine.client().processes().ok()?;
        let poker = processes.into_iter().find(|one| one.program == "poker")?;
        poker.state.is_final().then_some(poker.state)
    });
    assert_eq!(done, admin::ProcessState::Done(3));
    let failed = driver.wait();
    assert!(
        failed.err.contains("driver has failed (2 of 3)"),
        "{failed:#?}"
    );
    failed.refused(&["unreachable"]);
    let list = machine.run(&["devices"]).ok().out;
    assert!(
        list.contains("offline") && list.contains("unreachable"),
        "{list}"
    );
    // The node lives, and the device is there for the next one.
    let next = machine.start(&["run", "console"]);
    eventually("the console has another driver", || {
        let devices = machine.client().devices().ok()?;
        let console = devices.into_iter().find(|one| one.name == "console")?;
        (console.state == DeviceState::Driven && console.faults == 0).then_some(())
    });
    machine.check_bank();
    drop(next);
}

/// Each time its device begins with the fallback object, of which a step that was stopped has
/// changed nothing; and so does the next driver's.
#[test]
fn a_driver_that_never_comes_back_is_stopped_and_in_the_end_another_takes_its_place() {
    let mut machine = Machine::with_cluster("devices-overrun");
    let [overrunner, successor, visitor] = [
        ("overrunner", include_str!("overrunner.wat")),
        ("successor", include_str!("successor.wat")),
        ("visitor", include_str!("visitor.wat")),
    ]
    .map(|(name, text)| machine.write(&format!("{name}.wasm"), wat::parse_str(text).unwrap()));
    let driver = machine.start(&["run", &overrunner]);
    for fault in 1..=3 {
        eventually(
            &format!("the driver has line {fault} to its device"),
            || {
                let lines = machine.run(&["call", "overrunner", "lines", "--query"]);
                (lines.out.trim() == fault.to_string()).then_some(())
            },
        );
        assert_eq!(visit(&mut machine, &visitor), 1, "who uses it is told");
    }
    let failed = driver.wait();
    for word in ["driver has failed (1 of 3)", "driver has failed (2 of 3)"] {
        assert!(failed.err.contains(word), "{failed:#?}");
    }
    failed.refused(&["ran longer than it may"]);
    assert_eq!(visit(&mut machine, &visitor), 2, "nobody serves any more");
    let list = machine.run(&["devices"]).ok().out;
    assert!(list.contains("offline"), "{list}");
    machine.check_bank();

    machine.run(&["run", "-d", &successor]).ok();
    let found = ["call", "successor", "found", "--query"];
    assert_eq!(machine.run(&found).ok().out.trim(), "3");
    let console = machine.client().devices().unwrap().remove(0);
    assert_eq!((console.state, console.faults), (DeviceState::Driven, 0));
}

/// Runs the newest of all programs, which is this one, to its end; returns its value.
fn visit(machine: &mut Machine, module: &str) -> i64 {
    machine.run(&["run", module]).ok();
    let processes = machine.client().processes().unwrap();
    let visitor = processes.into_iter().max_by_key(|one| one.process).unwrap();
    match visitor.state {
        admin::ProcessState::Done(value) => value,
        state => panic!("{} has ended as {state:?}", visitor.program),
    }
}

#[test]
fn a_device_that_a_module_does_not_declare_is_refused() {
    let mut machine = Machine::with_cluster("devices-declared");
    let text = BRITTLE.replace("(@custom \"plurix.devices\" \"console\")", "");
    let undeclared = machine.write("undeclared.wasm", wat::parse_str(text).unwrap());
    machine
        .run(&["run", &undeclared])
        .refused(&["console", "does not declare", "plurix.devices"]);
    let list = machine.run(&["devices"]).ok().out;
    assert!(!list.contains("console"), "{list}");
}
