//! Calls that our interrupt ended: C002 and C095 of issue #3.

use super::*;
use crate::sys::WaitFor;

/// A thread in a call that the interrupt of a detach ends with EINTR; the bytes its pc has moved by then.
fn moved_by_detach(number: i64, prepare: impl FnOnce(&mut Scene)) -> u64 {
    let mut core = attached(Scene::new().with(100, vec![]), Engine::Displaced);
    let thread = core.kernel.thread(Tid(100));
    let behind = thread.regs.pc().0;
    thread.regs.0.orig_rax = number.cast_unsigned();
    thread.regs.0.rax = (-i64::from(libc::EINTR)).cast_unsigned();
    prepare(&mut core.kernel);
    core.detach().expect("nothing is left");
    let after = history(&core, 100).regs;
    let again = after.pc().0 != behind;
    assert_eq!(
        again,
        after.0.rax == number.cast_unsigned(),
        "the call is asked for"
    );
    behind - after.pc().0
}

#[test]
fn c002_c095_a_call_that_the_interrupt_of_a_detach_ends_is_made_again() {
    assert_eq!(moved_by_detach(libc::SYS_epoll_wait, |_| {}), 2);
}

#[test]
fn c095_a_thread_that_falls_asleep_when_it_is_asked_to_stop_is_waited_for() {
    for seed in 1..200 {
        let scene = Scene::new()
            .with(100, vec![])
            .with(101, vec![Raise(10), Sleep])
            .order(Order::Random(seed));
        let mut core = attached(scene, Engine::InPlace);
        core.kernel.on_its_way_to_sleep = Some(Tid(100));
        core.detach().expect("nothing is left");
        core.kernel.end_of_tracer();
    }
}

#[test]
fn c052_c095_a_call_that_the_interrupt_of_a_planting_ends_is_made_again() {
    let mut core = attached(Scene::new().with(100, vec![]), Engine::InPlace);
    let thread = core.kernel.thread(Tid(100));
    let behind = thread.regs.pc().0;
    thread.regs.0.orig_rax = libc::SYS_epoll_wait.cast_unsigned();
    thread.regs.0.rax = (-i64::from(libc::EINTR)).cast_unsigned();
    core.kernel.refused_writes = Some((site_at(4), 1));
    let requests = sites(&[4], &core.kernel);
    let planted = core.plant(&requests).expect("the process lives");
    assert!(planted[0].is_ok(), "by the thread that was stopped for it");
    assert_eq!(behind - history(&core, 100).regs.pc().0, 2);
}

#[test]
fn c095_a_call_that_has_done_its_work_is_not_made_again() {
    assert_eq!(moved_by_detach(libc::SYS_close, |_| {}), 0);
}

#[test]
fn c095_the_eintr_of_a_handled_signal_stays() {
    let handled = |scene: &mut Scene| {
        scene.thread(Tid(100)).handlers.insert(libc::SIGUSR1, vec![]);
        scene.signal(Tid(100), libc::SIGUSR1);
    };
    assert_eq!(moved_by_detach(libc::SYS_epoll_wait, handled), 0);
    let blocked = |scene: &mut Scene| {
        handled(scene);
        scene.thread(Tid(100)).mask = 1 << (libc::SIGUSR1 - 1);
    };
    assert_eq!(moved_by_detach(libc::SYS_epoll_wait, blocked), 2);
}

/// A thread in `epoll_wait` that a signal ends with EINTR; the bytes its pc has moved when the signal is delivered.
fn moved_by_signal(signal: i32, timeout_ms: i32, handled: &[i32]) -> u64 {
    let mut core = attached(Scene::new().with(100, vec![]), Engine::Displaced);
    let thread = core.kernel.thread(Tid(100));
    let behind = thread.regs.pc().0;
    thread.regs.0.orig_rax = libc::SYS_epoll_wait.cast_unsigned();
    thread.regs.0.rax = (-i64::from(libc::EINTR)).cast_unsigned();
    thread.regs.0.r10 = u64::from(timeout_ms.cast_unsigned());
    for number in handled {
        thread.handlers.insert(*number, vec![]);
    }
    core.kernel.signal(Tid(100), signal);
    let stop = core.kernel.wait(WaitFor::Any).expect("it is traced");
    assert_eq!(stop.map(|(tid, _)| tid), Some(Tid(100)));
    core.call_again_at_ignored(Tid(100), Signal(signal))
        .expect("it lives");
    behind - history(&core, 100).regs.pc().0
}

#[test]
fn c060_a_signal_that_does_nothing_ends_no_call_without_a_limit() {
    for signal in [libc::SIGCHLD, libc::SIGWINCH, libc::SIGURG] {
        assert_eq!(moved_by_signal(signal, -1, &[]), 2, "{signal}");
        assert_eq!(
            moved_by_signal(signal, -1, &[signal]),
            0,
            "{signal}: its handler runs"
        );
    }
    assert_eq!(moved_by_signal(libc::SIGTERM, -1, &[]), 0, "it kills");
}

#[test]
fn c060_a_call_with_a_limit_is_not_begun_anew_at_each_signal() {
    assert_eq!(moved_by_signal(libc::SIGCHLD, 1000, &[]), 0);
}
