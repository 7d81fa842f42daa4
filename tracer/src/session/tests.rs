//! Promises of the loop, each in a written scene; numbers like C063 name cases of the no-harm issue (#3).

mod children;
mod detach;
mod followed;
mod interrupted;
mod own_breakpoints;
mod random;
mod rewritten;
mod stepping;
mod turns;

use super::*;
use crate::address_space::Engine;
use crate::affinity::Pinning;
use crate::event::End;
use crate::site::{Refused, SiteRequest};
use crate::sys::doorbell::Doorbell;
use crate::sys::procfs::Seccomp;
use crate::sys::scripted::Act::{
    Become, Continue, Exec, Exit, ExitGroup, Fork, OwnBreakpoint, Raise, Ring, Share, Sleep, Thread, Vfork,
    Visit, Wake,
};
use crate::sys::scripted::{Act, Order, Scene, site_at};
use crate::{Kind, RemoteAddr};

const PID: Pid = Pid(100);
const BOTH: [Engine; 2] = [Engine::Displaced, Engine::InPlace];

fn sites(numbers: &[u64], scene: &Scene) -> Vec<SiteRequest> {
    let request = |number: &u64| {
        let at = site_at(*number);
        let code: Vec<u8> = (at..at + 15).map_while(|a| scene.byte(0, a)).collect();
        let length = crate::code::decode(&code).first().map_or(1, |i| i.length);
        SiteRequest {
            address: RemoteAddr(at),
            instruction: code[..usize::from(length)].to_vec(),
        }
    };
    numbers.iter().map(request).collect()
}

/// The child of the tracer that ends when the session is to stop.
const BELL: Tid = Tid(900);

/// A session attached to every thread of the scene, with sites 1 to 3.
pub(crate) fn attached(scene: Scene, engine: Engine) -> Core<Scene> {
    attached_with(scene, engine, Children::RunFree)
}

fn attached_with(scene: Scene, engine: Engine, children: Children) -> Core<Scene> {
    let options = Options {
        engine,
        gauge: Gauge::Resident,
        gates: Gates::Cheapest,
        keeper: crate::Keeper::Tracer,
        pinning: Pinning::Never,
        children,
    };
    let requests = sites(&[1, 2, 3], &scene);
    let bell = Some(Doorbell::scripted(BELL));
    let mut core = Core::new(scene, PID, options, bell);
    for tid in core.kernel.living(PID) {
        core.kernel.thread(tid).traced = true;
        core.adopt(tid, PID, Role::Profiled, State::Running);
    }
    let planted = core.plant(&requests).expect("the process lives");
    assert!(planted.iter().all(std::result::Result::is_ok), "{planted:?}");
    core.kernel.begun = true;
    core
}

/// Events up to the last one.
pub(crate) fn play(core: &mut Core<Scene>) -> Vec<Event> {
    let mut events = Vec::new();
    loop {
        assert!(core.kernel.requests < 20_000, "no end");
        let event = core.next_event().expect("no error");
        let last = matches!(event, Event::Ended(_) | Event::StopRequested);
        let let_go = matches!(event, Event::Executed);
        events.push(event);
        if last || let_go {
            return events;
        }
    }
}

pub(crate) fn hits(events: &[Event], tid: i32) -> Vec<u64> {
    let hit = |event: &Event| match event {
        Event::Hit(hit) if hit.thread.tid == Tid(tid) => Some(u64::from(hit.site.0) + 1),
        _ => None,
    };
    events.iter().filter_map(hit).collect()
}

pub(crate) fn visit(number: u64) -> Act {
    Visit(site_at(number))
}

fn history(core: &Core<Scene>, tid: i32) -> crate::sys::scripted::Player {
    let found = core.kernel.all().find(|(t, _)| *t == Tid(tid));
    found.expect("a thread of the scene").1.clone()
}

fn visited(core: &Core<Scene>, tid: i32) -> Vec<u64> {
    let number = |at: &u64| (at - site_at(0)) / 16;
    history(core, tid).visited.iter().map(number).collect()
}

fn given(core: &Core<Scene>, tid: i32) -> Vec<i32> {
    history(core, tid).given.iter().map(|(s, _)| *s).collect()
}

