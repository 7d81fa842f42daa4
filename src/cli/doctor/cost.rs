//! What a stop costs on this machine: a child of lineprof's own is stopped many times.
//!
//! Must not know: what is good or bad about the number beyond telling it.

use std::ffi::OsString;
use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use lineprof::metric::{MemoryReader, Reading};
use lineprof::profile::Metric;
use lineprof_tracer::{
    Event, Launch, Mapping, Options, Pid, RemoteAddr, Session, SignalMask, SiteRequest, code, stop_pair,
};

use super::Finding;
use crate::cli::args::DoctorTarget;

const STOPS: u32 = 5000;

/// Above this the tracer and the program are likely not to share a processor, or the machine is busy.
const MUCH: f64 = 50.0;

pub(super) fn look() -> Finding {
    let subject = "cost of a stop";
    match measure() {
        Ok(cost) if cost <= MUCH => Finding::good(subject, format!("{cost:.1} µs, measured over {STOPS}")),
        Ok(cost) => Finding::fair(
            subject,
            format!("{cost:.1} µs, measured over {STOPS}: a busy machine, or a slow virtual one"),
            "name few functions, or measure where less runs",
        ),
        Err(why) => Finding::bad(
            subject,
            format!("cannot trace a child: {why}"),
            "see the lines above; a security module may forbid it (SELinux, AppArmor): see `dmesg`",
        ),
    }
}

/// What the child runs.
#[inline(never)]
extern "C" fn stopped_at(number: u32) -> u32 {
    std::hint::black_box(number)
}

/// The child: this executable again, under a name that nobody types.
pub(crate) fn run_target(args: &DoctorTarget) -> ExitCode {
    for number in 0..args.turns {
        std::hint::black_box(stopped_at(number));
    }
    ExitCode::SUCCESS
}

/// Microseconds a stop, a reading of memory each included.
fn measure() -> Result<f64, String> {
    // A session belongs to its thread, and so does what it traces.
    match std::thread::spawn(measure_here).join() {
        Ok(measured) => measured,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

fn measure_here() -> Result<f64, String> {
    let said = |error: &dyn std::error::Error| error.to_string();
    let (_handle, listener) = stop_pair().map_err(|e| said(&e))?;
    let launch = Launch {
        program: PathBuf::from("/proc/self/exe"),
        arguments: ["lineprof", "doctor-target", &STOPS.to_string()]
            .map(OsString::from)
            .to_vec(),
        environment: Vec::new(),
        blocked: SignalMask::of_this_thread(),
    };
    let mut session = Session::launch(&launch, Options::default(), listener).map_err(|e| said(&e))?;
    let request = request(&session.mappings().map_err(|e| said(&e))?).map_err(|e| said(&e))?;
    let planted = session.plant(&[request]).map_err(|e| said(&e))?;
    if let Some(Err(refused)) = planted.first() {
        return Err(refused.to_string());
    }
    let pid = session.pid();
    let mut memory =
        MemoryReader::open(pid, pid.leader(), Metric::Rss, Reading::Counters).map_err(|e| said(&e))?;
    let (mut begun, mut stops) = (None, 0_u32);
    loop {
        match session.next_event().map_err(|e| said(&e))? {
            Event::Hit(hit) => {
                memory.read(hit.thread.tid);
                begun.get_or_insert_with(Instant::now);
                stops += 1;
            }
            Event::Ended(_) | Event::Over => break,
            Event::ThreadEnding(_)
            | Event::Passed
            | Event::Stopped(_)
            | Event::Executed
            | Event::Began(_)
            | Event::StopRequested
            | Event::Woken => {}
        }
    }
    let elapsed = begun.ok_or("it was never stopped")?.elapsed();
    Ok(elapsed.as_secs_f64() * 1e6 / f64::from(stops))
}

/// The site in the child: the same place of the same file as here.
fn request(of_child: &[Mapping]) -> std::io::Result<SiteRequest> {
    let missing = || std::io::Error::other("the executable is not mapped");
    let here = RemoteAddr(stopped_at as *const () as usize as u64);
    let own = lineprof_tracer::mappings(Pid(std::process::id().cast_signed()))?;
    let own = own.iter().find(|m| m.range.contains(here)).ok_or_else(missing)?;
    let inode = std::fs::metadata("/proc/self/exe")?.ino();
    let same = |m: &&Mapping| m.inode == inode && m.executable && m.offset == own.offset;
    let child = of_child.iter().find(same).ok_or_else(missing)?;
    let mut bytes = [0; 16];
    File::open("/proc/self/mem")?.read_exact_at(&mut bytes, here.0)?;
    let length = code::decode(&bytes).first().map_or(0, |first| first.length);
    Ok(SiteRequest {
        address: RemoteAddr(here.0 - own.range.start.0 + child.range.start.0),
        instruction: bytes[..usize::from(length)].to_vec(),
    })
}
