//! A machine without a system: its own screen, keyboard and mouse, by what QEMU sees and presses.
//! Leaves photographs of the screen in `target/artefacts`.
#![expect(
    clippy::tests_outside_test_module,
    reason = "an integration test is nothing but tests"
)]
mod monitor;
mod reset;

use admin::Picture;
use cli::client::Client;
use e2e::{Machine, artefact, eventually};
use screen::Screen;

use crate::monitor::{Monitor, Photograph};

/// The node on bare metal; it leads.
const METAL: u32 = 1;
/// The one that has a compiler.
const LINUX: &str = "node-2";

/// What the display of that node has.
fn display(machine: &Machine, node: u32) -> Option<Picture> {
    let nodes = machine.running().nodes;
    let node = nodes.iter().find(|one| one.number == node)?;
    Client::connect(node.tools).ok()?.look(0).ok()
}

/// The same as it is to be seen in pixels.
fn rendered(machine: &Machine) -> Option<Photograph> {
    let mut screen = Screen::default();
    screen.apply(&display(machine, METAL)?).ok()?;
    let image = screen.render();
    let pixels = image.rgba().chunks(4).flat_map(|pixel| &pixel[..3]);
    Some(Photograph {
        width: image.width(),
        height: image.height(),
        pixels: pixels.copied().collect(),
    })
}

/// Waits until the screen shows what the display has, in pixels of this width.
fn wait_shown(machine: &Machine, monitor: &mut Monitor, width: usize) -> Photograph {
    eventually("the screen shows what the display has", || {
        let expected = rendered(machine)?;
        let found = monitor.photograph();
        (found == expected && found.width == width).then_some(found)
    })
}

/// Waits until the screen shows what the display has, and over it an arrow that points there.
/// Returns what the display has.
fn wait_arrow(machine: &Machine, monitor: &mut Monitor, at: (usize, usize)) -> Photograph {
    eventually(
        "the screen shows an arrow, and beside it what the display has",
        || {
            let expected = rendered(machine)?;
            let found = monitor.photograph();
            let is_beside = found.is_like(&expected, |x, y| !is_arrow(at, (x, y)));
            // Its point is dark, and what is within it bright, whatever is below it.
            let edges = [(0, 0), (0, 5), (5, 5), (0, 15)];
            let inside = [(1, 2), (1, 8), (4, 6), (2, 11)];
            let is_seen = |there: &[(usize, usize)], colour: [u8; 3]| {
                let mut there = there.iter().map(|(x, y)| (at.0 + x, at.1 + y));
                there.all(|place| found.pixel(place) == colour)
            };
            let is_drawn = is_seen(&edges, [0; 3]) && is_seen(&inside, [0xff; 3]);
            (is_beside && is_drawn).then_some(expected)
        },
    )
}

/// Whether an arrow that points there may be seen here.
fn is_arrow(at: (usize, usize), (x, y): (usize, usize)) -> bool {
    (at.0..at.0 + 12).contains(&x) && (at.1..at.1 + 19).contains(&y)
}

/// Where the pointer is in pixels of this size, so many steps of the mouse from the middle.
fn pointed((right, down): (i32, i32), (width, height): (usize, usize)) -> (usize, usize) {
    let part = |steps: i32, most: i32, length: usize| {
        let place = usize::try_from(32_768 + steps * (65_535 / most)).expect("in the picture");
        (place * length) >> 16
    };
    (part(right, 1024, width), part(down, 768, height))
}

/// Waits until the screen shows text that ends with this.
fn wait_text(machine: &Machine, monitor: &mut Monitor, end: &str) {
    eventually(&format!("the screen ends with {end:?}"), || {
        let text = monitor.text();
        let expected = display(machine, METAL)?.chunks.first()?.1.clone();
        (text.ends_with(end) && monitor.cells() == expected).then_some(())
    });
}

/// Without a disk it keeps everything in its memory.
#[test]
fn a_machine_has_after_a_reset_what_it_had_before() {
    let mut machine = Machine::new("kept");
    machine.boot(&["--headless", "--disk", "0"]);
    machine.check_bank();
    let processes = machine.client().processes().unwrap();
    let mut monitor = Monitor::of(&machine.node(METAL));
    monitor.reset();
    eventually("the machine starts again", || {
        let log = std::fs::read_to_string(machine.node(METAL).join("log")).ok()?;
        (log.matches("the first transaction").count() == 2).then_some(())
    });
    machine.wait_members(1);
    let after = machine.client().processes().unwrap();
    assert_eq!(after.len(), processes.len(), "{after:#?}");
    machine.check_bank();
    machine.down();
}