#[test]
fn every_arrival_is_told_and_every_instruction_runs_once() {
    for engine in BOTH {
        let scene = Scene::new().with(100, vec![visit(1), visit(5), visit(2), visit(1), ExitGroup(3)]);
        let mut core = attached(scene, engine);
        let events = play(&mut core);
        assert_eq!(hits(&events, 100), [1, 2, 1], "{engine:?}");
        assert_eq!(visited(&core, 100), [1, 5, 2, 1], "{engine:?}");
        assert_eq!(events.last(), Some(&Event::Ended(End::Exited(3))));
    }
}

#[test]
fn the_engine_asked_for_is_the_engine_used() {
    let scene = || Scene::new().with(100, vec![visit(1), ExitGroup(0)]);
    for (engine, displaced, in_place) in [(Engine::Displaced, 3, 0), (Engine::InPlace, 0, 3)] {
        let mut core = attached(scene(), engine);
        play(&mut core);
        assert_eq!(
            (core.counts().displaced, core.counts().in_place),
            (displaced, in_place)
        );
    }
}

#[test]
fn c074_child_stops_before_and_after_its_parents_event() {
    for order in [Order::AsHappened, Order::NewestFirst] {
        let scene = Scene::new()
            .with(
                100,
                vec![Thread(101, vec![visit(1), Exit]), visit(2), Sleep, ExitGroup(0)],
            )
            .order(order.clone());
        let mut core = attached(scene, Engine::Displaced);
        core.kernel.thread(Tid(100)).handlers.clear();
        let mut events = Vec::new();
        while !events.iter().any(|e| matches!(e, Event::ThreadEnding(_))) {
            events.push(core.next_event().expect("no error"));
        }
        assert_eq!(hits(&events, 100), [2], "{order:?}");
        assert_eq!(hits(&events, 101), [1], "{order:?}");
    }
}

#[test]
fn c077_exec_from_the_leader_ends_the_session_of_the_old_program() {
    let scene = Scene::new().with(100, vec![visit(1), Exec]);
    let mut core = attached(scene, Engine::Displaced);
    let events = play(&mut core);
    assert_eq!(hits(&events, 100), [1]);
    assert_eq!(events.last(), Some(&Event::Executed));
    assert!(!history(&core, 100).traced);
}

#[test]
fn c078_exec_from_another_thread_is_reported_by_the_leaders_number() {
    for engine in BOTH {
        let scene = Scene::new()
            .with(100, vec![visit(1), Sleep])
            .with(101, vec![visit(2), visit(1), Exec])
            .with(102, vec![visit(1), Sleep]);
        let mut core = attached(scene, engine);
        let events = play(&mut core);
        assert_eq!(hits(&events, 101), [2, 1]);
        assert_eq!(events.last(), Some(&Event::Executed));
        let all = core.kernel.living(PID);
        assert_eq!(all, [PID.leader()]);
        assert!(core.tracees.is_empty());
    }
}

#[test]
fn a_hit_while_another_thread_execs_ends_with_the_exec() {
    // The thread at the hit is being killed by the exec; its end is waited for by the exec.
    for engine in BOTH {
        for seed in 1..200 {
            let scene = Scene::new()
                .with(100, vec![visit(1), visit(2), visit(3), visit(1), Sleep])
                .with(101, vec![visit(2), Exec])
                .with(102, vec![visit(3), visit(1), visit(2), Sleep])
                .order(Order::Random(seed));
            let mut core = attached(scene, engine);
            let events = play(&mut core);
            assert_eq!(events.last(), Some(&Event::Executed));
        }
    }
}

#[test]
fn the_first_hit_of_a_leader_that_an_exec_kills_ends_with_the_exec() {
    // Its stop and its end can be taken in by one round, and the call that its hit needs waits for it.
    let signals = |number, last: Vec<Act>| [vec![Raise(10); number], last].concat();
    for seed in 1..1000 {
        let scene = Scene::new()
            .with(100, signals(4, vec![visit(1), Sleep]))
            .with(101, signals(5, vec![Exec]))
            .with(102, signals(8, vec![Sleep]))
            .with(103, signals(8, vec![Sleep]))
            .order(Order::Random(seed));
        let mut core = attached(scene, Engine::Displaced);
        let events = play(&mut core);
        assert_eq!(events.last(), Some(&Event::Executed));
    }
}

