//! Programs that rewrite their own code under a site: C046 of issue #3.

use super::*;

/// `mov %rsp,%rbp`, which all sites of a scene are, with another register.
const OTHER: [u8; 3] = [0x49, 0x89, 0xE5];

fn bytes(core: &Core<Scene>, number: u64) -> Vec<u8> {
    let start = site_at(number);
    (start..start + 3)
        .filter_map(|at| core.kernel.byte(0, at))
        .collect()
}

#[test]
fn c046_code_that_is_rewritten_between_a_hit_and_its_step_stays_as_the_program_wrote_it() {
    for engine in BOTH {
        let scene = Scene::new().with(100, vec![visit(1), visit(2), ExitGroup(0)]);
        let mut core = attached(scene, engine);
        core.next_event().expect("a hit");
        core.kernel.rewrite(1, &OTHER);
        let events = play(&mut core);
        assert_eq!(bytes(&core, 1), OTHER, "{engine:?}");
        assert_eq!(hits(&events, 100), [2], "{engine:?}");
        assert_eq!(visited(&core, 100), [1, 2], "{engine:?}");
    }
}

#[test]
fn c046_what_the_program_wrote_is_left_by_a_detach() {
    for engine in BOTH {
        let scene = Scene::new().with(100, vec![visit(1), visit(1), Sleep]);
        let mut core = attached(scene, engine);
        core.next_event().expect("a hit");
        core.kernel.rewrite(1, &OTHER);
        core.kernel.rewrite(2, &[0xCC, 0xCC, 0xCC]);
        core.kernel.rewrite(3, &[0xCC, 0x89, 0xE7]);
        core.detach().expect("nothing of ours is left");
        assert_eq!(bytes(&core, 1), OTHER, "{engine:?}");
        assert_eq!(bytes(&core, 2), [0xCC; 3], "{engine:?}");
        assert_eq!(
            bytes(&core, 3),
            [0x48, 0x89, 0xE7],
            "{engine:?}: ours, with other operands behind"
        );
    }
}

#[test]
fn c046_c082_a_rewritten_site_does_not_tell_who_shares_the_memory() {
    for engine in BOTH {
        let child = vec![visit(2), Exit];
        let scene = Scene::new().with(100, vec![visit(2), Share(200, child), visit(2), ExitGroup(0)]);
        let mut core = attached(scene, engine);
        core.kernel.kcmp_refused = Some(Errno::EPERM);
        core.kernel.rewrite(1, &OTHER);
        let events = play(&mut core);
        assert_eq!(bytes(&core, 1), OTHER, "{engine:?}");
        assert_eq!(hits(&events, 100), [2, 2], "{engine:?}");
        assert_eq!(core.tracees[&Tid(200)].role, Role::Passing, "{engine:?}");
    }
}
