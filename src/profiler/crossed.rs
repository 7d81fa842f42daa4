//! What is told of a limit that was crossed.
//!
//! Must not know: how it was found; `trigger` decides that.

use lineprof_tracer::{Hit, Session};

use super::backtrace;
use crate::plan::{LineId, Plan};
use crate::profile::{self, Crossing, Limit, RanLine};
use crate::recorder::Came;
use crate::units::Bytes;

/// A crossing, of the thread that stands at `hit`.
pub(super) fn crossing(
    plan: &Plan,
    session: &mut Session,
    hit: &Hit,
    came: Came,
    limit: Limit,
    memory: Bytes,
) -> Crossing {
    let (file, line, function) = place(plan, came.to);
    let ran = came.ran.map(|ran| {
        let (file, line, _) = place(plan, ran.line);
        RanLine {
            file,
            line,
            increment: ran.change,
        }
    });
    Crossing {
        limit,
        memory,
        file,
        line,
        function,
        thread: hit.thread.tid.0.cast_unsigned(),
        ran,
        backtrace: backtrace::of(session, hit),
    }
}

/// File, line and function of a line.
fn place(plan: &Plan, line: LineId) -> (String, u32, String) {
    let planned = plan.line(line);
    let function = plan.function(planned.function);
    let file = planned.file.as_ref().unwrap_or(&function.file);
    (profile::path_text(file), planned.line, function.name.clone())
}