#[test]
fn an_exec_that_ends_a_leader_within_a_call_keeps_its_own_registers() {
    // Without a stop at its end the leader comes back as the thread that has called exec: another program.
    for seed in 1..1000 {
        let scene = Scene::new()
            .with(100, vec![visit(1)])
            .with(101, vec![visit(4), Exec])
            .order(Order::Random(seed));
        let mut core = attached(scene, Engine::Displaced);
        core.kernel.exit_stops = false;
        let fresh = crate::sys::scripted::registers();
        assert_eq!(play(&mut core).last(), Some(&Event::Executed), "seed {seed}");
        assert_eq!(core.kernel.thread(PID.leader()).regs, fresh, "seed {seed}");
    }
}

/// Runs a scene once for each request of a whole run, with the process killed at that request.
fn killed_at_every_request(engine: Engine, scene: impl Fn() -> Scene, exit_stops: bool) {
    for at in 1.. {
        let mut core = attached(scene(), engine);
        core.kernel.exit_stops = exit_stops;
        let before = core.kernel.requests;
        core.kernel.kill_at = Some((before + at, PID));
        let events = play(&mut core);
        assert!(
            matches!(events.last(), Some(Event::Ended(_))),
            "killed at request {at}: {events:?}"
        );
        if core.kernel.requests < before + at {
            return;
        }
    }
}

#[test]
fn c069_killed_at_any_request_of_a_hit_the_end_is_told_and_nothing_fails() {
    for engine in BOTH {
        for exit_stops in [true, false] {
            let one = || Scene::new().with(100, vec![visit(1), visit(2), ExitGroup(0)]);
            killed_at_every_request(engine, one, exit_stops);
            let two = || {
                Scene::new()
                    .with(100, vec![visit(1), visit(2), ExitGroup(0)])
                    .with(101, vec![visit(2), Raise(10), visit(3), Exit])
            };
            killed_at_every_request(engine, two, exit_stops);
        }
    }
}

#[test]
fn c060_a_signal_is_given_once_with_the_pc_outside_the_slot() {
    for engine in BOTH {
        for at in 0..6 {
            let mut acts = vec![visit(1), visit(2), visit(1), visit(3), ExitGroup(0)];
            acts.insert(at.min(4), Raise(10));
            let mut core = attached(Scene::new().with(100, acts), engine);
            let events = play(&mut core);
            assert_eq!(hits(&events, 100), [1, 2, 1, 3], "{engine:?}");
            assert_eq!(given(&core, 100), [10]);
        }
    }
}

#[test]
fn c063_a_signal_before_the_instruction_runs_counts_the_arrival_once() {
    for engine in BOTH {
        // The handler comes by the same site, deeper in the stack, and by another.
        let scene = Scene::new()
            .with(100, vec![visit(1), visit(1), ExitGroup(0)])
            .handler(100, 10, vec![visit(1), visit(2)]);
        let mut core = attached(scene, engine);
        let first = core.next_event().expect("a hit");
        assert!(matches!(first, Event::Hit(_)));
        core.kernel.signal(Tid(100), 10);
        let mut events = vec![first];
        events.extend(play(&mut core));
        assert_eq!(given(&core, 100), [10]);
        assert_eq!(hits(&events, 100), [1, 1, 2, 1], "{engine:?}");
        assert_eq!(visited(&core, 100), [1, 2, 1, 1], "{engine:?}");
    }
}

#[test]
fn c061_traps_of_the_programs_own_go_to_the_program() {
    for engine in BOTH {
        let scene = Scene::new().with(
            100,
            vec![
                OwnBreakpoint,
                visit(1),
                Raise(libc::SIGTRAP),
                visit(2),
                OwnBreakpoint,
                ExitGroup(0),
            ],
        );
        let mut core = attached(scene, engine);
        let events = play(&mut core);
        assert_eq!(hits(&events, 100), [1, 2]);
        assert_eq!(given(&core, 100), [libc::SIGTRAP; 3], "{engine:?}");
    }
}

