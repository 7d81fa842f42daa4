//! The greatest memory of a program that has ended: what the kernel noted before what was seen.
//!
//! Must not know: how it was run.
//!
//! | mark | is of | begins |
//! |---|---|---|
//! | `VmHWM`, as last seen | the process's memory | at its exec; what came after the last look is not in it |
//! | `ru_maxrss`, at the end | the process, what it was before exec, and children that it waited for | at its fork |
//!
//! So the second is the peak, to the page, unless it may be another's: a child's, or that of the copy of lineprof which
//! became the program. Then the first is a lower bound and the second an upper one: a child may have had any part of the
//! mark, while the copy of lineprof has less than two megabytes, so that the program hardly has less.

use lineprof_tracer::{Reaped, WaitedFor};

use crate::units::Bytes;

/// The greatest memory of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peak {
    /// This.
    Exact(Bytes),
    /// This at least; a child may have had what the kernel noted.
    AtLeast {
        /// What was seen.
        seen: Bytes,
        /// What the kernel noted.
        noted: Bytes,
    },
    /// This at most; what the process was before exec may have had it.
    AtMost(Bytes),
}

impl Peak {
    /// The number to show.
    pub fn bytes(self) -> Bytes {
        match self {
            Peak::Exact(bytes) | Peak::AtMost(bytes) | Peak::AtLeast { seen: bytes, .. } => bytes,
        }
    }
}

/// The peak of a program that had `seen` at least, and ended as `reaped` tells.
pub fn peak_of(seen: Bytes, reaped: &Reaped) -> Peak {
    let most = Bytes(reaped.most_resident);
    if most <= seen {
        Peak::Exact(seen)
    } else if reaped.children == WaitedFor::Some {
        Peak::AtLeast { seen, noted: most }
    } else if reaped.most_resident > reaped.before_exec {
        Peak::Exact(most)
    } else {
        Peak::AtMost(most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lineprof_tracer::End;

    fn reaped(most_resident: u64, children: WaitedFor) -> Reaped {
        Reaped {
            end: End::Exited(0),
            most_resident,
            before_exec: 100,
            children,
        }
    }

    #[test]
    fn the_kernels_mark_is_the_peak_where_it_can_be_nobody_elses() {
        let peak = peak_of(Bytes(300), &reaped(500, WaitedFor::None));
        assert_eq!(peak, Peak::Exact(Bytes(500)));
    }

    #[test]
    fn a_child_may_have_set_the_mark() {
        let peak = peak_of(Bytes(300), &reaped(500, WaitedFor::Some));
        let (seen, noted) = (Bytes(300), Bytes(500));
        assert_eq!(peak, Peak::AtLeast { seen, noted });
        assert_eq!(peak.bytes(), seen);
        let peak = peak_of(Bytes(500), &reaped(500, WaitedFor::Some));
        assert_eq!(peak, Peak::Exact(Bytes(500)), "nobody had more");
    }

    #[test]
    fn what_the_process_was_before_exec_may_have_set_the_mark() {
        let peak = peak_of(Bytes(50), &reaped(90, WaitedFor::None));
        assert_eq!(peak, Peak::AtMost(Bytes(90)));
        assert_eq!(peak.bytes(), Bytes(90));
    }
}
