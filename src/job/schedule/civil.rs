//! Converts civil times of the wall clock into instants.

use chrono::{DateTime, MappedLocalTime, NaiveDateTime, Offset, TimeDelta, TimeZone, Utc};

use super::Schedule;

/// Longer than any change of a zone's offset (Samoa skipped a whole day in 2011).
const MARGIN: TimeDelta = TimeDelta::hours(26);

/// Step of the search for a change of offset. No zone changes twice within this time.
const WINDOW: TimeDelta = TimeDelta::hours(12);

impl Schedule {
    /// The next fire of a line with fixed hours: each civil time fires once.
    pub(super) fn next_fixed(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        // A time in a gap, or a repeated one, fires at another instant than its civil time suggests, so start earlier.
        let calm = self.offset(after - MARGIN) == self.offset(after + MARGIN);
        let start = self.wall_time(after) - if calm { TimeDelta::zero() } else { MARGIN };
        self.civil_after(start).map(|civil| self.to_instant(civil)).find(|instant| *instant > after)
    }

    /// The next fire of a line with the hour `*` or `*/n`: whenever the wall clock shows a time of the line.
    pub(super) fn next_on_wall_clock(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let mut from = after;
        let mut start = self.wall_time(after);
        loop {
            let offset = self.offset(from);
            let civil = self.civil_after(start).next()?;
            let fire = (civil - offset).and_utc();
            let Some(change) = self.change_within(from, fire) else {
                return Some(fire);
            };
            // The clock changes before that: continue from the time it shows then, including that moment.
            from = change;
            start = self.wall_time(change) - TimeDelta::seconds(1);
        }
    }

    /// The first instant of a new offset in (from, to].
    fn change_within(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let mut low = from;
        while low < to {
            let high = (low + WINDOW).min(to);
            if self.offset(low) != self.offset(high) {
                return Some(first_where(low, high, |at| self.offset(at) != self.offset(low)));
            }
            low = high;
        }
        None
    }

    /// The civil times after a start, in order.
    fn civil_after(&self, start: NaiveDateTime) -> impl Iterator<Item = NaiveDateTime> {
        let mut queues: Vec<_> = self
            .engines
            .iter()
            .map(|engine| engine.after_owned(start.and_utc()).map(|at| at.naive_utc()).peekable())
            .collect();
        std::iter::from_fn(move || {
            let next = queues.iter_mut().filter_map(|q| q.peek().copied()).min()?;
            for queue in &mut queues {
                queue.next_if_eq(&next);
            }
            Some(next)
        })
    }

    /// The instant of a civil time: the first of two if it is repeated, the end of the gap if it is skipped.
    fn to_instant(&self, civil: NaiveDateTime) -> DateTime<Utc> {
        match self.zone.from_local_datetime(&civil) {
            MappedLocalTime::Single(at) | MappedLocalTime::Ambiguous(at, _) => at.to_utc(),
            MappedLocalTime::None => {
                let near = civil.and_utc();
                first_where(near - MARGIN, near + MARGIN, |at| self.wall_time(at) >= civil)
            }
        }
    }

    fn wall_time(&self, at: DateTime<Utc>) -> NaiveDateTime {
        at.with_timezone(&self.zone).naive_local()
    }

    fn offset(&self, at: DateTime<Utc>) -> TimeDelta {
        let offset = self.zone.offset_from_utc_datetime(&at.naive_utc());
        TimeDelta::seconds(i64::from(offset.fix().local_minus_utc()))
    }
}

/// The first second in (low, high] from which on `holds` is true.
fn first_where(low: DateTime<Utc>, high: DateTime<Utc>, holds: impl Fn(DateTime<Utc>) -> bool) -> DateTime<Utc> {
    let (mut low, mut high) = (low.timestamp(), high.timestamp());
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if DateTime::from_timestamp(middle, 0).is_some_and(&holds) {
            high = middle;
        } else {
            low = middle;
        }
    }
    DateTime::from_timestamp(high, 0).unwrap_or(DateTime::<Utc>::MAX_UTC)
}
