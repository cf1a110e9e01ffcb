//! Charts as shapes: lines over time and bars. The template draws them.

/// The place of the plot in a drawing of 360 units.
const LEFT: f64 = 40.0;
const RIGHT: f64 = 348.0;
const TOP: f64 = 18.0;

/// No line has more points, which is more than its width can show.
const MAX_POINTS: usize = 400;

/// A drawing with its meaning in words.
#[derive(Debug, Default)]
pub(super) struct Chart {
    pub id: String,
    pub title: String,
    /// What the chart shows, in a sentence.
    pub finding: String,
    pub height: u32,
    pub grid: Vec<GridLine>,
    pub bars: Vec<ChartBar>,
    pub lines: Vec<String>,
    pub dots: Vec<(f64, f64)>,
    pub labels: Vec<ChartLabel>,
    /// A line that the values should stay below.
    pub limit: Option<GridLine>,
}

#[derive(Debug)]
pub(super) struct GridLine {
    pub at: f64,
    pub label: String,
    pub is_base: bool,
}

#[derive(Debug)]
pub(super) struct ChartBar {
    pub class: &'static str,
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub height: f64,
}

#[derive(Debug)]
pub(super) struct ChartLabel {
    pub x: f64,
    pub y: f64,
    pub anchor: &'static str,
    pub text: String,
    pub is_value: bool,
}

/// A value at a time in seconds.
pub(super) type TimePoint = (i64, u64);

/// A line that keeps each value until the next one. `ends` are the texts of the first and the last time.
pub(super) fn steps(id: String, title: &str, points: &[TimePoint], ends: (&str, &str)) -> Chart {
    let mut chart = Chart { id, title: title.to_owned(), height: 132, ..Chart::default() };
    let bottom = 110.0;
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return chart };
    let (low, high) = points.iter().fold((u64::MAX, 0), |(low, high), (_, n)| (low.min(*n), high.max(*n)));
    let scale = Scale::fitting(low, high, (bottom, TOP));
    chart.grid = scale.grid(false);
    let span = (last.0 - first.0).max(1) as f64;
    let x = |time: i64| round(LEFT + (time - first.0) as f64 / span * (RIGHT - LEFT));
    let mut path = String::new();
    for (n, (time, value)) in thinned(points).into_iter().enumerate() {
        let (x, y) = (x(time), round(scale.at(value as f64)));
        if n == 0 { path = format!("M{x} {y}") } else { path.push_str(&format!("H{x}V{y}")) }
    }
    chart.lines.push(path);
    let end = (x(last.0), round(scale.at(last.1 as f64)));
    chart.dots.push(end);
    let above = if end.1 - 8.0 < 11.0 { end.1 + 16.0 } else { end.1 - 8.0 };
    chart.labels.push(ChartLabel {
        x: end.0,
        y: round(above),
        anchor: "end",
        text: super::page::grouped(last.1),
        is_value: true,
    });
    for (x, anchor, text) in [(LEFT, "start", ends.0), (RIGHT, "end", ends.1)] {
        chart.labels.push(ChartLabel { x, y: 127.0, anchor, text: text.to_owned(), is_value: false });
    }
    chart
}

/// A limit this many times higher than the highest bar would leave no height for the bars, and is not drawn.
const FAR_ABOVE: u64 = 6;

/// Bars by name below a limit, which has a line of its own.
pub(super) fn bars_below(id: String, title: &str, values: &[(String, u64)], limit: Option<u64>) -> Chart {
    let highest = values.iter().map(|value| value.1).max().unwrap_or(0);
    let limit = limit.filter(|limit| *limit > 0 && *limit <= highest.saturating_mul(FAR_ABOVE));
    let values: Vec<(String, u64, u64)> = values.iter().map(|(name, n)| (name.clone(), *n, 0)).collect();
    draw_bars(id, title, &values, false, limit)
}