#[test]
fn the_machines_own_screen_and_keyboard_are_those_of_the_cluster() {
    let mut machine = Machine::new("screen");
    machine.boot(&["--nodes", "1", "--mixed", "1", "--headless"]);
    let mut monitor = Monitor::of(&machine.node(METAL));
    eventually("the screen says that the node is ready", || {
        let text = monitor.text();
        text.contains("plurix-node ready").then_some(())
    });
    monitor.keep(&artefact("screen-log.png"));

    for program in ["display", "input", "console", "shell"] {
        let _ = machine.run(&["run", "-d", program]).ok();
    }
    machine.wait_sessions(6);
    wait_text(&machine, &mut monitor, ">");
    monitor.write("help\n");
    eventually("the shell helps", || {
        monitor.text().contains("ps").then_some(())
    });
    monitor.keep(&artefact("screen-shell.png"));

    // A node is lost while somebody types.
    let letters = "the quick brown fox jumps over the lazy dog";
    let (first, second) = letters.split_at(20);
    monitor.write("clear\n");
    wait_text(&machine, &mut monitor, ">");
    monitor.write(first);
    machine.run(&["kill", LINUX]).ok();
    monitor.write(second);
    wait_text(&machine, &mut monitor, &format!("> {letters}"));
    machine.wait_members(2);
    monitor.press(&["ret"]);

    let painted = paint(&mut machine, &mut monitor);

    // The machine starts again on its own: the screen is as it was.
    let _ = machine.run(&["drain", LINUX]).ok();
    machine.wait_members(1);
    monitor.reset();
    eventually("the machine starts again", || {
        monitor.text().contains("kernel entered").then_some(())
    });
    monitor.keep(&artefact("screen-restart.png"));
    eventually("the picture is the same", || {
        (monitor.photograph() == painted).then_some(())
    });
    monitor.keep(&artefact("screen-again.png"));

    // In text again.
    monitor.press(&["f1"]);
    monitor.write("text again");
    wait_text(&machine, &mut monitor, "text again");
    monitor.keep(&artefact("screen-text.png"));
    point_at_text(&machine, &mut monitor);
}

/// Pixels, and a mouse. Returns what the display has in the end.
fn paint(machine: &mut Machine, monitor: &mut Monitor) -> Photograph {
    let _ = machine.run(&["run", "-d", "board", "--", "640"]).ok();
    machine.wait_sessions(10);
    wait_shown(machine, monitor, 640);
    monitor.drag((0, 0), false);
    monitor.drag((60, 40), true);
    monitor.drag((-100, 30), true);
    monitor.drag((0, 0), false);
    // A step of the mouse is a pixel of the largest picture.
    let end = (319 - 40 * 640 / 1024, 239 + 70 * 480 / 768);
    eventually("the last of it is painted", || {
        monitor.photograph().is_lit(end).then_some(())
    });
    // The arrow is over what is painted, and never in it.
    wait_arrow(machine, monitor, pointed((-40, 70), (640, 480)));
    monitor.drag((140, 30), false);
    wait_arrow(machine, monitor, pointed((100, 100), (640, 480)));
    monitor.drag((-60, -20), false);
    let painted = wait_arrow(machine, monitor, pointed((40, 80), (640, 480)));
    monitor.keep(&artefact("screen-painted.png"));
    painted
}

/// The pointer exchanges the colours of the cell that it is on, whatever is written there.
fn point_at_text(machine: &Machine, monitor: &mut Monitor) {
    monitor.drag((100, 100), false);
    let (column, row) = pointed((100, 100), (80, 25));
    for _ in 0..2 {
        eventually("the pointer is on its cell, and on no other", || {
            let mut expected = display(machine, METAL)?.chunks.first()?.1.clone();
            let attribute = &mut expected[2 * (80 * row + column) + 1];
            // Where both colours are the same, as where nothing was ever written, the ground is
            // another one.
            *attribute = match attribute.rotate_left(4) {
                same if same == *attribute => same ^ 0xf0,
                other => other,
            };
            (monitor.cells() == expected).then_some(())
        });
        monitor.write("help\nhelp\nhelp\n");
    }
}
