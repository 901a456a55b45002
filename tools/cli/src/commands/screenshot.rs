//! `plurix screenshot`: what the display shows, as a file.
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use adapter::DISPLAY;
use admin::{DeviceState, Picture};
use clap::Args;
use screen::Screen;

use super::DataArg;
use crate::client::ClientError;
use crate::data::DataDir;
use crate::device::Home;
use crate::error::Error;
use crate::ui;

/// The display is on another node within less after its node has ended.
const PATIENCE: Duration = Duration::from_secs(20);

/// Write what the display shows to a file
#[derive(Args, Debug)]
pub(crate) struct ScreenshotArgs {
    /// File for the picture, a PNG
    #[arg(long, value_name = "FILE", default_value = "screenshot.png")]
    out: PathBuf,
    #[command(flatten)]
    data: DataArg,
}

pub(crate) fn run(args: &ScreenshotArgs) -> Result<ExitCode, Error> {
    let (home, picture) = look(&args.data.open()?)?;
    let mut screen = Screen::default();
    screen
        .apply(&picture)
        .map_err(|error| Error::internal(format!("{} makes no sense: {error}", home.node)))?;
    let image = screen.render();
    fs::write(&args.out, image.to_png())
        .map_err(|error| Error::config(format!("write {}: {error}", args.out.display())))?;
    ui::say(format!(
        "wrote {}: {} x {} pixels, from {}",
        args.out.display(),
        image.width(),
        image.height(),
        home.node
    ));
    if home.device.state != DeviceState::Driven {
        ui::note(format!(
            "nobody drives the display now ({}): this is what the last driver left",
            home.device.state
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// Asks the node that has the display, and the next one if that one has just ended.
fn look(data: &DataDir) -> Result<(Home, Picture), Error> {
    let until = Instant::now() + PATIENCE;
    loop {
        let mut home = Home::find(data, DISPLAY)?;
        match home.client().look(0) {
            Ok(picture) => return Ok((home, picture)),
            Err(ClientError::Lost(_) | ClientError::NoNode(_)) if Instant::now() < until => {}
            Err(error) => return Err(error.into()),
        }
    }
}