/// Bars by name, with an optional second value that goes down. Names are written as far as there is space.
pub(super) fn bars(id: String, title: &str, values: &[(String, u64, u64)], has_minus: bool) -> Chart {
    draw_bars(id, title, values, has_minus, None)
}

fn draw_bars(id: String, title: &str, values: &[(String, u64, u64)], has_minus: bool, limit: Option<u64>) -> Chart {
    let mut chart = Chart { id, title: title.to_owned(), height: 168, ..Chart::default() };
    let bottom = 146.0;
    let highest = values.iter().map(|value| value.1).max().unwrap_or(0);
    let lowest = values.iter().map(|value| value.2).max().unwrap_or(0);
    let zero = match has_minus {
        true => {
            let share = highest.max(1) as f64 / (highest.max(1) + lowest.max(1)) as f64;
            TOP + (bottom - TOP) * share.clamp(0.25, 0.75)
        }
        false => bottom,
    };
    let scale = Scale::fitting(0, highest.max(1).max(limit.unwrap_or(0)), (zero, TOP + 4.0));
    let unit = if has_minus {
        ((zero - TOP - 4.0) / scale.high).min((bottom - zero - 8.0) / lowest.max(1) as f64)
    } else {
        (zero - TOP - 4.0) / scale.high
    };
    let at = |value: f64| zero - value * unit;
    let mut ticks = Scale { step: scale.step, low: 0.0, high: scale.high, from: zero, to: at(scale.high) }.grid(true);
    if has_minus {
        ticks.retain(|tick| tick.at >= TOP);
    }
    chart.grid = ticks;
    chart.limit =
        limit.map(|limit| GridLine { at: round(at(limit as f64)), label: super::page::grouped(limit), is_base: false });
    let slot = (RIGHT - LEFT) / values.len().max(1) as f64;
    let width = (slot * 0.72).min(28.0);
    let text_every = (values.len() as f64 * 46.0 / (RIGHT - LEFT)).ceil().max(1.0) as usize;
    for (n, (name, up, down)) in values.iter().enumerate() {
        let middle = LEFT + slot * (n as f64 + 0.5);
        let x = round(middle - width / 2.0);
        let mut draw = |class, y: f64, height: f64| {
            chart.bars.push(ChartBar { class, x, y: round(y), width: round(width), height: round(height) });
        };
        if *up > 0 {
            draw("bar", at(*up as f64), (*up as f64 * unit).max(1.0));
        }
        if *down > 0 {
            draw("minus", zero, (*down as f64 * unit).max(1.0));
        }
        let is_top = *up == highest && highest > 0 && values.iter().position(|value| value.1 == highest) == Some(n);
        if is_top {
            let y = round(at(*up as f64) - 4.0);
            chart.labels.push(ChartLabel {
                x: round(middle),
                y,
                anchor: "middle",
                text: label(*up, has_minus, '+'),
                is_value: true,
            });
        }
        if has_minus && *down == lowest && lowest > 0 && values.iter().position(|value| value.2 == lowest) == Some(n) {
            let y = round((zero + *down as f64 * unit + 11.0).min(bottom));
            chart.labels.push(ChartLabel {
                x: round(middle),
                y,
                anchor: "middle",
                text: label(*down, true, '−'),
                is_value: true,
            });
        }
        if (values.len() - 1 - n).is_multiple_of(text_every) {
            let text = name.clone();
            // The last name would be cut off at the edge.
            let (middle, anchor) = if middle > RIGHT - 14.0 { (RIGHT + 10.0, "end") } else { (middle, "middle") };
            chart.labels.push(ChartLabel { x: round(middle), y: 162.0, anchor, text, is_value: false });
        }
    }
    chart
}

fn label(value: u64, has_sign: bool, sign: char) -> String {
    let number = super::page::grouped(value);
    if has_sign { format!("{sign}{number}") } else { number }
}

