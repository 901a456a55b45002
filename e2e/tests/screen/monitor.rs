//! A machine that QEMU makes, from outside: its keys, its mouse, what its screen shows.
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use e2e::eventually;
use serde_json::{Value, json};

/// Where a screen of text has it, and how long it is.
const TEXT: (u64, u64) = (0xB8000, 80 * 25 * 2);

/// A connection to QEMU.
pub(crate) struct Monitor {
    stream: BufReader<UnixStream>,
    directory: PathBuf,
}

/// What is to be seen.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Photograph {
    pub(crate) width: usize,
    pub(crate) height: usize,
    /// Red, green, blue of each pixel.
    pub(crate) pixels: Vec<u8>,
}

impl Photograph {
    /// Whether something is to be seen there.
    pub(crate) fn is_lit(&self, place: (usize, usize)) -> bool {
        self.pixel(place) != [0; 3]
    }

    /// The colour that is to be seen there.
    pub(crate) fn pixel(&self, (x, y): (usize, usize)) -> [u8; 3] {
        let (pixels, _) = self.pixels.as_chunks();
        pixels[y * self.width + x]
    }

    /// Whether it shows the same in these places.
    pub(crate) fn is_like(&self, other: &Self, there: impl Fn(usize, usize) -> bool) -> bool {
        let size = |one: &Self| (one.width, one.height);
        let mut places = (0..self.height).flat_map(|y| (0..self.width).map(move |x| (x, y)));
        size(self) == size(other)
            && places.all(|(x, y)| !there(x, y) || self.pixel((x, y)) == other.pixel((x, y)))
    }
}

impl Monitor {
    /// That of the machine in this directory.
    pub(crate) fn of(directory: &Path) -> Self {
        let stream = eventually("QEMU listens", || {
            UnixStream::connect(directory.join("qmp")).ok()
        });
        let mut monitor = Self {
            stream: BufReader::new(stream),
            directory: directory.to_owned(),
        };
        let mut greeting = String::new();
        monitor.stream.read_line(&mut greeting).unwrap();
        monitor.order("qmp_capabilities", &json!({}));
        monitor
    }

    /// Presses keys together, and lets them go.
    pub(crate) fn press(&mut self, keys: &[&str]) {
        for is_down in [true, false] {
            let event = |key: &&str| {
                let key = json!({ "type": "qcode", "data": key });
                json!({ "type": "key", "data": { "down": is_down, "key": key } })
            };
            let events: Vec<Value> = keys.iter().map(event).collect();
            self.order("input-send-event", &json!({ "events": events }));
        }
    }

    /// Types small letters, digits and spaces.
    pub(crate) fn write(&mut self, text: &str) {
        for character in text.chars() {
            match character {
                ' ' => self.press(&["spc"]),
                '\n' => self.press(&["ret"]),
                _ => self.press(&[&character.to_string()]),
            }
        }
    }

    /// Moves the mouse by so many of its steps, with its first button down or not.
    pub(crate) fn drag(&mut self, (right, down): (i32, i32), is_pressed: bool) {
        let button = json!({ "button": "left", "down": is_pressed });
        let events = [json!({ "type": "btn", "data": button })];
        self.order("input-send-event", &json!({ "events": events }));
        let events = [("x", right), ("y", down)].map(|(axis, steps)| {
            let distance = json!({ "axis": axis, "value": steps });
            json!({ "type": "rel", "data": distance })
        });
        self.order("input-send-event", &json!({ "events": events }));
    }

    /// As if somebody pressed the button for it.
    pub(crate) fn reset(&mut self) {
        self.order("system_reset", &json!({}));
    }

    /// The characters and attributes that the adapter has.
    pub(crate) fn cells(&mut self) -> Vec<u8> {
        let file = self.directory.join("cells");
        let place = json!({ "val": TEXT.0, "size": TEXT.1, "filename": file });
        self.order("pmemsave", &place);
        fs::read(file).unwrap()
    }

    /// What the screen shows in text, a row a line, without what is blank.
    pub(crate) fn text(&mut self) -> String {
        let rows = self.cells().chunks(160).map(row).collect::<Vec<_>>();
        rows.join("\n").trim().to_owned()
    }

    /// What the screen shows.
    pub(crate) fn photograph(&mut self) -> Photograph {
        let file = self.directory.join("picture");
        self.order("screendump", &json!({ "filename": file }));
        let bytes = fs::read(file).unwrap();
        // A line for the kind, one for the size, one for the most that a colour has.
        let mut lines = bytes.splitn(4, |byte| *byte == b'\n').skip(1);
        let size = String::from_utf8(lines.next().unwrap().to_vec()).unwrap();
        let (width, height) = size.split_once(' ').unwrap();
        Photograph {
            width: width.parse().unwrap(),
            height: height.parse().unwrap(),
            pixels: lines.nth(1).unwrap().to_vec(),
        }
    }

    /// Keeps what the screen shows for people.
    pub(crate) fn keep(&mut self, file: &Path) {
        self.order("screendump", &json!({ "filename": file, "format": "png" }));
    }

    fn order(&mut self, verb: &str, arguments: &Value) -> Value {
        let order = json!({ "execute": verb, "arguments": arguments });
        let line = format!("{order}\n");
        self.stream.get_mut().write_all(line.as_bytes()).unwrap();
        loop {
            let mut line = String::new();
            assert!(self.stream.read_line(&mut line).unwrap() > 0, "QEMU ended");
            let mut answer: Value = serde_json::from_str(&line).unwrap();
            assert!(answer.get("error").is_none(), "{verb}: {answer}");
            if let Some(answer) = answer.get_mut("return") {
                return answer.take();
            }
        }
    }
}

fn row(cells: &[u8]) -> String {
    let row: String = cells.chunks(2).map(|cell| char::from(cell[0])).collect();
    row.replace('\0', " ").trim_end().to_owned()
}
