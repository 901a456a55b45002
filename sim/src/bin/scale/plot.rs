//! The plot: four panels over the size of the cluster, as SVG.
use std::fmt::Write;

use crate::row::{Group, Row};

const WIDTH: f64 = 360.0;
const HEIGHT: f64 = 250.0;
/// Around the lines of a panel.
const LEFT: f64 = 64.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 40.0;
const LEGEND: f64 = 48.0;
const COLOURS: [&str; 6] = [
    "#0072b2", "#e69f00", "#d55e00", "#009e73", "#cc79a7", "#56b4e9",
];

/// One of the four.
struct Panel {
    title: &'static str,
    value: fn(&Row) -> f64,
    scale: Scale,
    /// Where a global fallback lies.
    global: Option<f64>,
    unit: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Scale {
    Linear,
    Logarithmic,
}

const PANELS: [Panel; 4] = [
    Panel {
        title: "survivors that went back",
        value: |row| percent_of(row.reset, row.survivors),
        scale: Scale::Linear,
        global: Some(100.0),
        unit: " %",
    },
    Panel {
        title: "work undone, against a global fallback",
        value: |row| percent_of(row.work.as_micros(), row.work_global.as_micros()),
        scale: Scale::Linear,
        global: Some(100.0),
        unit: " %",
    },
    Panel {
        title: "messages that the recovery caused",
        value: |row| as_float(row.messages()),
        scale: Scale::Logarithmic,
        global: None,
        unit: "",
    },
    Panel {
        title: "until every survivor has committed again",
        value: |row| as_float(row.all_commit.as_micros()) / 1000.0,
        scale: Scale::Linear,
        global: None,
        unit: " ms",
    },
];

/// Draws all rows.
pub(crate) fn svg(rows: &[Row]) -> String {
    let (width, height) = (2.0 * WIDTH, LEGEND + 2.0 * HEIGHT);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"white\"/>\n"
    );
    let lines = lines(rows);
    legend(&mut svg, &lines);
    for (panel, at) in PANELS
        .iter()
        .zip([(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)])
    {
        let (x, y) = (at.0 * WIDTH, LEGEND + at.1 * HEIGHT);
        put(&mut svg, &format!("<g transform=\"translate({x},{y})\">"));
        draw(&mut svg, panel, rows, &lines);
        put(&mut svg, "</g>");
    }
    put(&mut svg, "</svg>");
    svg
}

/// Share and group of each line, with its rows from small clusters to large ones.
type Line<'rows> = (u64, Group, Vec<&'rows Row>);

fn lines(rows: &[Row]) -> Vec<Line<'_>> {
    let mut lines: Vec<Line<'_>> = Vec::new();
    for row in rows {
        let is_its = |line: &&mut Line<'_>| (line.0, line.1) == (row.percent, row.group);
        match lines.iter_mut().find(is_its) {
            Some(line) => line.2.push(row),
            None => lines.push((row.percent, row.group, vec![row])),
        }
    }
    lines
}