/// A vertical axis with ticks at round whole numbers.
struct Scale {
    step: f64,
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Scale {
    /// A scale that contains both values. `from` and `to` are the places of its ends.
    fn fitting(low: u64, high: u64, (from, to): (f64, f64)) -> Scale {
        let (low, high) = if low == high { (low.saturating_sub(1), high + 1) } else { (low, high) };
        let step = nice_step((high - low) as f64 / 3.0);
        let low = (low as f64 / step).floor() * step;
        let high = (high as f64 / step).ceil() * step;
        Scale { step, low, high, from, to }
    }

    fn at(&self, value: f64) -> f64 {
        self.from + (value - self.low) / (self.high - self.low) * (self.to - self.from)
    }

    fn grid(&self, has_base: bool) -> Vec<GridLine> {
        let count = ((self.high - self.low) / self.step).round() as u64;
        let tick = |n: u64| {
            let value = self.low + self.step * n as f64;
            GridLine { at: round(self.at(value)), label: short(value), is_base: has_base && n == 0 }
        };
        (0..=count).map(tick).collect()
    }
}

/// The next step of the form 1, 2 or 5 times a power of ten, at least 1.
fn nice_step(least: f64) -> f64 {
    let power = 10_f64.powf(least.max(1.0).log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|n| n * power).find(|step| *step >= least).unwrap_or(10.0 * power)
}

/// `950`, `1.5k`, `2M`
fn short(value: f64) -> String {
    let (value, unit) = match value {
        v if v >= 1e6 => (v / 1e6, "M"),
        v if v >= 1e4 => (v / 1e3, "k"),
        v => (v, ""),
    };
    format!("{}{unit}", (value * 100.0).round() / 100.0)
}

/// At most [`MAX_POINTS`] of the points, with the first and the last one.
fn thinned(points: &[TimePoint]) -> Vec<TimePoint> {
    if points.len() <= MAX_POINTS {
        return points.to_vec();
    }
    let last = points.len() - 1;
    (0..MAX_POINTS).map(|n| points[n * last / (MAX_POINTS - 1)]).collect()
}

fn round(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_contain_the_values() {
        for (low, high) in [(0, 1), (0, 3), (7, 7), (95, 134), (0, 999), (9_998, 10_003), (0, 5_000_000)] {
            let scale = Scale::fitting(low, high, (100.0, 0.0));
            let grid = scale.grid(false);
            assert!((2..=6).contains(&grid.len()), "{low} to {high}: {grid:?}");
            assert!(scale.low <= low as f64 && scale.high >= high as f64, "{low} to {high}");
            assert!(grid.iter().all(|tick| tick.label.len() <= 5), "{grid:?}");
        }
    }

    #[test]
    fn shapes_stay_in_the_drawing() {
        for values in [vec![(5, 9)], vec![(0, 1)], vec![(1_000_000, 1)], vec![(1, 1_000_000), (3, 0), (0, 0)], vec![]] {
            let values: Vec<_> = values.into_iter().map(|(up, down)| ("Jan".to_owned(), up, down)).collect();
            for has_minus in [false, true] {
                let values: Vec<_> =
                    values.iter().map(|v| (v.0.clone(), v.1, if has_minus { v.2 } else { 0 })).collect();
                let chart = bars("c".into(), "t", &values, has_minus);
                assert!(chart.bars.iter().all(|b| b.y >= 0.0 && b.y + b.height <= 150.0 && b.x >= LEFT), "{chart:?}");
                assert!(chart.labels.iter().all(|l| (8.0..=168.0).contains(&l.y)), "{chart:?}");
            }
        }
    }

    #[test]
    fn line_has_at_most_400_points() {
        let points: Vec<TimePoint> = (0..10_000).map(|n| (n, (n % 77) as u64)).collect();
        let chart = steps("c".into(), "t", &points, ("a", "b"));
        assert_eq!(chart.lines[0].matches('H').count(), MAX_POINTS - 1);
        assert!(chart.lines[0].starts_with("M40 ") && chart.dots[0].0 == RIGHT);
    }
}
