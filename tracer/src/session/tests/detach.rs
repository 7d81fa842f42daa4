//! The way out when something fails on it.

use super::*;
use crate::sys::scripted::Sleepers;

#[test]
fn c097_a_byte_that_cannot_be_taken_away_is_told_and_all_others_are() {
    for engine in BOTH {
        let scene = Scene::new().with(100, vec![visit(1), Sleep]);
        let mut core = attached(scene, engine);
        core.next_event().expect("a hit");
        core.kernel.refused_writes = Some((site_at(2), usize::MAX));
        let error = core.detach().expect_err("a byte is left");
        let first = RemoteAddr(site_at(2));
        let kind = Kind::BreakpointsLeft { sites: 1, first };
        assert_eq!(
            (error.kind, error.operation),
            (kind, Operation::Detach),
            "{engine:?}"
        );
        let bytes = [1, 2, 3].map(|number| core.kernel.byte(0, site_at(number)));
        assert_eq!(bytes, [Some(0x48), Some(0xCC), Some(0x48)], "{engine:?}");
        assert!(!history(&core, 100).traced, "{engine:?}: let go all the same");
    }
}

#[test]
fn c097_what_is_refused_while_threads_run_is_tried_again_by_one_that_is_stopped() {
    for engine in BOTH {
        let scene = Scene::new()
            .with(100, vec![visit(1), visit(2), Sleep])
            .with(101, vec![visit(2), visit(2), Sleep]);
        let mut core = attached(scene, engine);
        core.next_event().expect("a hit");
        core.kernel.refused_writes = Some((site_at(2), 1));
        core.detach().expect("nothing is left");
        core.kernel.end_of_tracer();
        core.kernel.play_on();
        assert_eq!(visited(&core, 100), [1, 2], "{engine:?}");
        assert_eq!(visited(&core, 101), [2, 2], "{engine:?}");
    }
}

#[test]
fn c052_c097_what_is_refused_while_all_sleep_is_tried_again_by_one_that_is_woken() {
    for engine in BOTH {
        let scene = Scene::new()
            .with(100, vec![visit(1), Sleep])
            .with(101, vec![Sleep, visit(2), Exit]);
        let mut core = attached(scene, engine);
        core.next_event().expect("a hit");
        core.finish_current().expect("it goes on");
        while core.kernel.advance() {}
        core.kernel.refused_writes = Some((site_at(2), 1));
        core.kernel.sleepers = Sleepers::MayBeWoken;
        let before = core.kernel.journal.len();
        core.detach().expect("nothing is left");
        core.kernel.end_of_tracer();
        let requests = &core.kernel.journal[before..];
        let woken = requests
            .iter()
            .filter(|line| line.starts_with("interrupt"))
            .count();
        assert_eq!(woken, 1, "{engine:?}: no more than one");
        assert_eq!(core.kernel.byte(0, site_at(2)), Some(0x48), "{engine:?}");
    }
}

#[test]
fn c079_c094_a_child_that_is_told_of_during_a_detach_is_cleaned_without_kcmp() {
    // Without kcmp(2) a byte tells whether two processes share their memory: not once all bytes are back.
    for engine in BOTH {
        for birth in [Share, Fork, Vfork] {
            let child = vec![visit(1), visit(2), Exit];
            let acts = vec![visit(1), birth(200, child), visit(1), ExitGroup(0)];
            let mut core = attached(Scene::new().with(100, acts), engine);
            core.kernel.kcmp_refused = Some(nix::errno::Errno::ENOSYS);
            core.next_event().expect("a hit");
            core.finish_current().expect("it goes on");
            while core.kernel.all().count() == 1 {
                core.kernel.advance();
            }
            core.detach().expect("no error");
            let bytes = [1, 2, 3].map(|number| core.kernel.byte(0, site_at(number)));
            assert_eq!(bytes, [Some(0x48); 3], "{engine:?}");
            core.kernel.end_of_tracer();
            core.kernel.play_on();
            assert_eq!(visited(&core, 200), [1, 2], "{engine:?}");
        }
    }
}

#[test]
fn c079_c097_a_copy_that_cannot_be_cleaned_is_not_let_go() {
    for engine in BOTH {
        let child = vec![visit(2), visit(1), Exit];
        let scene = Scene::new().with(100, vec![Fork(200, child), visit(2), ExitGroup(0)]);
        let mut core = attached(scene, engine);
        core.kernel.refused_writes = Some((site_at(2), 1));
        let events = play(&mut core);
        core.detach().expect("by then it can be cleaned");
        core.kernel.end_of_tracer();
        core.kernel.play_on();
        assert_eq!(hits(&events, 100), [2], "{engine:?}");
        assert_eq!(visited(&core, 200), [2, 1], "{engine:?}");
    }
}
