//! The dashboard in a browser: its page as people use it. Leaves photographs of it in
//! `target/artefacts`.
#![expect(
    clippy::tests_outside_test_module,
    reason = "an integration test is nothing but tests"
)]
mod chromium;

use adapter::display::{COLUMNS, Mode};
use cli::client::Client;
use e2e::{Machine, Started, artefact, eventually};
use serde_json::Value;

use chromium::Browser;

/// The colour of a place of the display, by what the page has drawn.
fn colour(browser: &mut Browser, x: u32, y: u32) -> Option<[u64; 3]> {
    let data = browser.value(&format!(
        "[...canvas.getContext('2d').getImageData({x}, {y}, 1, 1).data]"
    ));
    let part = |at: usize| data.get(at).and_then(Value::as_u64);
    Some([part(0)?, part(1)?, part(2)?])
}

/// A place of the display as one of the window.
fn place(browser: &mut Browser, x: f64, y: f64) -> (f64, f64) {
    let place = browser.value(&format!(
        "(({{ left, top, width, height }}) => [
            left + {x} * width / canvas.width, top + {y} * height / canvas.height,
        ])(canvas.getBoundingClientRect())"
    ));
    (place[0].as_f64().unwrap(), place[1].as_f64().unwrap())
}

/// All that the display shows, as text that is another one when it is another picture.
fn shown(browser: &mut Browser) -> String {
    let data = browser.value("canvas.toDataURL()");
    data.as_str().unwrap().to_owned()
}

fn home(browser: &mut Browser) -> Option<String> {
    let text = browser.value("document.getElementById('home').textContent");
    Some(text.as_str()?.strip_suffix(" has the display")?.to_owned())
}

/// What the display of this node has in its first row, if that is text.
fn text(machine: &Machine, node: &str) -> Option<String> {
    let nodes = machine.running().nodes;
    let node = nodes
        .iter()
        .find(|one| format!("node-{}", one.number) == node)?;
    let picture = Client::connect(node.tools).ok()?.look(0).ok()?;
    let cells = picture.chunks.first()?.1.chunks(2).take(COLUMNS);
    let row: String = cells.map(|cell| char::from(cell[0])).collect();
    (picture.mode == Mode::Text.number()).then(|| row.trim_matches(['\0', ' ']).to_owned())
}

/// Whether the page shows a character in this column of the first row.
fn has_character(browser: &mut Browser, column: u32) -> bool {
    let x = column * 8;
    let data = format!("canvas.getContext('2d').getImageData({x}, 0, 8, 14).data");
    // Every fourth byte says that the pixel is opaque.
    browser.value(&format!(
        "{data}.some((part, at) => at % 4 < 3 && part > 0)"
    )) == true
}

/// Somebody else looks at the same board, and paints on it; then it has another mode, and a line.
fn paint_together(browser: &mut Browser, other: &mut Browser) {
    eventually("both see the same", || {
        (shown(other) == shown(browser)).then_some(())
    });
    let ends = [(100.0, 400.0), (500.0, 100.0)].map(|(x, y)| place(other, x, y));
    other.drag(ends[0], ends[1]);
    eventually("the first one sees it", || {
        let is_seen = colour(browser, 200, 325)? != [0; 3];
        (is_seen && shown(other) == shown(browser)).then_some(())
    });

    // Another mode just before the node is lost: it shows that one, as it was.
    browser.press("F2", "F2");
    eventually("both see another mode", || {
        let heights = [&mut *browser, &mut *other].map(|one| one.value("canvas.height"));
        heights.iter().all(|height| *height == 200).then_some(())
    });
    let ends = [(20.0, 60.0), (200.0, 120.0)].map(|(x, y)| place(browser, x, y));
    let empty = shown(browser);
    browser.drag(ends[0], ends[1]);
    eventually("both see the line", || {
        let line = shown(browser);
        (line != empty && shown(other) == line).then_some(())
    });
    browser.photograph(&artefact("dashboard-mode.png"));
}

/// What was shown stays, and nothing comes twice.
fn type_while_its_node_is_lost(machine: &mut Machine, browser: &mut Browser, node: &str) {
    let killing = machine.start(&["kill", node]);
    for letter in 'a'..='t' {
        let code = format!("Key{}", letter.to_ascii_uppercase());
        browser.press(&code, &letter.to_string());
    }
    killing.wait().ok();
    let typed = eventually("somebody hears a key", || {
        browser.press("Period", ".");
        let third = home(browser).filter(|home| *home != node)?;
        text(machine, &third).filter(|text| text.ends_with('.'))
    });
    let news = typed.strip_prefix("plurix").expect("it was shown");
    let mut all = 'a'..='t';
    let mut news = news.chars().filter(|letter| *letter != '.');
    assert!(news.all(|letter| all.any(|one| one == letter)), "{typed:?}");
}

#[test]
fn people_paint_and_type_in_a_browser_whichever_node_is_lost() {
    let mut machine = Machine::with_cluster("browser");
    let lines: [&[&str]; 4] = [
        &["run", "display"],
        &["run", "input"],
        &["run", "board", "--", "640"],
        &["dashboard", "--listen", "127.0.0.1:0"],
    ];
    let programs: Vec<Started> = lines.iter().map(|line| machine.start(line)).collect();
    let address = programs[3].announced("http://");
    let mut browser = Browser::open(&format!("http://{address}/"), &machine.file("chromium"));
    machine.wait_sessions(4);
    eventually("the board is shown", || {
        (colour(&mut browser, 620, 10)? == [255; 3]).then_some(())
    });

    // Picks red from the row of colours, then paints.
    let red = place(&mut browser, 180.0, 10.0);
    browser.drag(red, red);
    let ends = [(100.0, 100.0), (500.0, 400.0)].map(|(x, y)| place(&mut browser, x, y));
    browser.drag(ends[0], ends[1]);
    eventually("the line is painted", || {
        (colour(&mut browser, 300, 250)? == [0xAA, 0, 0]).then_some(())
    });
    browser.photograph(&artefact("dashboard-painted.png"));

    let mut other = Browser::open(&format!("http://{address}/"), &machine.file("other"));
    paint_together(&mut browser, &mut other);

    let first = home(&mut browser).unwrap();
    let before = shown(&mut browser);
    machine.run(&["kill", &first]).ok();
    let second = eventually("another node shows the same", || {
        let home = home(&mut browser)?;
        (home != first && shown(&mut browser) == before).then_some(home)
    });
    assert_ne!(first, second);
    browser.photograph(&artefact("dashboard-other-node.png"));

    // What is pressed before there is a keyboard again is lost.
    eventually("the board has text", || {
        browser.press("F1", "F1");
        (browser.value("canvas.height") == 400).then_some(())
    });
    for letter in "plurix".chars() {
        let code = format!("Key{}", letter.to_ascii_uppercase());
        browser.press(&code, &letter.to_string());
    }
    eventually("the page shows all that is typed", || {
        (text(&machine, &second)? == "plurix" && has_character(&mut browser, 5)).then_some(())
    });
    browser.photograph(&artefact("dashboard-typed.png"));

    type_while_its_node_is_lost(&mut machine, &mut browser, &second);
    eventually("both see the same", || {
        (shown(&mut other) == shown(&mut browser)).then_some(())
    });
}