#[test]
fn c067_a_group_stop_is_listened_to_and_ends_with_sigcont() {
    for engine in BOTH {
        let scene = Scene::new()
            .with(100, vec![visit(1), Raise(libc::SIGSTOP), visit(2), ExitGroup(0)])
            .with(300, vec![Sleep]);
        let mut core = attached(scene, engine);
        let mut events = vec![core.next_event().expect("a hit")];
        core.kernel.later(Continue(100));
        events.extend(play(&mut core));
        assert_eq!(hits(&events, 100), [1, 2]);
        assert_eq!(given(&core, 100), [libc::SIGSTOP]);
        let listened = core
            .kernel
            .journal
            .iter()
            .filter(|l| l.contains("Listen"))
            .count();
        assert_eq!(listened, 2, "each thread once");
    }
}

#[test]
fn sigstop_during_an_injected_call_still_stops_the_process() {
    for at in 1..60 {
        let scene = Scene::new().with(100, vec![visit(1), visit(2), ExitGroup(0)]);
        let mut core = attached(scene, Engine::Displaced);
        let before = core.kernel.requests;
        core.kernel.signal_at = Some((before + at, Tid(100), libc::SIGSTOP));
        core.kernel.later(Continue(100));
        let events = play(&mut core);
        assert_eq!(hits(&events, 100), [1, 2]);
        // At the last three requests it is about to end or has ended.
        if core.kernel.requests < before + at + 3 {
            return;
        }
        assert_eq!(given(&core, 100), [libc::SIGSTOP], "sent at request {at}");
        let listened = core.kernel.journal.iter().any(|l| l.contains("Listen"));
        assert!(listened, "sent at request {at}");
    }
}

#[test]
fn c017_filters_of_the_program_mean_no_injected_call() {
    for seccomp in [Seccomp::Strict, Seccomp::Filters(1)] {
        let mut scene = Scene::new().with(100, vec![visit(1), visit(2), ExitGroup(0)]);
        scene.thread(Tid(100)).seccomp = seccomp;
        let mut core = attached(scene, Engine::Auto);
        let events = play(&mut core);
        assert_eq!(hits(&events, 100), [1, 2]);
        assert_eq!((core.counts().displaced, core.counts().in_place), (0, 3));
        let injected = core.kernel.journal.iter().any(|l| l.contains("ToSystemCall"));
        assert!(!injected);
    }
}

#[test]
fn c076_a_leader_that_ends_first_is_no_way_to_the_memory() {
    let scene = Scene::new()
        .with(100, vec![visit(1), Exit])
        .with(101, vec![Sleep, visit(2), visit(3), ExitGroup(0)]);
    let mut core = attached(scene, Engine::InPlace);
    let mut events = vec![core.next_event().expect("a hit")];
    events.push(core.next_event().expect("the leader ends"));
    assert!(matches!(events[1], Event::ThreadEnding(id) if id.tid == Tid(100)));
    core.kernel.later(Wake(101));
    events.extend(play(&mut core));
    assert_eq!(hits(&events, 101), [2, 3]);
    assert!(matches!(events.last(), Some(Event::Ended(_))));
}

#[test]
fn the_end_is_told_when_the_leader_ended_before_the_session_began() {
    let scene = Scene::new()
        .with(100, vec![Exit])
        .with(101, vec![Sleep, visit(2), ExitGroup(0)]);
    let mut scene = scene;
    while scene.advance() {}
    scene.thread(Tid(101)).life = crate::sys::scripted::Life::Running;
    let options = Options {
        engine: Engine::InPlace,
        gauge: Gauge::Resident,
        gates: Gates::Cheapest,
        keeper: crate::Keeper::Tracer,
        pinning: Pinning::Never,
        children: Children::RunFree,
    };
    let mut core = Core::new(scene, PID, options, None);
    core.kernel.thread(Tid(101)).traced = true;
    core.adopt(Tid(101), PID, Role::Profiled, State::Running);
    let events = play(&mut core);
    assert!(matches!(events.last(), Some(Event::Ended(_))));
}

#[test]
fn a_refusal_of_the_kernel_is_an_error_that_says_on_what() {
    let mut core = attached(Scene::new().with(100, vec![ExitGroup(0)]), Engine::Auto);
    play(&mut core);
    let error = core.plant(&[]).expect_err("nobody is left");
    assert_eq!(
        (error.kind, error.operation),
        (Kind::NoSuchProcess, Operation::Write)
    );
}
