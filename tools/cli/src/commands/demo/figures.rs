//! What the demonstration measured, for people and for programs.
use std::time::Duration;

use serde::Serialize;

use crate::ui;

/// All figures; the names are those of the JSON line.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(super) struct Figures {
    /// The picture is right although a node was killed.
    pub(super) image_ok: bool,
    /// The picture is right after the restart of the whole cluster.
    pub(super) restart_ok: bool,
    pub(super) nodes: u32,
    pub(super) transactions: u64,
    pub(super) aborts: u64,
    pub(super) snapshots: u64,
    pub(super) snapshot_bytes: u64,
    pub(super) pause_us_max: u64,
    /// From noticing the failure to the first commit of a survivor.
    pub(super) fallback_ms: Option<f64>,
    pub(super) fallback_to: u64,
    pub(super) nodes_reset: u32,
    pub(super) noticed_by: String,
    /// From the kill until a tool could see it.
    pub(super) noticed_ms: u64,
    pub(super) start_ms: u64,
    pub(super) render_ms: u64,
    pub(super) native_ms: u64,
    /// From the first process to the last byte of the picture.
    pub(super) restart_ms: u64,
}

impl Figures {
    /// Whether everything was as promised.
    pub(super) fn is_right(&self) -> bool {
        self.image_ok && self.restart_ok
    }

    pub(super) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("plain data has a JSON form")
    }

    pub(super) fn to_table(&self) -> String {
        let verdict = |is_right| if is_right { "right" } else { "WRONG" };
        let fallback = match self.fallback_ms {
            Some(ms) => format!("{ms:.1} ms"),
            None => String::from("-"),
        };
        let rows = [
            ("picture", verdict(self.image_ok).to_owned()),
            ("picture after restart", verdict(self.restart_ok).to_owned()),
            ("transactions", self.transactions.to_string()),
            ("aborts", self.aborts.to_string()),
            ("snapshots", self.snapshots.to_string()),
            ("bytes stored", self.snapshot_bytes.to_string()),
            ("longest pause", format!("{} us", self.pause_us_max)),
            ("fallback", fallback),
            ("rendering", format!("{} ms", self.render_ms)),
            ("same without cluster", format!("{} ms", self.native_ms)),
            ("restart", format!("{} ms", self.restart_ms)),
        ];
        let rows: Vec<Vec<String>> = rows
            .into_iter()
            .map(|(name, value)| vec![name.to_owned(), value])
            .collect();
        ui::table(&["", ""], &rows)
    }
}

/// Whole milliseconds.
pub(super) fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Milliseconds with their fraction.
#[expect(
    clippy::cast_precision_loss,
    reason = "microseconds of a run fit in 53 bits"
)]
pub(super) fn us_to_ms(us: u64) -> f64 {
    us as f64 / 1000.0
}
