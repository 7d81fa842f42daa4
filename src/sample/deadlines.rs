//! When to read: at whole periods from the beginning.
//!
//! Must not know: clocks. It is told how long ago the beginning was.
//!
//! ```text
//! due      0    1    2    3    4    5
//! taken    0    1          3.2  4    5        reading 2 came after 3 was due: 2 and 3 are missed, 4 is in time
//! ```
//! The period does not drift, whatever a reading costs. Who comes late takes what is due next, never several at once:
//! a burst of readings would say nothing about the time that was missed.

use std::time::Duration;

/// Deadlines at whole periods.
///
/// ```
/// use lineprof::sample::Deadlines;
/// use std::time::Duration;
/// let mut deadlines = Deadlines::every(Duration::from_millis(100));
/// assert_eq!(deadlines.due(), Duration::ZERO);
/// assert_eq!(deadlines.taken(Duration::from_millis(7)), 0);
/// assert_eq!(deadlines.due(), Duration::from_millis(100));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    period: Duration,
    due: Duration,
}

impl Deadlines {
    /// The first deadline is the beginning.
    ///
    /// A period of nothing is taken for a nanosecond.
    pub fn every(period: Duration) -> Deadlines {
        Deadlines {
            period: period.max(Duration::from_nanos(1)),
            due: Duration::ZERO,
        }
    }

    /// When the next reading is due, since the beginning.
    pub fn due(&self) -> Duration {
        self.due
    }

    /// A reading was taken so long after the beginning: goes on to the next deadline after it; how many were missed.
    pub fn taken(&mut self, elapsed: Duration) -> u64 {
        let period = self.period.as_nanos();
        let next = self.due.as_nanos() + period;
        let after = (elapsed.as_nanos() / period + 1) * period;
        let due = next.max(after);
        self.due = duration(due);
        u64::try_from((due - next) / period).unwrap_or(u64::MAX)
    }
}

fn duration(nanoseconds: u128) -> Duration {
    // Five hundred years fit.
    u64::try_from(nanoseconds).map_or(Duration::MAX, Duration::from_nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn the_cost_of_readings_does_not_add_up() {
        let mut deadlines = Deadlines::every(ms(10));
        for turn in 0..100_000 {
            assert_eq!(deadlines.due(), ms(10 * turn));
            assert_eq!(deadlines.taken(deadlines.due() + ms(9)), 0);
        }
    }

    #[test]
    fn what_was_missed_is_counted_and_not_caught_up() {
        let mut deadlines = Deadlines::every(ms(10));
        deadlines.taken(ms(0));
        assert_eq!(deadlines.taken(ms(35)), 2, "20 and 30");
        assert_eq!(deadlines.due(), ms(40));
        assert_eq!(deadlines.taken(ms(40)), 0);
        assert_eq!(deadlines.due(), ms(50));
    }

    #[test]
    fn a_reading_that_comes_when_the_next_is_due_takes_its_place() {
        let mut deadlines = Deadlines::every(ms(10));
        assert_eq!(deadlines.taken(ms(10)), 1);
        assert_eq!(deadlines.due(), ms(20));
    }

    #[test]
    fn days_and_periods_of_nothing_do_no_harm() {
        let mut deadlines = Deadlines::every(Duration::ZERO);
        deadlines.taken(Duration::from_secs(86_400 * 365));
        assert!(deadlines.due() > Duration::from_secs(86_400 * 365));
        deadlines.taken(Duration::MAX);
        assert_eq!(deadlines.due(), Duration::MAX);
    }
}
