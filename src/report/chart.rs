//! Charts as shapes: lines over time and bars. The template draws them.

mod scale;

pub(super) use scale::LineAxes;
use scale::Scale;

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

/// A value at a place of the axis.
pub(super) type ValuePoint = (f64, f64);

/// How the points of a line are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LineShape {
    /// Straight from point to point.
    Straight,
    /// Each value is kept until the next one.
    Steps,
}

/// A line of whole numbers that keeps each value until the next one. The axis of times shows `times`, with the texts
/// `ends` at its ends, so that drawings below each other can be compared.
pub(super) fn steps(id: String, title: &str, points: &[TimePoint], times: (i64, i64), ends: (&str, &str)) -> Chart {
    let points: Vec<ValuePoint> = points.iter().map(|(time, n)| (*time as f64, *n as f64)).collect();
    let axes = LineAxes { places: (times.0 as f64, times.1 as f64), ..LineAxes::of(&points, ends) };
    line(id, title, &points, LineShape::Steps, axes, MAX_POINTS)
}

/// A line through values, with at most `most` points.
pub(super) fn line(
    id: String,
    title: &str,
    points: &[ValuePoint],
    shape: LineShape,
    axes: LineAxes<'_>,
    most: usize,
) -> Chart {
    let mut chart = Chart { id, title: title.to_owned(), height: 132, ..Chart::default() };
    let bottom = 110.0;
    let Some(last) = points.last() else { return chart };
    let scale = Scale::fitting(axes.values.0, axes.values.1, axes.is_whole, (bottom, TOP));
    chart.grid = scale.grid(false);
    let (from, until) = axes.places;
    let span = if until > from { until - from } else { 1.0 };
    let x = |place: f64| round(LEFT + (place - from) / span * (RIGHT - LEFT));
    let mut path = String::new();
    let drawn: Vec<ValuePoint> =
        thinned(points, most).into_iter().map(|(place, value)| (x(place), round(scale.at(value)))).collect();
    for (n, (x, y)) in drawn.iter().enumerate() {
        match shape {
            _ if n == 0 => path = format!("M{x} {y}"),
            LineShape::Steps => path.push_str(&format!("H{x}V{y}")),
            LineShape::Straight => path.push_str(&format!("L{x} {y}")),
        }
    }
    chart.lines.push(path);
    let end = (x(last.0), round(scale.at(last.1)));
    chart.dots.push(end);
    let anchor = if end.0 < LEFT + 40.0 { "start" } else { "end" };
    let label = |x, y, anchor, text: String, is_value| ChartLabel { x, y, anchor, text, is_value };
    let value = number_text(last.1);
    let width = GLYPH_WIDTH * value.chars().count() as f64;
    let across = if anchor == "end" { (end.0 - width, end.0) } else { (end.0, end.0 + width) };
    let y = free_height(end.1, across, &drawn, shape);
    chart.labels.push(label(end.0, round(y), anchor, value, true));
    chart.labels.push(label(LEFT, 127.0, "start", axes.ends.0.to_owned(), false));
    if until > from {
        chart.labels.push(label(RIGHT, 127.0, "end", axes.ends.1.to_owned(), false));
    }
    chart
}

/// About the width of a digit of a label.
const GLYPH_WIDTH: f64 = 7.0;

/// The height of a label near the end of a line, above or below it, where the line does not cross the label. `across` are
/// its left and its right end.
fn free_height(end: f64, across: (f64, f64), line: &[ValuePoint], shape: LineShape) -> f64 {
    const HIGHEST: f64 = 11.0;
    const LOWEST: f64 = 106.0;
    let mut heights = vec![end - 8.0, end + 16.0, HIGHEST, LOWEST];
    heights.retain(|y| (HIGHEST..=LOWEST).contains(y));
    let is_free = |y: &f64| {
        let label = (*y - 10.0, *y + 2.0);
        let crosses = |from: ValuePoint, to: ValuePoint| {
            let (left, right) = (from.0.max(across.0), to.0.min(across.1));
            let height = |x: f64| {
                let length = to.0 - from.0;
                if length > 0.0 { from.1 + (x - from.0) / length * (to.1 - from.1) } else { to.1 }
            };
            let (a, b) = if from.0 < to.0 { (height(left), height(right)) } else { (from.1, to.1) };
            left <= right && a.min(b) <= label.1 && a.max(b) >= label.0
        };
        !line.windows(2).any(|pair| match shape {
            LineShape::Straight => crosses(pair[0], pair[1]),
            LineShape::Steps => {
                let corner = (pair[1].0, pair[0].1);
                crosses(pair[0], corner) || crosses(corner, pair[1])
            }
        })
    };
    heights.iter().copied().find(is_free).or(heights.first().copied()).unwrap_or(HIGHEST)
}

/// The height of a bar with its name above it.
const ROW_HEIGHT: f64 = 32.0;

/// The ends of an axis that shows these heights and 0.
pub(super) fn ends_with_zero(heights: impl IntoIterator<Item = f64>) -> (f64, f64) {
    heights.into_iter().fold((0.0, 0.0), |(low, high), n| (f64::min(low, n), f64::max(high, n)))
}

