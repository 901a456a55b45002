//! `plurix export`: a snapshot goes into a far copy, once or again and again.
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use archive::{About, Access, Exported, Options, Progress};
use clap::Args;
use indicatif::ProgressBar;
use types::Epoch;

use super::DataArg;
use crate::error::{Error, Kind};
use crate::past::Source;
use crate::{far, interrupt, ui};

const POLL_TIME: Duration = Duration::from_millis(50);

/// Copy a snapshot to a far place: a directory, or a service that speaks Amazon's protocol
///
/// What the place has of earlier snapshots of this cluster is not sent again, and a copy that
/// was interrupted is gone on with. The snapshot is there when the command ends well; half of
/// one never is. `plurix import` makes a cluster of it. For a service the environment says
/// what is needed: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT and so on.
#[derive(Args, Debug)]
#[command(allow_missing_positional = true)]
pub(crate) struct ExportArgs {
    /// Name or epoch of the snapshot, or `latest`: the memory as it is now
    #[arg(value_name = "SNAPSHOT", default_value = control::LATEST)]
    snapshot: String,
    /// Where to: a directory, file:///DIR or s3://BUCKET/PATH
    #[arg(value_name = "URL")]
    url: String,
    #[command(flatten)]
    data: DataArg,
    /// Go on: copy the newest snapshot again and again, so long after the last time, for
    /// example 5m; Ctrl-C ends it
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    every: Option<Duration>,
    /// Drop older snapshots from the far copy: so many stay
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    keep: Option<u32>,
}

pub(crate) fn run(args: &ExportArgs) -> Result<ExitCode, Error> {
    interrupt::watch()?;
    let Some(every) = args.every else {
        export(args)?;
        return Ok(ExitCode::SUCCESS);
    };
    if args.snapshot != control::LATEST {
        let found = &args.snapshot;
        let message = format!("expected no snapshot, or `latest`, with --every, found {found}");
        return Err(Error::usage(message));
    }
    let mut is_first = true;
    while interrupt::count() == 0 {
        let begun = Instant::now();
        match export(args) {
            Err(error) if interrupt::count() == 0 => {
                if is_first && error.kind() == Kind::User {
                    return Err(error);
                }
                ui::error(&error);
                let every = humantime::format_duration(every);
                ui::note(format!("the next attempt is {every} after this one"));
            }
            // Who has interrupted it knows.
            Ok(()) | Err(_) => {}
        }
        is_first = false;
        while begun.elapsed() < every && interrupt::count() == 0 {
            thread::sleep(POLL_TIME);
        }
    }
    ui::note("stopping");
    Ok(ExitCode::SUCCESS)
}

/// Copies once.
fn export(args: &ExportArgs) -> Result<(), Error> {
    let copy = far::open(&args.url, Access::Write)?;
    let data = args.data.open()?;
    let source = Source::open(&data)?;
    let snapshot = source.resolve(&args.snapshot)?;
    let about = About {
        cluster: data.known_cluster()?.id()?,
        wall_ms: snapshot.wall_ms,
        names: snapshot.names,
    };
    let options = Options {
        keep: args.keep.map(|keep| keep as usize),
    };
    let bar = ui::progress_bar();
    let mut watch = |progress| show(&bar, progress);
    let mut past = source.as_of(Epoch(snapshot.epoch));
    let exported = copy.export(&mut *past, &about, options, &mut watch);
    bar.finish_and_clear();
    let exported = exported.map_err(far::explain)?;
    tell(&exported, &about);
    Ok(())
}

fn show(bar: &ProgressBar, progress: Progress) -> ControlFlow<()> {
    bar.set_length(progress.pages as u64);
    bar.set_position(progress.done as u64);
    match interrupt::count() {
        0 => ControlFlow::Continue(()),
        _ => ControlFlow::Break(()),
    }
}

fn tell(exported: &Exported, about: &About) {
    let Exported {
        epoch,
        pages,
        reused,
        packs,
        bytes,
        resumed,
        dropped,
        ..
    } = exported;
    for note in &exported.notes {
        ui::note(note);
    }
    let names = match about.names.as_slice() {
        [] => String::new(),
        names => format!(" ({})", names.join(", ")),
    };
    ui::say(format!(
        "epoch {epoch}{names}: {pages} pages are in the far copy"
    ));
    let found = match resumed {
        0 => String::new(),
        found => format!("; {found} packs were there from before"),
    };
    ui::say(format!(
        "{reused} pages were there already, {packs} packs and {bytes} bytes were written{found}"
    ));
    if *dropped > 0 {
        ui::say(format!("{dropped} older snapshots were dropped"));
    }
}
