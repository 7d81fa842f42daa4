//! By which means lines are heard of, as far as options contradict each other.
//!
//! Must not know: how anything is measured.

use super::args::{Engine, Means, Metric};
use super::hint::Failure;

impl Means {
    /// Whether what is asked for can be had together.
    pub(super) fn check(self, metric: Option<Metric>) -> Result<(), Failure> {
        if !self.inline_only {
            return Ok(());
        }
        if matches!(self.engine, Engine::Displaced | Engine::InPlace) {
            let failure = Failure::new("--inline-only leaves nothing to an engine that stops");
            return Err(failure.hint("leave out one of --inline-only and --engine"));
        }
        if matches!(metric, Some(Metric::Pss | Metric::Uss)) {
            let failure = Failure::new(
                "with --inline-only the process reads its memory itself, and cannot read `pss` or `uss`",
            );
            return Err(failure.hint("leave out --metric, or use `rss` or `anon`"));
        }
        Ok(())
    }

    /// Whether what cannot be done inline can be done.
    pub(super) fn stop_at_lines(self, cannot: &str) -> Result<(), Failure> {
        if self.engine != Engine::Inline {
            return Ok(());
        }
        let failure = Failure::new(format!(
            "`--engine inline` cannot {cannot}: a process that counts its lines itself tells of them late"
        ));
        Err(failure.hint("leave `--engine` out: each line is a breakpoint then"))
    }

    /// Says that each line costs a stop, which nobody asked for.
    pub(super) fn note_stops(self, why: &str) {
        if self.engine == Engine::Auto {
            eprintln!("lineprof: to {why}, each line is a breakpoint: the program runs slower");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(engine: Engine) -> Means {
        Means {
            engine,
            inline_only: true,
            ..Means::default()
        }
    }

    #[test]
    fn what_stops_contradicts_inline_only() {
        assert!(only(Engine::Auto).check(Some(Metric::Anon)).is_ok());
        assert!(only(Engine::Inline).check(None).is_ok());
        assert!(only(Engine::Displaced).check(None).is_err());
        assert!(only(Engine::InPlace).check(None).is_err());
        assert!(only(Engine::Auto).check(Some(Metric::Pss)).is_err());
        assert!(Means::default().check(Some(Metric::Uss)).is_ok());
    }
}
