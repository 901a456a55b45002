//! A browser that a test drives, over the protocol of its developers' tools.
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use data_encoding::BASE64;
use e2e::eventually;
use serde_json::{Value, json};
use tungstenite::{Message, WebSocket};

/// A browser with one page.
pub(crate) struct Browser {
    _process: Process,
    socket: WebSocket<TcpStream>,
    last: u64,
}

impl Browser {
    /// Opens a page; what the browser keeps it keeps in this directory.
    pub(crate) fn open(url: &str, directory: &str) -> Self {
        let process = Command::new("chromium")
            .args([
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--no-first-run",
            ])
            .args(["--window-size=1400,900", "--remote-debugging-port=0"])
            .arg(format!("--user-data-dir={directory}"))
            .arg(url)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map(Process)
            .expect("chromium is installed: `apt-get install chromium`");
        let file = Path::new(directory).join("DevToolsActivePort");
        let door = eventually("the browser listens", || {
            let text = fs::read_to_string(&file).ok()?;
            let port: u16 = text.lines().next()?.parse().ok()?;
            Some(format!("127.0.0.1:{port}"))
        });
        let line = eventually("the browser has the page", || {
            let pages = pages(&door)?;
            let page = pages
                .as_array()?
                .iter()
                .find(|page| page["type"] == "page")?;
            Some(page["webSocketDebuggerUrl"].as_str()?.to_owned())
        });
        let stream = TcpStream::connect(&door).unwrap();
        let (socket, _) = tungstenite::client(line, stream).unwrap();
        let mut browser = Self {
            _process: process,
            socket,
            last: 0,
        };
        eventually("the page is there", || {
            let there = browser.value("document.readyState + ' ' + location.href");
            (there == format!("complete {url}")).then_some(())
        });
        browser
    }

    /// What an expression of the page is.
    pub(crate) fn value(&mut self, expression: &str) -> Value {
        let question = json!({ "expression": expression, "returnByValue": true });
        let mut answer = self.call("Runtime.evaluate", &question);
        assert!(answer.get("exceptionDetails").is_none(), "{answer}");
        answer["result"]["value"].take()
    }

    /// Writes what the window shows to a file.
    pub(crate) fn photograph(&mut self, path: &Path) {
        let answer = self.call("Page.captureScreenshot", &json!({ "format": "png" }));
        let text = answer["data"].as_str().unwrap();
        fs::write(path, BASE64.decode(text.as_bytes()).unwrap()).unwrap();
    }

    /// Presses a key and lets it go.
    pub(crate) fn press(&mut self, code: &str, key: &str) {
        for kind in ["keyDown", "keyUp"] {
            let event = json!({ "type": kind, "code": code, "key": key });
            self.call("Input.dispatchKeyEvent", &event);
        }
    }

    /// Draws from one place of the window to another with the pointer's first button.
    pub(crate) fn drag(&mut self, from: (f64, f64), to: (f64, f64)) {
        for (kind, (x, y), buttons) in [
            ("mouseMoved", from, 0),
            ("mousePressed", from, 1),
            ("mouseMoved", to, 1),
            ("mouseReleased", to, 0),
        ] {
            let button = if kind == "mouseMoved" && buttons == 0 {
                "none"
            } else {
                "left"
            };
            let event = json!({
                "type": kind, "x": x, "y": y,
                "button": button, "buttons": buttons, "clickCount": 1,
            });
            self.call("Input.dispatchMouseEvent", &event);
        }
    }

    fn call(&mut self, method: &str, params: &Value) -> Value {
        self.last += 1;
        let call = json!({ "id": self.last, "method": method, "params": params });
        self.socket.send(Message::text(call.to_string())).unwrap();
        loop {
            let Message::Text(text) = self.socket.read().unwrap() else {
                continue;
            };
            let mut answer: Value = serde_json::from_str(&text).unwrap();
            if answer["id"] == self.last {
                assert!(answer.get("error").is_none(), "{method}: {answer}");
                return answer["result"].take();
            }
        }
    }
}

/// Killed when dropped.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only if it has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What pages the browser at this door has; it keeps the connection.
fn pages(door: &str) -> Option<Value> {
    let mut stream = TcpStream::connect(door).ok()?;
    let request = format!("GET /json/list HTTP/1.1\r\nHost: {door}\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut lines = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        lines.read_line(&mut line).ok()?;
        match line.trim_end().split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.trim().parse().ok()?;
            }
            None if line.trim_end().is_empty() => break,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    lines.read_exact(&mut body).ok()?;
    serde_json::from_slice(&body).ok()
}
