//! The dashboard, as its page sees it: pictures come, keys go, whichever node is lost.
use std::io;
use std::net::TcpStream;
use std::time::Duration;

use e2e::{Machine, Started, eventually};
use screen::{Image, PIXEL_BYTES, Screen};
use serde_json::Value;
use tungstenite::client::IntoClientRequest;
use tungstenite::{Error, HandshakeError, Message, WebSocket};

use crate::devices::Studio;

/// Nothing more comes within less.
const QUIET: Duration = Duration::from_millis(20);

/// A page that is open.
struct Watcher {
    socket: WebSocket<TcpStream>,
    size: (usize, usize),
    rgba: Vec<u8>,
    news: Value,
}

impl Watcher {
    /// Opens a line for a page of this origin; the status with which that is refused.
    fn open(address: &str, origin: &str) -> Result<Self, u16> {
        let mut request = format!("ws://{address}/watch")
            .into_client_request()
            .unwrap();
        request
            .headers_mut()
            .insert("Origin", origin.parse().unwrap());
        let stream = TcpStream::connect(address).unwrap();
        match tungstenite::client(request, stream) {
            Ok((socket, _)) => {
                socket.get_ref().set_read_timeout(Some(QUIET)).unwrap();
                Ok(Self {
                    socket,
                    size: (0, 0),
                    rgba: Vec::new(),
                    news: Value::Null,
                })
            }
            Err(HandshakeError::Failure(Error::Http(response))) => Err(response.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    /// A line for the dashboard's own page, which knows where the keyboard is: what is pressed
    /// before is lost.
    fn of(address: &str) -> Self {
        let mut watcher = Self::open(address, &format!("http://{address}")).unwrap();
        eventually("the page is told where the keyboard is", || {
            watcher.hear();
            watcher.home("input")
        });
        watcher
    }

    /// Takes over what has come.
    fn hear(&mut self) {
        loop {
            match self.socket.read() {
                Ok(Message::Text(text)) => self.news = serde_json::from_str(&text).unwrap(),
                Ok(Message::Binary(frame)) => self.draw(&frame),
                Ok(other) => panic!("{other:?}"),
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn draw(&mut self, mut frame: &[u8]) {
        let number = |frame: &mut &[u8]| {
            let (bytes, rest) = frame.split_first_chunk().unwrap();
            *frame = rest;
            usize::from(u16::from_le_bytes(*bytes))
        };
        let size = (number(&mut frame), number(&mut frame));
        if size != self.size {
            self.size = size;
            self.rgba = vec![0; size.0 * size.1 * PIXEL_BYTES];
        }
        while !frame.is_empty() {
            let [x, y, width, height] = [(); 4].map(|()| number(&mut frame));
            for row in y..y + height {
                let (pixels, rest) = frame.split_at(width * PIXEL_BYTES);
                frame = rest;
                let at = (row * size.0 + x) * PIXEL_BYTES;
                self.rgba[at..at + pixels.len()].copy_from_slice(pixels);
            }
        }
    }

    fn shows(&self, image: &Image) -> bool {
        self.size == (image.width(), image.height()) && self.rgba == image.rgba()
    }

    /// Presses a key and lets it go.
    fn press(&mut self, code: u16, character: &str) {
        for is_down in [true, false] {
            let key = serde_json::json!({
                "kind": "key", "code": code, "is_down": is_down, "character": character,
            });
            self.socket.send(Message::text(key.to_string())).unwrap();
        }
    }

    /// The name of the node that has this device, as the page is told.
    fn home(&self, device: &str) -> Option<String> {
        let find = |list: &str, key: &str, value: &Value| {
            let all = self.news.pointer(list)?.as_array()?;
            all.iter().find(|one| one[key] == *value).cloned()
        };
        let device = find("/devices", "name", &device.into())?;
        let node = find("/status/nodes", "node", &device["node"])?;
        Some(node["name"].as_str()?.to_owned())
    }
}

/// A dashboard and its address.
fn dashboard(machine: &mut Machine) -> (Started, String) {
    let started = machine.start(&["dashboard", "--listen", "127.0.0.1:0"]);
    let address = started.announced("http://");
    (started, address)
}

/// What the display shows.
fn image(studio: &Studio) -> Option<Image> {
    let mut screen = Screen::default();
    screen.apply(&studio.look()?).unwrap();
    Some(screen.render())
}

#[test]
fn a_page_sees_and_types_whichever_node_is_lost() {
    let mut studio = Studio::new("dashboard", "text");
    let (_dashboard, address) = dashboard(&mut studio.machine);
    let mut watcher = Watcher::of(&address);
    for letter in 'a'..='z' {
        watcher.press(4, &letter.to_string());
    }
    let typed: String = ('a'..='z').collect();
    eventually("what was typed is on the display", || {
        (studio.text()? == typed).then_some(())
    });
    let before = image(&studio).unwrap();
    eventually("the page shows it", || {
        watcher.hear();
        watcher.shows(&before).then_some(())
    });
    let home = watcher.home("display").unwrap();
    studio.kill_home_of("display");
    eventually("the page shows it again, from another node", || {
        watcher.hear();
        let is_elsewhere = watcher.home("display")? != home;
        (is_elsewhere && watcher.shows(&before)).then_some(())
    });
    // What is typed while there is no keyboard is lost.
    let text = eventually("somebody hears a key", || {
        watcher.hear();
        watcher.press(4, ".");
        studio.text().filter(|text| text.contains('.'))
    });
    assert!(text.starts_with(&typed), "{text:?}");
    eventually("the page shows that", || {
        watcher.hear();
        watcher.shows(&image(&studio)?).then_some(())
    });
}

#[test]
fn a_page_that_is_slow_holds_up_nobody_and_sees_the_newest() {
    let mut studio = Studio::new("dashboard-slow", "1024");
    let (_dashboard, address) = dashboard(&mut studio.machine);
    let (mut slow, mut quick) = (Watcher::of(&address), Watcher::of(&address));
    // Each time all of the picture is another one: more than a connection keeps.
    for round in 0..12 {
        let (key, size) = [(0x3E, (800, 600)), (0x3F, (1024, 768))][round % 2];
        quick.press(key, "\u{0}");
        eventually("the other page goes on", || {
            quick.hear();
            (quick.size == size).then_some(())
        });
    }
    let last = image(&studio).unwrap();
    for watcher in [&mut slow, &mut quick] {
        eventually("the page shows the newest", || {
            watcher.hear();
            watcher.shows(&last).then_some(())
        });
    }
}

#[test]
fn a_page_from_elsewhere_gets_no_line() {
    let mut machine = Machine::with_cluster("dashboard-origin");
    let (_dashboard, address) = dashboard(&mut machine);
    for origin in ["http://example.org", "null", &format!("https://{address}")] {
        assert_eq!(Watcher::open(&address, origin).err(), Some(403), "{origin}");
    }
    let mut watcher = Watcher::open(&address, &format!("http://{address}")).unwrap();
    eventually("the cluster is shown", || {
        watcher.hear();
        let nodes = watcher.news.pointer("/status/nodes")?.as_array()?;
        (nodes.len() == 3).then_some(())
    });
}
