//! A case: a scene, what comes from outside, when the client has enough. It plays the same each time.
//!
//! Must not know: where cases come from (`generate`), what must hold (`invariants`).

use super::super::*;
use crate::sys::scripted::{Happening, Mutant};
use std::fmt;

/// Everything that decides what happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) engine: Engine,
    pub(crate) order: Order,
    /// Threads of the profiled process, with what they do.
    pub(crate) threads: Vec<(i32, Vec<Act>)>,
    /// What everybody's handler of signal 10 does.
    pub(crate) handler: Vec<Act>,
    /// The program's instructions that are not the usual one.
    pub(crate) code: Vec<(u64, Vec<u8>)>,
    /// What comes from outside, at which request of the session.
    pub(crate) happenings: Vec<(usize, Happening)>,
    /// The wishes of the client: so many events, then a detach.
    pub(crate) events: usize,
    /// Whether killed threads report that they are about to end.
    pub(crate) exit_stops: bool,
    /// Whether kcmp(2) is there.
    pub(crate) kcmp: bool,
    pub(crate) children: Children,
}

/// What came of a case.
pub(crate) struct Outcome {
    pub(crate) core: Core<Scene>,
    pub(crate) events: Vec<Event>,
    /// Whether the client listened up to the end.
    pub(crate) ended: bool,
}

impl Case {
    pub(crate) fn new(engine: Engine, order: Order) -> Self {
        Self {
            engine,
            order,
            threads: Vec::new(),
            handler: Vec::new(),
            code: Vec::new(),
            happenings: Vec::new(),
            events: usize::MAX,
            exit_stops: true,
            kcmp: true,
            children: Children::RunFree,
        }
    }

    fn scene(&self) -> Scene {
        let mut scene = Scene::new().order(self.order.clone());
        for (number, code) in &self.code {
            scene = match code.as_slice() {
                [0xCC] => scene.own_breakpoint(*number),
                code => scene.instruction(*number, code),
            };
        }
        for (tid, acts) in &self.threads {
            scene = scene.with(*tid, acts.clone());
            scene = scene.handler(*tid, 10, self.handler.clone());
        }
        for (tid, acts) in &self.threads {
            wake_ups(*tid, acts, &mut |tid| scene.later(Wake(tid)));
        }
        scene.most_requests = 5_000;
        scene.exit_stops = self.exit_stops;
        scene.kcmp_refused = (!self.kcmp).then_some(nix::errno::Errno::ENOSYS);
        scene
    }

    /// Plays the case up to the end of the session, which has let go of everybody then.
    pub(crate) fn play(&self, mutant: Option<Mutant>) -> Outcome {
        let mut core = attached_with(self.scene(), self.engine, self.children);
        core.kernel.mutant = mutant;
        let before = core.kernel.requests;
        let happens = |(at, what): &(usize, Happening)| (before + at, *what);
        core.kernel.happenings = self.happenings.iter().map(happens).collect();
        let (mut events, mut ended) = (Vec::new(), false);
        while events.len() < self.events && !ended {
            let event = core.next_event().expect("no error");
            events.push(event);
            ended = match events.last() {
                Some(Event::StopRequested) => break,
                Some(Event::Over) => true,
                Some(Event::Ended(_) | Event::Executed) => self.children == Children::RunFree,
                _ => false,
            };
        }
        // Also at the end: a process that shares the memory may live on.
        core.detach().expect("no error");
        Outcome { core, events, ended }
    }
}

/// Tells of each sleep in `acts`, so that nobody sleeps for ever.
fn wake_ups(tid: i32, acts: &[Act], wake: &mut impl FnMut(i32)) {
    for act in acts {
        match act {
            Sleep => wake(tid),
            Thread(child, acts) | Fork(child, acts) | Vfork(child, acts) | Share(child, acts) => {
                wake_ups(*child, acts, wake);
            }
            _ => {}
        }
    }
}

/// As Rust code: a failure is pasted into a test.
impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Case {{")?;
        writeln!(f, "    threads: vec![")?;
        for (tid, acts) in &self.threads {
            writeln!(f, "        ({tid}, {}),", Acts(acts))?;
        }
        writeln!(f, "    ],")?;
        if !self.handler.is_empty() {
            writeln!(f, "    handler: {},", Acts(&self.handler))?;
        }
        if !self.code.is_empty() {
            let line = |(number, code): &(u64, Vec<u8>)| format!("({number}, vec!{code:?})");
            let code: Vec<String> = self.code.iter().map(line).collect();
            writeln!(f, "    code: vec![{}],", code.join(", "))?;
        }
        if !self.happenings.is_empty() {
            writeln!(f, "    happenings: vec!{:?},", self.happenings)?;
        }
        if self.events != usize::MAX {
            writeln!(f, "    events: {},", self.events)?;
        }
        writeln!(f, "    exit_stops: {},", self.exit_stops)?;
        writeln!(f, "    kcmp: {},", self.kcmp)?;
        writeln!(f, "    children: Children::{:?},", self.children)?;
        let order = format!("{:?}", self.order).replace('[', "vec![");
        writeln!(f, "    ..Case::new(Engine::{:?}, Order::{order})", self.engine)?;
        write!(f, "}}")
    }
}

struct Acts<'a>(&'a [Act]);

impl fmt::Display for Acts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let written: Vec<String> = self.0.iter().map(written).collect();
        write!(f, "vec![{}]", written.join(", "))
    }
}

fn written(act: &Act) -> String {
    match act {
        Visit(at) => format!("visit({})", (at - site_at(0)) / 16),
        Thread(child, acts) => format!("Thread({child}, {})", Acts(acts)),
        Fork(child, acts) => format!("Fork({child}, {})", Acts(acts)),
        Vfork(child, acts) => format!("Vfork({child}, {})", Acts(acts)),
        Share(child, acts) => format!("Share({child}, {})", Acts(acts)),
        Become(acts) => format!("Become({})", Acts(acts)),
        act => format!("{act:?}"),
    }
}
