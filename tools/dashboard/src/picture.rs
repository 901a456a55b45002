//! What the display shows: asked of the node that has it, some thirty times a second.
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use adapter::DISPLAY;
use admin::{Request, Response};
use screen::{Image, Screen};

use crate::cluster::Door;
use crate::room::Room;

/// From look to look.
const PERIOD: Duration = Duration::from_millis(33);
/// The same, while no node has the display.
const PATIENCE: Duration = Duration::from_millis(100);

/// Follows the display from node to node, as long as somebody watches.
pub(crate) fn follow(room: &Room) {
    let mut sight: Option<Sight> = None;
    loop {
        room.wait_for_watchers();
        let begin = Instant::now();
        let home = room.home(DISPLAY);
        sight = sight.filter(|sight| Some(&sight.node) == home.as_ref());
        if sight.is_none() {
            sight = home.and_then(|node| Sight::open(room, node).ok());
        }
        let looked = sight.as_mut().map(Sight::look);
        let period = match looked {
            Some(Ok(seen)) => {
                if let Some(image) = seen {
                    room.picture.send_replace(Some(Arc::new(image)));
                }
                PERIOD
            }
            Some(Err(_)) | None => {
                sight = None;
                room.wake();
                PATIENCE
            }
        };
        thread::sleep(period.saturating_sub(begin.elapsed()));
    }
}

/// The view of a node's display.
struct Sight {
    node: String,
    door: Box<dyn Door>,
    screen: Screen,
    is_new: bool,
}

impl Sight {
    fn open(room: &Room, node: String) -> Result<Self, String> {
        Ok(Self {
            door: room.cluster.node(&node)?,
            node,
            screen: Screen::default(),
            is_new: true,
        })
    }

    /// What it shows, if that has changed since the last look.
    fn look(&mut self) -> Result<Option<Image>, String> {
        let since = self.screen.version();
        let picture = match self.door.ask(&Request::Look { since })? {
            Response::Seen(picture) => picture,
            other => return Err(format!("expected the answer `seen`, found {other:?}")),
        };
        let has_changed = self.screen.apply(&picture);
        let has_changed = has_changed.map_err(|error| error.to_string())?;
        let is_new = std::mem::take(&mut self.is_new);
        Ok((has_changed || is_new).then(|| self.screen.render()))
    }
}
