//! Calls that our interrupt ended: C002 and C095 of issue #3.

use super::*;

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