fn legend(svg: &mut String, lines: &[Line<'_>]) {
    for (at, (percent, group, _)) in lines.iter().enumerate() {
        let (column, row) = (at / 2, at % 2);
        let (x, y) = (16.0 + 235.0 * float_of(column), 18.0 + 18.0 * float_of(row));
        let style = style(lines, *percent, *group);
        let text = match group {
            Group::All => format!("{percent} % shared, by all"),
            Group::Of(size) => format!("{percent} % shared, by groups of {size}"),
        };
        let end = x + 26.0;
        put(svg, &format!("<path d=\"M{x} {y}H{end}\" {style}/>"));
        let (x, y) = (x + 32.0, y + 4.0);
        put(svg, &format!("<text x=\"{x}\" y=\"{y}\">{text}</text>"));
    }
}

/// A colour for each share of shared work, dashes for groups.
fn style(lines: &[Line<'_>], percent: u64, group: Group) -> String {
    let mut percents: Vec<u64> = lines.iter().map(|line| line.0).collect();
    percents.sort_unstable();
    percents.dedup();
    let at = percents
        .iter()
        .position(|&of| of == percent)
        .unwrap_or_default();
    let colour = COLOURS[at % COLOURS.len()];
    let dashes = match group {
        Group::All => "",
        Group::Of(_) => " stroke-dasharray=\"6 4\"",
    };
    format!("fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"{dashes}")
}

fn draw(svg: &mut String, panel: &Panel, rows: &[Row], lines: &[Line<'_>]) {
    let largest = rows.iter().map(panel.value).fold(0.0, f64::max);
    let axis = Axis::new(panel, largest);
    let sizes: Vec<f64> = rows
        .iter()
        .map(|row| f64::from(row.nodes).log10())
        .collect();
    let least = sizes.iter().copied().fold(f64::INFINITY, f64::min);
    let most = sizes.iter().copied().fold(least + 0.001, f64::max);
    let x = |nodes: u32| {
        let share = (f64::from(nodes).log10() - least) / (most - least);
        LEFT + share * (WIDTH - LEFT - RIGHT)
    };
    let (middle, bottom) = (WIDTH / 2.0, HEIGHT - BOTTOM);
    let title = panel.title;
    put(
        svg,
        &format!("<text x=\"{middle}\" y=\"18\" text-anchor=\"middle\">{title}</text>"),
    );
    for tick in axis.ticks() {
        let y = axis.y(tick);
        let end = WIDTH - RIGHT;
        put(
            svg,
            &format!("<path d=\"M{LEFT} {y:.1}H{end}\" stroke=\"#ddd\"/>"),
        );
        let text = format!("{}{}", short(tick), panel.unit);
        let (x, y) = (LEFT - 6.0, y + 4.0);
        put(
            svg,
            &format!("<text x=\"{x}\" y=\"{y:.1}\" text-anchor=\"end\">{text}</text>"),
        );
    }
    let mut nodes: Vec<u32> = rows.iter().map(|row| row.nodes).collect();
    nodes.dedup();
    for of in nodes {
        let (x, y) = (x(of), bottom + 16.0);
        put(
            svg,
            &format!("<text x=\"{x:.1}\" y=\"{y}\" text-anchor=\"middle\">{of}</text>"),
        );
    }
    let y = bottom + 32.0;
    put(
        svg,
        &format!("<text x=\"{middle}\" y=\"{y}\" text-anchor=\"middle\">nodes</text>"),
    );
    if let Some(global) = panel.global {
        let (y, end) = (axis.y(global), WIDTH - RIGHT);
        put(
            svg,
            &format!(
                "<path d=\"M{LEFT} {y:.1}H{end}\" stroke=\"black\" stroke-dasharray=\"2 3\"/>"
            ),
        );
        let (x, y) = (LEFT + 6.0, y - 5.0);
        put(
            svg,
            &format!("<text x=\"{x}\" y=\"{y:.1}\">global fallback</text>"),
        );
    }
    for (percent, group, rows) in lines {
        let style = style(lines, *percent, *group);
        let point = |row: &&Row| format!("{:.1} {:.1}", x(row.nodes), axis.y((panel.value)(row)));
        let points: Vec<String> = rows.iter().map(point).collect();
        put(svg, &format!("<path d=\"M{}\" {style}/>", points.join("L")));
    }
}

/// From values to heights.
struct Axis {
    scale: Scale,
    /// At the top; a power of ten if the scale is logarithmic.
    top: f64,
    step: f64,
}

impl Axis {
    fn new(panel: &Panel, largest: f64) -> Self {
        let largest = largest.max(panel.global.unwrap_or(1.0) * 1.1);
        let step = match panel.scale {
            Scale::Logarithmic => 10.0,
            Scale::Linear => round_step(largest / 5.0),
        };
        let top = match panel.scale {
            Scale::Logarithmic => 10_f64.powf(largest.log10().ceil()),
            Scale::Linear => largest * 1.05,
        };
        Self {
            scale: panel.scale,
            top,
            step,
        }
    }

    fn y(&self, value: f64) -> f64 {
        let share = match self.scale {
            Scale::Logarithmic => value.max(1.0).log10() / self.top.log10(),
            Scale::Linear => value / self.top,
        };
        HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - TOP)
    }

    fn ticks(&self) -> Vec<f64> {
        let next = |&tick: &f64| match self.scale {
            Scale::Logarithmic => Some(tick * self.step),
            Scale::Linear => Some(tick + self.step),
        };
        let first = match self.scale {
            Scale::Logarithmic => 1.0,
            Scale::Linear => 0.0,
        };
        let ticks = std::iter::successors(Some(first), next);
        ticks.take_while(|&tick| tick <= self.top).collect()
    }
}

/// The next 1, 2 or 5 with zeroes, not below 1.
fn round_step(at_least: f64) -> f64 {
    let power = 10_f64.powf(at_least.max(1.0).log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * power);
    let found = steps.into_iter().find(|&step| step >= at_least);
    found.unwrap_or(at_least)
}

/// Thousands and millions as such, so that they fit beside the axis.
fn short(tick: f64) -> String {
    match tick {
        _ if tick >= 1e6 => format!("{}M", tick / 1e6),
        _ if tick >= 1e3 => format!("{}k", tick / 1e3),
        _ => tick.to_string(),
    }
}

fn percent_of(part: u64, whole: u64) -> f64 {
    100.0 * as_float(part) / as_float(whole.max(1))
}

#[expect(clippy::cast_precision_loss, reason = "a plot is not that exact")]
fn as_float(number: u64) -> f64 {
    number as f64
}

fn float_of(index: usize) -> f64 {
    as_float(index as u64)
}

fn put(svg: &mut String, line: &str) {
    writeln!(svg, "{line}").expect("a string takes all that is written");
}
