//! The cluster renders, and loses a node on the way.
use std::thread;
use std::time::{Duration, Instant};

use admin::{FailureKind, Fallen, Watched};
use indicatif::ProgressBar;

use super::{DemoArgs, figures};
use crate::client::{Client, ClientError};
use crate::cluster::Cluster;
use crate::error::Error;
use crate::interrupt;
use crate::program::{self, Followed};
use crate::supervisor::Happening;
use crate::ui::{self, Teller};

const POLL_TIME: Duration = Duration::from_millis(20);
/// Without any progress for so long something is wrong.
const STALL_TIME: Duration = Duration::from_secs(120);

/// How the rendering went.
#[derive(Clone, Debug)]
pub(super) struct Rendered {
    pub(super) took: Duration,
    /// From the kill until the cluster said so.
    pub(super) noticed_after: Duration,
    pub(super) fallen: Fallen,
}

/// The node that is killed, and what is known about it.
#[derive(Debug)]
struct Victim {
    number: u32,
    killed: Option<Instant>,
    noticed: Option<(Duration, Fallen)>,
}

/// Follows the process to its end; kills a node on the way.
pub(super) fn render(
    cluster: &mut Cluster,
    client: &mut Client,
    process: u32,
    args: &DemoArgs,
    teller: Teller,
) -> Result<Rendered, Error> {
    let begin = Instant::now();
    let bar = ui::progress_bar();
    let teller = Over { bar: &bar, teller };
    let mut followed = Followed::new(process);
    let mut victim = Victim {
        number: args.nodes,
        killed: None,
        noticed: None,
    };
    let mut progress = (0, begin);
    loop {
        interrupt::check()?;
        check_nodes(cluster)?;
        let news = unless_unavailable(followed.news(client))?;
        if let Some(news) = &news {
            show(&teller, news);
            if news.done != progress.0 {
                progress = (news.done, Instant::now());
            }
            let is_due = news.total > 0 && news.done * 100 >= news.total * u64::from(args.kill_at);
            if victim.killed.is_none() && !news.state.is_final() && is_due {
                victim.kill(cluster, &teller);
            }
        }
        victim.look(client, &teller)?;
        if let Some(end) = news.filter(|news| news.state.is_final()) {
            bar.finish_and_clear();
            return finish(&end, victim, begin.elapsed());
        }
        if progress.1.elapsed() > STALL_TIME {
            return Err(Error::internal(format!("no progress for {STALL_TIME:?}")));
        }
        thread::sleep(POLL_TIME);
    }
}

fn finish(end: &Watched, victim: Victim, took: Duration) -> Result<Rendered, Error> {
    let code = program::exit_code(end.state, &end.fault)?;
    if code != 0 {
        return Err(Error::user(format!(
            "the ray tracer has ended with code {code}"
        )));
    }
    if victim.killed.is_none() {
        return Err(
            Error::user("the picture was finished before a node could be killed")
                .hint("choose a larger scene with --scene or a lower --kill-at"),
        );
    }
    let Some((noticed_after, fallen)) = victim.noticed else {
        return Err(Error::internal(
            "a node was killed and the cluster has not noticed",
        ));
    };
    Ok(Rendered {
        took,
        noticed_after,
        fallen,
    })
}

impl Victim {
    fn kill(&mut self, cluster: &mut Cluster, teller: &Over<'_>) {
        teller.tell(format!("killing node {} with SIGKILL", self.number));
        self.killed = Some(Instant::now());
        cluster.kill(self.number);
    }

    /// Tells what the cluster knows about the kill, as soon as it knows.
    fn look(&mut self, client: &mut Client, teller: &Over<'_>) -> Result<(), Error> {
        let Some(killed) = self.killed else {
            return Ok(());
        };
        if self
            .noticed
            .as_ref()
            .is_some_and(|(_, fallen)| fallen.recovered_us.is_some())
        {
            return Ok(());
        }
        let status = unless_unavailable(client.status())?;
        let name = format!("node-{}", self.number);
        let fallen = status.and_then(|status| status.last_failure);
        let Some(fallen) = fallen.filter(|fallen| fallen.name == name) else {
            return Ok(());
        };
        let noticed_after = match &self.noticed {
            Some((after, _)) => *after,
            None => {
                let after = killed.elapsed();
                teller.tell(format!(
                    "failure of {name} noticed after {} ms ({}); back to epoch {}, {} nodes reset",
                    figures::ms(after),
                    fallen.noticed_by,
                    fallen.fallback_to,
                    fallen.nodes_reset
                ));
                after
            }
        };
        if let Some(us) = fallen.recovered_us {
            let ms = figures::us_to_ms(us);
            teller.tell(format!(
                "first commit of the survivors {ms:.1} ms after that"
            ));
        }
        self.noticed = Some((noticed_after, fallen));
        Ok(())
    }
}

/// Tells without tearing the progress bar.
struct Over<'a> {
    bar: &'a ProgressBar,
    teller: Teller,
}

impl Over<'_> {
    fn tell(&self, line: impl AsRef<str>) {
        self.bar.suspend(|| self.teller.tell(line));
    }
}

fn show(teller: &Over<'_>, news: &Watched) {
    teller.bar.set_length(news.total);
    teller.bar.set_position(news.done);
    for piece in &news.output {
        teller.tell(String::from_utf8_lossy(&piece.bytes).trim_end());
    }
}

/// A node that ends by itself ends the demonstration.
fn check_nodes(cluster: &mut Cluster) -> Result<(), Error> {
    match cluster.next(Duration::ZERO) {
        Some(Happening::Ended { number, status }) => Err(Error::internal(format!(
            "node {number} has ended by itself: {status}"
        ))),
        _ => Ok(()),
    }
}

/// While the cluster falls back it may have no answer.
fn unless_unavailable<T>(answer: Result<T, ClientError>) -> Result<Option<T>, Error> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(ClientError::Failed(failure)) if failure.kind == FailureKind::Unavailable => Ok(None),
        Err(error) => Err(error.into()),
    }
}
