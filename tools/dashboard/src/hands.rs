//! What watchers do: told to the node that has the keyboard, in order, each thing once at most.
use adapter::INPUT;
use adapter::input::InputEvent;
use admin::{Request, Response};
use serde::Deserialize;
use tokio::sync::mpsc;

use crate::cluster::Door;
use crate::room::Room;

/// Events in one request at most.
const BATCH: usize = 64;

/// Something that somebody has done, as the page says it.
#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
enum Deed {
    Key {
        code: u16,
        is_down: bool,
        character: Option<char>,
    },
    Pointer {
        x: u16,
        y: u16,
        buttons: u8,
    },
}

/// What the page of this watcher said.
///
/// # Errors
/// If it is none of what there is, for people.
pub(crate) fn parse(text: &str, whose: u8) -> Result<InputEvent, String> {
    let deed = serde_json::from_str(text)
        .map_err(|error| format!("expected a key or the pointer, found {text:?}: {error}"))?;
    Ok(match deed {
        Deed::Key {
            code,
            is_down,
            character,
        } => InputEvent::Key {
            code,
            is_down,
            character,
        },
        Deed::Pointer { x, y, buttons } => InputEvent::Pointer {
            x,
            y,
            buttons,
            whose,
        },
    })
}

/// Tells the node that has the keyboard. What happens while there is none, or was told to a
/// node that does not answer, is lost.
pub(crate) fn forward(room: &Room, mut events: mpsc::Receiver<InputEvent>) {
    let mut door: Option<(String, Box<dyn Door>)> = None;
    let mut batch = Vec::new();
    while events.blocking_recv_many(&mut batch, BATCH) > 0 {
        let request = Request::Feel {
            events: batch.drain(..).map(InputEvent::encode).collect(),
        };
        let home = room.home(INPUT);
        door = door.filter(|(node, _)| Some(node) == home.as_ref());
        if door.is_none() {
            door = home.and_then(|node| {
                let door = room.cluster.node(&node).ok()?;
                Some((node, door))
            });
        }
        let answer = door.as_mut().map(|(_, door)| door.ask(&request));
        if !matches!(answer, Some(Ok(Response::Done))) {
            door = None;
            room.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_page_says_becomes_events() {
        let key = r#"{"kind":"key","code":4,"is_down":true,"character":"ä"}"#;
        let expected = InputEvent::Key {
            code: 4,
            is_down: true,
            character: Some('ä'),
        };
        assert_eq!(parse(key, 7), Ok(expected));
        let key = r#"{"kind":"key","code":225,"is_down":false,"character":null}"#;
        let expected = InputEvent::Key {
            code: 225,
            is_down: false,
            character: None,
        };
        assert_eq!(parse(key, 7), Ok(expected));
        let pointer = r#"{"kind":"pointer","x":65535,"y":0,"buttons":3}"#;
        let expected = InputEvent::Pointer {
            x: 65535,
            y: 0,
            buttons: 3,
            whose: 7,
        };
        assert_eq!(parse(pointer, 7), Ok(expected));
    }

    #[test]
    fn other_words_are_refused() {
        for text in [
            "",
            "[]",
            r#"{"kind":"dropped","count":1}"#,
            r#"{"kind":"key","code":65536,"is_down":true,"character":null}"#,
            r#"{"kind":"key","code":4,"is_down":true,"character":"ab"}"#,
            r#"{"kind":"pointer","x":-1,"y":0,"buttons":0}"#,
            r#"{"kind":"pointer","x":1,"y":0,"buttons":0,"z":0}"#,
        ] {
            let error = parse(text, 7).unwrap_err();
            assert!(
                error.starts_with("expected a key or the pointer"),
                "{error}"
            );
        }
    }
}