/// Horizontal bars, which have space for long names. A negative value goes to the left. `ends` are those of the axis.
pub(super) fn rows_of_bars(id: String, title: &str, values: &[(String, f64)], (low, high): (f64, f64)) -> Chart {
    let height = 4.0 + ROW_HEIGHT * values.len() as f64;
    let mut chart = Chart { id, title: title.to_owned(), height: height as u32, ..Chart::default() };
    let span = if high > low { high - low } else { 1.0 };
    // The numbers are at the right of the bars.
    let (left, right) = (2.0, 290.0);
    let x = |value: f64| left + (value - low) / span * (right - left);
    for (n, (name, value)) in values.iter().enumerate() {
        let top = ROW_HEIGHT * n as f64 + 4.0;
        let (from, to) = (x(value.min(0.0)), x(value.max(0.0)));
        let class = if *value < 0.0 { "minus" } else { "bar" };
        let width = round((to - from).max(1.0));
        chart.bars.push(ChartBar { class, x: round(from), y: round(top + 16.0), width, height: 9.0 });
        let label = |x, y, text, is_value| ChartLabel { x, y: round(y), anchor: "start", text, is_value };
        chart.labels.push(label(left, top + 11.0, cut_short(name, NAME_LENGTH), false));
        chart.labels.push(label(round(to + 6.0), top + 25.0, number_text(*value), true));
    }
    chart
}

/// A longer name does not fit into the width of a drawing. The table below it has the whole name.
const NAME_LENGTH: usize = 48;

fn cut_short(name: &str, most: usize) -> String {
    if name.chars().count() <= most {
        return name.to_owned();
    }
    name.chars().take(most - 1).chain(['…']).collect()
}

/// `1,234`, `−5`, `0.25`
pub(super) fn number_text(value: f64) -> String {
    let sign = if value < 0.0 { "−" } else { "" };
    let size = value.abs();
    if size.is_infinite() {
        return format!("{sign}∞");
    }
    if size.fract() == 0.0 && size < 1e15 {
        return format!("{sign}{}", super::page::grouped(size as u64));
    }
    let text = if size < 1e15 { format!("{size:.4}") } else { format!("{size:e}") };
    let text = if text.contains(['.']) && !text.contains('e') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        &text
    };
    format!("{sign}{text}")
}

/// A limit this many times higher than the highest bar would leave no height for the bars, and is not drawn.
const FAR_ABOVE: u64 = 6;

/// Bars by name below a limit, which has a line of its own.
pub(super) fn bars_below(id: String, title: &str, values: &[(String, u64)], limit: Option<u64>) -> Chart {
    let highest = values.iter().map(|value| value.1).max().unwrap_or(0);
    let limit = limit.filter(|limit| *limit > 0 && *limit <= highest.saturating_mul(FAR_ABOVE));
    let values: Vec<(String, u64, u64)> = values.iter().map(|(name, n)| (name.clone(), *n, 0)).collect();
    draw_bars(id, title, &values, false, limit, 0)
}

/// Bars by name, with an optional second value that goes down. Names are written as far as there is space.
pub(super) fn bars(id: String, title: &str, values: &[(String, u64, u64)], has_minus: bool) -> Chart {
    draw_bars(id, title, values, has_minus, None, 0)
}

/// Bars by name on an axis that has at least this height.
pub(super) fn bars_as_high(id: String, title: &str, values: &[(String, u64)], height: u64) -> Chart {
    let values: Vec<(String, u64, u64)> = values.iter().map(|(name, n)| (name.clone(), *n, 0)).collect();
    draw_bars(id, title, &values, false, None, height)
}

fn draw_bars(
    id: String,
    title: &str,
    values: &[(String, u64, u64)],
    has_minus: bool,
    limit: Option<u64>,
    at_least: u64,
) -> Chart {
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
    let top = highest.max(1).max(limit.unwrap_or(0)).max(at_least) as f64;
    let scale = Scale::fitting(0.0, top, true, (zero, TOP + 4.0));
    let unit = if has_minus {
        ((zero - TOP - 4.0) / scale.high).min((bottom - zero - 14.0) / lowest.max(1) as f64)
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

/// At most `most` of the points, with the first and the last one.
fn thinned(points: &[ValuePoint], most: usize) -> Vec<ValuePoint> {
    if points.len() <= most {
        return points.to_vec();
    }
    let last = points.len() - 1;
    (0..most).map(|n| points[n * last / (most - 1)]).collect()
}

fn round(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn label_of_a_line_does_not_touch_it() {
        for (points, is_below) in [
            (vec![(0.0, 5.0), (9.0, 1.0), (10.0, 5.0)], false),
            // It falls to its end, so the label above the end would be on the line.
            (vec![(0.0, 9.0), (10.0, 4.0), (11.0, 0.0), (12.0, 3.0)], false),
            (vec![(0.0, 0.0), (9.6, 9.0), (10.0, 5.0)], true),
        ] {
            for shape in [LineShape::Straight, LineShape::Steps] {
                let chart = line("c".into(), "t", &points, shape, LineAxes::of(&points, ("a", "b")), MAX_POINTS);
                let label = &chart.labels[0];
                assert!((11.0..=106.0).contains(&label.y), "{chart:?}");
                if is_below {
                    assert!(label.y > chart.dots[0].1, "{points:?} {shape:?}: {label:?}");
                }
            }
        }
    }

    #[test]
    fn line_has_at_most_400_points() {
        let points: Vec<TimePoint> = (0..10_000).map(|n| (n, (n % 77) as u64)).collect();
        let chart = steps("c".into(), "t", &points, (0, 9_999), ("a", "b"));
        assert_eq!(chart.lines[0].matches('H').count(), MAX_POINTS - 1);
        assert!(chart.lines[0].starts_with("M40 ") && chart.dots[0].0 == RIGHT);
    }
}
