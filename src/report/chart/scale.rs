//! The axes of a line, and a vertical axis with ticks at round numbers.

use super::{GridLine, ValuePoint, round};

/// A vertical axis with ticks at round numbers.
pub(super) struct Scale {
    pub step: f64,
    pub low: f64,
    pub high: f64,
    pub from: f64,
    pub to: f64,
}

impl Scale {
    /// A scale that contains both values, with ticks at whole numbers if all values are. `from` and `to` are the places of
    /// its ends.
    pub(super) fn fitting(low: f64, high: f64, is_whole: bool, (from, to): (f64, f64)) -> Scale {
        let (low, high) = if low < high {
            (low, high)
        } else {
            // Whole numbers have no part of a step below them, and sizes are not negative.
            let around = if is_whole { 1.0 } else { (low.abs() * 0.1).max(f64::MIN_POSITIVE * 1e9) };
            (
                if low > 0.0 {
                    (low - around).max(0.0)
                } else if low == 0.0 && is_whole {
                    0.0
                } else {
                    low - around
                },
                high + around,
            )
        };
        let least = (high - low) / 3.0;
        let step = nice_step(if is_whole { least.max(1.0) } else { least });
        let low = (low / step).floor() * step;
        let high = (high / step).ceil() * step;
        Scale { step, low, high, from, to }
    }

    pub(super) fn at(&self, value: f64) -> f64 {
        self.from + (value - self.low) / (self.high - self.low) * (self.to - self.from)
    }

    pub(super) fn grid(&self, has_base: bool) -> Vec<GridLine> {
        let count = ((self.high - self.low) / self.step).round() as u64;
        let tick = |n: u64| {
            let value = self.low + self.step * n as f64;
            GridLine { at: round(self.at(value)), label: short(value, self.step), is_base: has_base && n == 0 }
        };
        (0..=count).map(tick).collect()
    }
}

/// What the axes of a line show. Lines that are compared with each other have the same axes.
#[derive(Debug, Clone, Copy)]
pub(in crate::report) struct LineAxes<'a> {
    pub(super) places: (f64, f64),
    pub(super) values: (f64, f64),
    pub(super) is_whole: bool,
    /// The texts at the ends of the axis of places.
    pub(super) ends: (&'a str, &'a str),
}

impl<'a> LineAxes<'a> {
    /// The axes that show all of these points.
    pub(in crate::report) fn of<'p>(
        points: impl IntoIterator<Item = &'p ValuePoint>,
        ends: (&'a str, &'a str),
    ) -> LineAxes<'a> {
        let none = (f64::INFINITY, f64::NEG_INFINITY);
        let mut axes = LineAxes { places: none, values: none, is_whole: true, ends };
        let widen = |(low, high): (f64, f64), n: f64| (low.min(n), high.max(n));
        for (place, value) in points {
            axes.places = widen(axes.places, *place);
            axes.values = widen(axes.values, *value);
            axes.is_whole &= value.fract() == 0.0;
        }
        axes
    }
}

/// The next step of the form 1, 2 or 5 times a power of ten.
fn nice_step(least: f64) -> f64 {
    let power = 10_f64.powf(least.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|n| n * power).find(|step| *step >= least).unwrap_or(10.0 * power)
}

/// `950`, `15k`, `2M`, `0.25`, with as many decimals as the step between ticks needs.
fn short(value: f64, step: f64) -> String {
    let (unit, name) = match value.abs().max(step) {
        size if size >= 1e12 => return format!("{value:.0e}"),
        size if size >= 1e9 => (1e9, "G"),
        size if size >= 1e6 && step >= 1e4 => (1e6, "M"),
        size if size >= 1e4 && step >= 1e1 => (1e3, "k"),
        _ => (1.0, ""),
    };
    let decimals = (-(step / unit).log10().floor()).clamp(0.0, 6.0) as usize;
    let text = format!("{:.decimals$}", value / unit);
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    let text = if text == "-0" { "0" } else { text };
    format!("{}{}", text.replace('-', "−"), if text == "0" { "" } else { name })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_contain_the_values() {
        let whole = [(0, 1), (0, 3), (7, 7), (0, 0), (95, 134), (0, 999), (9_998, 10_003), (0, 5_000_000), (-9, 4)];
        let whole = whole.map(|(low, high)| (f64::from(low), f64::from(high), true));
        let broken = [(0.1, 0.9), (-0.5, 1e-4), (0.25, 0.25), (-3.5, -3.5), (1e6, 1e6 + 0.5)];
        for (low, high, is_whole) in whole.into_iter().chain(broken.map(|(low, high)| (low, high, false))) {
            let scale = Scale::fitting(low, high, is_whole, (100.0, 0.0));
            let grid = scale.grid(false);
            assert!((2..=6).contains(&grid.len()), "{low} to {high}: {grid:?}");
            assert!(scale.low <= low && scale.high >= high, "{low} to {high}");
            // Only numbers that differ in their last digits alone need more room.
            let longest = if (high - low) / high.abs() < 1e-3 { 9 } else { 6 };
            assert!(grid.iter().all(|tick| tick.label.chars().count() <= longest), "{grid:?}");
            assert!(grid.windows(2).all(|pair| pair[0].label != pair[1].label), "{grid:?}");
        }
    }
}
