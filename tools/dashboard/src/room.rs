//! What the threads and the browsers share: the newest of everything.
use std::io;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, Thread};

use adapter::input::InputEvent;
use screen::Image;
use tokio::sync::{mpsc, watch};

use crate::cluster::Cluster;
use crate::news::News;
use crate::{hands, news, picture};

/// What watchers have done and no node was told yet. When there is no room, browsers wait.
const EVENTS_MAX: usize = 256;

/// Where everything is found.
pub(crate) struct Room {
    pub(crate) cluster: Arc<dyn Cluster>,
    /// What the cluster is like.
    pub(crate) news: watch::Sender<News>,
    /// What the display shows, once it was seen.
    pub(crate) picture: watch::Sender<Option<Arc<Image>>>,
    /// What watchers do, in order.
    pub(crate) events: mpsc::Sender<InputEvent>,
    /// How many watchers there were.
    watchers: AtomicU8,
    /// Those that sleep while nobody watches.
    sleepers: OnceLock<[Thread; 2]>,
}

impl Room {
    /// A room and its threads.
    pub(crate) fn open(cluster: Arc<dyn Cluster>) -> io::Result<Arc<Self>> {
        let (events, to_tell) = mpsc::channel(EVENTS_MAX);
        let room = Arc::new(Self {
            cluster,
            news: watch::Sender::default(),
            picture: watch::Sender::default(),
            events,
            watchers: AtomicU8::new(0),
            sleepers: OnceLock::new(),
        });
        let start = |name: &str, work: Box<dyn FnOnce(&Self) + Send>| {
            let room = Arc::clone(&room);
            let builder = thread::Builder::new().name(name.to_owned());
            let started = builder.spawn(move || work(&room));
            started.map(|handle| handle.thread().clone())
        };
        let news = start("news", Box::new(news::gather))?;
        let picture = start("picture", Box::new(picture::follow))?;
        start("hands", Box::new(|room| hands::forward(room, to_tell)))?;
        let is_first = room.sleepers.set([news, picture]).is_ok();
        assert!(is_first, "a room is opened once");
        // Those who went to sleep before they could be woken.
        room.wake();
        Ok(room)
    }

    /// A number for a watcher, by which his pointer is told from others: the first ones have
    /// numbers of their own.
    pub(crate) fn number(&self) -> u8 {
        self.watchers.fetch_add(1, Ordering::Relaxed)
    }

    /// There is something to do: somebody watches, or a node is gone.
    pub(crate) fn wake(&self) {
        for sleeper in self.sleepers.get().into_iter().flatten() {
            sleeper.unpark();
        }
    }

    /// Sleeps until somebody watches. Only for those that [`Self::wake`] wakes.
    pub(crate) fn wait_for_watchers(&self) {
        while self.news.receiver_count() == 0 {
            thread::park();
        }
    }

    /// The node that has this device, as far as is known.
    pub(crate) fn home(&self, device: &str) -> Option<String> {
        self.news.borrow().homes.get(device).cloned()
    }
}
