//! The display, the keyboard and the state of a cluster, in a browser.
//!
//! Start with [`serve`]. What it shows it asks of nodes, over connections that the command has
//! ([`Cluster`]), and only while somebody watches: a thread for what the cluster is like
//! ([`news`]), one for the display ([`picture`]), one for what watchers do ([`hands`]). Each says
//! the newest that it knows; a browser ([`watcher`]) is told the difference between that and
//! what it was told last, when it is ready for it. So there are no queues to browsers, and a
//! slow one sees fewer pictures and holds up nobody.
//!
//! All that is `async` is behind [`serve`].
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod cluster;
mod frame;
mod hands;
mod news;
mod page;
mod picture;
mod room;
mod watcher;

use std::io;
use std::net::TcpListener;
use std::sync::Arc;

pub use cluster::{Cluster, Door};

/// Serves the page to whoever asks at this listener, until the process ends.
///
/// # Errors
/// If the system refuses to.
pub fn serve(listener: TcpListener, cluster: Arc<dyn Cluster>) -> io::Result<()> {
    let room = room::Room::open(cluster)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_io()
        .build()?;
    listener.set_nonblocking(true)?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        axum::serve(listener, page::router(room)).await
    })
}
