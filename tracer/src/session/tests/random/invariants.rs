//! What must hold when a case is over; what must hold at each request is checked by the scripted kernel.
//!
//! Must not know: where cases come from.

use super::super::*;
use super::case::{Case, Outcome};
use crate::sys::scripted::{Life, Mutant};

impl Case {
    /// Plays the case; panics where an invariant does not hold.
    pub(crate) fn holds(&self) {
        self.holds_for(None);
    }

    pub(crate) fn holds_for(&self, mutant: Option<Mutant>) -> Vec<String> {
        let mut outcome = self.play(mutant);
        every_byte_is_the_original(&outcome.core);
        arrivals_are_told(&outcome, self);
        outcome.core.kernel.end_of_tracer();
        outcome.core.kernel.play_on();
        nobody_is_left_behind(&outcome.core);
        signals_are_given_once(&outcome.core);
        every_byte_is_the_original(&outcome.core);
        std::mem::take(&mut outcome.core.kernel.journal)
    }
}

/// Invariant 6, in every memory that somebody has.
fn every_byte_is_the_original(core: &Core<Scene>) {
    for (tid, thread) in core.kernel.present() {
        if core.kernel.is_lived_in(thread.memory) {
            let changed = core.kernel.changed_code(thread.memory);
            assert!(changed.is_empty(), "invariant 6: {changed:x?} for {tid}");
        }
    }
}

/// Everybody goes on without us and comes to an end of its own.
fn nobody_is_left_behind(core: &Core<Scene>) {
    for (tid, thread) in core.kernel.present() {
        assert!(!thread.traced, "{tid} is traced still");
        // A leader that has ended is there as long as others of its process are.
        assert!(
            matches!(thread.life, Life::Running | Life::Zombie),
            "{tid} is left {:?}",
            thread.life
        );
        assert!(
            thread.life == Life::Zombie || !thread.is_busy(),
            "{tid} is left half way"
        );
    }
}

/// Invariant 4. What came for a thread that was killed may not have reached it.
fn signals_are_given_once(core: &Core<Scene>) {
    for (tid, thread) in core.kernel.all() {
        let given: Vec<i32> = thread.given.iter().map(|(signal, _)| *signal).collect();
        let extra = without(&given, &thread.sent);
        assert!(extra.is_empty(), "invariant 4: {extra:?} made up for {tid}");
        let lost = without(&thread.sent, &given);
        assert!(
            lost.is_empty() || thread.ended_early(),
            "invariant 4: {lost:?} lost for {tid}"
        );
    }
}

/// Exactly what a thread of the profiled process did is what was told of it.
fn arrivals_are_told(outcome: &Outcome, case: &Case) {
    for (tid, thread) in outcome.core.kernel.all() {
        let told = hits(&outcome.events, tid.0);
        let mut ran = visited(&outcome.core, tid.0);
        if thread.process != PID {
            match case.children {
                Children::RunFree => assert_eq!(told, [], "{tid} is not profiled"),
                Children::Followed if thread.was_killed() => {}
                Children::Followed => {
                    let made_up = without(&told, &ran);
                    assert!(made_up.is_empty(), "{tid}: {made_up:?} told, {ran:?} run");
                }
            }
            continue;
        }
        // The program's own breakpoint has run when it traps: one that is killed then is not heard of any more.
        let own = |number: &u64| case.code.contains(&(*number, vec![0xCC]));
        ran.retain(|number| (1..=3).contains(number) && !(thread.was_killed() && own(number)));
        let in_full = thread.life == Life::Zombie && !thread.was_killed();
        // One that wakes up while another steps in place can pass the lifted site (`in_place`): a system call is
        // stepped by either engine. So can one that comes by while a byte tells whose memory it is (`is_shared`).
        let steps =
            |number: &u64| case.engine == Engine::InPlace || case.code.contains(&(*number, vec![0x0F, 0x05]));
        if case.kcmp && outcome.ended {
            let mut unseen = without(&ran, &told);
            unseen.retain(|number| !steps(number));
            assert!(
                unseen.is_empty(),
                "{tid} ran {unseen:?} untold: {told:?} of {ran:?}"
            );
        }
        if in_full && outcome.ended {
            let twice = without(&told, &ran);
            assert!(
                twice.is_empty(),
                "{tid}: {twice:?} told once more: {told:?} of {ran:?}"
            );
        }
    }
}

/// What is left of `all` when each of `others` takes one away.
fn without<T: PartialEq + Copy>(all: &[T], others: &[T]) -> Vec<T> {
    let mut left = all.to_vec();
    for other in others {
        if let Some(at) = left.iter().position(|one| one == other) {
            left.swap_remove(at);
        }
    }
    left
}
