//! A plot of lines in panels side by side, both axes logarithmic, as SVG.
use std::fmt::Write;

const WIDTH: f64 = 340.0;
const HEIGHT: f64 = 260.0;
/// Around the lines of a panel.
const LEFT: f64 = 56.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 30.0;
const BOTTOM: f64 = 40.0;
const LEGEND_LINE: f64 = 16.0;
const COLOURS: [&str; 8] = [
    "#0072b2", "#e69f00", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#000000", "#999999",
];

/// Points of one kind.
pub(crate) struct Line {
    pub(crate) name: String,
    /// In ascending order; all numbers above 0.
    pub(crate) points: Vec<(f64, f64)>,
}

/// Lines over one axis.
pub(crate) struct Panel {
    pub(crate) title: String,
    /// What the horizontal axis counts.
    pub(crate) x: String,
    pub(crate) lines: Vec<Line>,
}

/// Draws panels; lines of the same name look the same.
pub(crate) fn svg(panels: &[Panel]) -> String {
    let mut names: Vec<&str> = Vec::new();
    for line in panels.iter().flat_map(|panel| &panel.lines) {
        if !names.contains(&line.name.as_str()) {
            names.push(&line.name);
        }
    }
    let legend = LEGEND_LINE * float(names.len()) + 8.0;
    let (width, height) = (WIDTH * float(panels.len()), HEIGHT + legend);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"white\"/>\n"
    );
    for (at, panel) in panels.iter().enumerate() {
        put(
            &mut svg,
            &format!("<g transform=\"translate({},0)\">", WIDTH * float(at)),
        );
        draw(&mut svg, panel, &names);
        put(&mut svg, "</g>");
    }
    for (at, name) in names.iter().enumerate() {
        let y = HEIGHT + LEGEND_LINE * float(at) + 8.0;
        put(
            &mut svg,
            &format!("<path d=\"M{LEFT} {y}h24\" {}/>", style(at)),
        );
        let (x, y) = (LEFT + 30.0, y + 4.0);
        put(
            &mut svg,
            &format!("<text x=\"{x}\" y=\"{y}\">{name}</text>"),
        );
    }
    put(&mut svg, "</svg>");
    svg
}

fn draw(svg: &mut String, panel: &Panel, names: &[&str]) {
    let points = || panel.lines.iter().flat_map(|line| &line.points);
    let xs = Axis::new(points().map(|point| point.0), LEFT, WIDTH - RIGHT);
    let ys = Axis::new(points().map(|point| point.1), HEIGHT - BOTTOM, TOP);
    let (ys, ticks) = ys.with_ticks();
    let (middle, bottom, end) = (WIDTH / 2.0, HEIGHT - BOTTOM, WIDTH - RIGHT);
    let text = |x: f64, y: f64, anchor: &str, text: &str| {
        format!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>")
    };
    put(svg, &text(middle, 18.0, "middle", &panel.title));
    put(svg, &text(middle, HEIGHT - 8.0, "middle", &panel.x));
    for tick in ticks {
        let y = ys.at(tick);
        put(
            svg,
            &format!("<path d=\"M{LEFT} {y:.1}H{end}\" stroke=\"#ddd\"/>"),
        );
        put(svg, &text(LEFT - 6.0, y + 4.0, "end", &tick.to_string()));
    }
    let mut ticks: Vec<f64> = points().map(|point| point.0).collect();
    ticks.sort_by(f64::total_cmp);
    ticks.dedup();
    for tick in ticks {
        put(
            svg,
            &text(xs.at(tick), bottom + 16.0, "middle", &tick.to_string()),
        );
    }
    for line in &panel.lines {
        let at = names.iter().position(|name| *name == line.name);
        let at = at.expect("every line has a name");
        let point = |&(x, y): &(f64, f64)| format!("{:.1} {:.1}", xs.at(x), ys.at(y));
        let points: Vec<String> = line.points.iter().map(point).collect();
        put(
            svg,
            &format!("<path d=\"M{}\" {}/>", points.join("L"), style(at)),
        );
    }
}

fn style(line: usize) -> String {
    let colour = COLOURS[line % COLOURS.len()];
    format!("fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"")
}

/// From values to places.
struct Axis {
    /// Logarithms of the ends.
    least: f64,
    most: f64,
    from: f64,
    to: f64,
}

impl Axis {
    fn new(values: impl Iterator<Item = f64> + Clone, from: f64, to: f64) -> Self {
        let logs = values.map(|value| value.max(1e-3).log10());
        let least = logs.clone().fold(f64::INFINITY, f64::min);
        let most = logs.fold(least + 0.1, f64::max);
        Self {
            least,
            most,
            from,
            to,
        }
    }

    fn at(&self, value: f64) -> f64 {
        let share = (value.max(1e-3).log10() - self.least) / (self.most - self.least);
        self.from + share * (self.to - self.from)
    }

    /// Values to be shown: powers of ten, or if there are not two of them 1, 2, 5 and so on,
    /// to which the axis is then prolonged.
    fn with_ticks(mut self) -> (Self, Vec<f64>) {
        let powers = || (-3..=6).map(|power| 10_f64.powi(power));
        let is_in = |value: &f64| (self.least..=self.most).contains(&value.log10());
        let ticks: Vec<f64> = powers().filter(is_in).collect();
        if ticks.len() >= 2 {
            return (self, ticks);
        }
        let steps: Vec<f64> = powers()
            .flat_map(|power| [1.0, 2.0, 5.0].map(|step| step * power))
            .collect();
        let first = steps.iter().rposition(|step| step.log10() <= self.least);
        let last = steps.iter().position(|step| step.log10() >= self.most);
        let last = last.unwrap_or(steps.len() - 1);
        let ticks = steps[first.unwrap_or(0)..=last].to_vec();
        self.least = ticks[0].log10();
        self.most = ticks[ticks.len() - 1].log10();
        (self, ticks)
    }
}

fn float(number: usize) -> f64 {
    f64::from(u32::try_from(number).expect("a plot has few of anything"))
}

fn put(svg: &mut String, line: &str) {
    writeln!(svg, "{line}").expect("a string takes all that is written");
}

#[cfg(test)]
mod tests {
    use super::{Line, Panel, svg};

    #[test]
    fn every_line_is_drawn_and_named() {
        let line = |name: &str, points: &[(f64, f64)]| Line {
            name: name.to_owned(),
            points: points.to_vec(),
        };
        let panel = Panel {
            title: "time".to_owned(),
            x: "MiB".to_owned(),
            lines: vec![
                line("one", &[(16.0, 0.5), (512.0, 5.0)]),
                line("other", &[(16.0, 100.0)]),
            ],
        };
        let drawn = svg(&[panel]);
        for expected in [
            ">one<",
            ">other<",
            ">16<",
            ">512<",
            ">10<",
            "<path d=\"M56.0 ",
        ] {
            assert!(drawn.contains(expected), "{expected} in {drawn}");
        }
    }

    #[test]
    fn a_short_axis_has_a_scale_too_and_a_name_is_told_once() {
        let panel = |from: f64, to: f64| Panel {
            title: "rate".to_owned(),
            x: "ms".to_owned(),
            lines: vec![Line {
                name: "one".to_owned(),
                points: vec![(1.0, from), (100.0, to)],
            }],
        };
        let drawn = svg(&[panel(350.0, 680.0), panel(3.0, 4.0)]);
        for expected in [">200<", ">500<", ">1000<", ">2<", ">5<"] {
            assert!(drawn.contains(expected), "{expected} in {drawn}");
        }
        assert_eq!(drawn.matches(">one<").count(), 1, "{drawn}");
    }
}
