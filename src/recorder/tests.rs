//! The recorder against scripted arrivals, and against a slow reading of the definition on random ones.
//!
//! Must not know: the recorder's parts; everything goes through `arrive`.

use super::*;
use crate::plan::{FunctionId, LineId, Plan, SiteIndex};
use crate::scripted::{At, Dice, Thread};
use crate::units::{Bytes, Change};

/// A function with an entry site, body sites and an exit site.
struct Function {
    id: FunctionId,
    entry: SiteIndex,
    body: Vec<SiteIndex>,
    exit: SiteIndex,
}

/// Lines: the declaration, then one for each site of the body, then the closing brace's, which has the exit too.
fn function(plan: &mut Plan, name: &str, line: u32, body: u32) -> Function {
    let (id, instance) = plan.add_function(name, line);
    let entry = plan.add_site(instance, &[line], At::Entry);
    let body = (1..=body)
        .map(|offset| plan.add_site(instance, &[line + offset], At::Middle))
        .collect::<Vec<_>>();
    let exit = plan.add_site(instance, &[line + body.len() as u32 + 1], At::Exit);
    Function {
        id,
        entry,
        body,
        exit,
    }
}

/// A plan of one function `f`, declared on line 1.
fn one(body: u32) -> (Plan, Function) {
    let mut plan = Plan::default();
    let f = function(&mut plan, "f", 1, body);
    (plan, f)
}

/// A plan of two functions, `f` declared on line 1 and `g` on line 10.
fn two(body_of_f: u32, body_of_g: u32) -> (Plan, Function, Function) {
    let (mut plan, f) = one(body_of_f);
    let g = function(&mut plan, "g", 10, body_of_g);
    (plan, f, g)
}

#[test]
fn each_line_is_charged_what_came_before_the_next_arrival() {
    let (plan, f) = one(2);
    let mut thread = Thread::new(&plan);
    thread
        .arrive(f.entry, 500, 0)
        .arrive(f.body[0], 400, 1)
        .arrive(f.body[1], 400, 30)
        .arrive(f.exit, 500, -20);
    let recording = thread.finish();
    let increments = [1, 2, 3, 4].map(|line| recording.increment(&plan, f.id, line));
    assert_eq!(increments, [1, 30, -20, 0]);
    let memory = [1, 2, 3, 4].map(|line| recording.memory(&plan, f.id, line));
    assert_eq!(memory, [Some(1001), Some(1031), Some(1011), Some(1011)]);
    assert_eq!(
        *recording.function(f.id),
        RecordedFunction {
            calls: 1,
            baseline: Some(Bytes(1000)),
            increment: Change(11),
            peak: Some(Bytes(1031))
        }
    );
    assert_eq!(recording.arrivals, 4);
}

#[test]
fn the_greatest_charge_is_kept_and_nothing_where_none_added() {
    let (plan, f) = one(2);
    let mut thread = Thread::new(&plan);
    thread.arrive(f.entry, 500, 0);
    for (first, second) in [(30, -5), (70, -9), (20, 0)] {
        thread.arrive(f.body[0], 400, 0).arrive(f.body[1], 400, first);
        // What the second line does shows at the next arrival.
        thread.memory = thread.memory.wrapping_add_signed(second);
    }
    thread.arrive(f.exit, 500, 0);
    let recording = thread.finish();
    let greatest = |line| {
        let id = (0..)
            .map(LineId)
            .zip(&plan.lines)
            .find(|(_, row)| row.line == line);
        recording.line(id.expect("a row").0).greatest
    };
    assert_eq!([2, 3].map(greatest), [Change(70), Change(0)]);
    assert_eq!(
        [2, 3].map(|line| recording.increment(&plan, f.id, line)),
        [120, -14]
    );
}

#[test]
fn what_runs_after_the_last_arrival_is_charged_at_the_end() {
    let (plan, f) = one(1);
    let mut thread = Thread::new(&plan);
    thread.arrive(f.entry, 500, 0).arrive(f.body[0], 400, 0);
    thread.memory += 64;
    let recording = thread.finish();
    assert_eq!(recording.increment(&plan, f.id, 2), 64);
    assert_eq!(recording.function(f.id).increment, Change(64));
    assert_eq!(recording.function(f.id).peak, Some(Bytes(1064)));
}

#[test]
fn a_line_that_never_ran_has_no_memory() {
    let (plan, f, g) = two(1, 1);
    let mut thread = Thread::new(&plan);
    thread.arrive(f.entry, 500, 0).arrive(f.exit, 500, 0);
    let recording = thread.finish();
    assert_eq!(recording.memory(&plan, f.id, 2), None);
    assert_eq!(*recording.function(g.id), RecordedFunction::default());
}

#[test]
fn a_callee_is_charged_to_the_line_that_calls() {
    let (plan, f, g) = two(1, 1);
    let mut thread = Thread::new(&plan);
    thread.arrive(f.entry, 500, 0).arrive(f.body[0], 400, 0);
    thread
        .arrive(g.entry, 392, 5)
        .arrive(g.body[0], 300, 0)
        .arrive(g.exit, 392, 70);
    thread.arrive(f.exit, 500, 0);
    let recording = thread.finish();
    assert_eq!(recording.increment(&plan, f.id, 2), 75);
    assert_eq!(recording.increment(&plan, g.id, 11), 70);
}

#[test]
fn a_recursion_is_charged_once() {
    let (plan, f) = one(1);
    let mut thread = Thread::new(&plan);
    for depth in 0..3 {
        thread
            .arrive(f.entry, 500 - depth * 100, 0)
            .arrive(f.body[0], 450 - depth * 100, 10);
    }
    for depth in (0..3).rev() {
        thread.arrive(f.exit, 500 - depth * 100, 1);
    }
    let recording = thread.finish();
    // The outermost frame stands on line 2 from 1010 to 1033; each declaration's 10 is charged on line 1 itself.
    assert_eq!(recording.increment(&plan, f.id, 2), 23);
    assert_eq!(recording.increment(&plan, f.id, 1), 30);
    assert_eq!(recording.function(f.id).increment, Change(33));
    assert_eq!(recording.function(f.id).calls, 3);
}

#[test]
fn c057_a_recursion_a_hundred_thousand_deep_is_charged_once() {
    let (plan, f) = one(1);
    let mut thread = Thread::new(&plan);
    let top = 1 << 40;
    for depth in 0..100_000 {
        thread
            .arrive(f.entry, top - depth * 64, 0)
            .arrive(f.body[0], top - depth * 64 - 32, 4);
    }
    for depth in (0..100_000).rev() {
        thread.arrive(f.exit, top - depth * 64, 0);
    }
    let recording = thread.finish();
    assert_eq!(recording.function(f.id).increment, Change(400_000));
    assert_eq!(recording.increment(&plan, f.id, 2), 399_996);
}

#[test]
fn c056_longjmp_closes_the_frames_it_leaves() {
    let (plan, f, g) = two(2, 1);
    let mut thread = Thread::new(&plan);
    thread.arrive(f.entry, 500, 0).arrive(f.body[0], 400, 0);
    thread.arrive(g.entry, 392, 0).arrive(g.body[0], 300, 0);
    thread.arrive(f.body[1], 400, 9).arrive(f.exit, 500, 100);
    let recording = thread.finish();
    assert_eq!(recording.increment(&plan, g.id, 11), 9);
    assert_eq!(recording.function(g.id).increment, Change(9));
    assert_eq!(recording.increment(&plan, f.id, 2), 9);
    assert_eq!(recording.increment(&plan, f.id, 3), 100);
}

#[test]
fn a_function_left_by_longjmp_and_called_again_is_a_new_frame() {
    let (plan, f) = one(1);
    let mut thread = Thread::new(&plan);
    for _ in 0..4 {
        thread.arrive(f.entry, 500, 0).arrive(f.body[0], 400, 7);
    }
    let recording = thread.finish();
    assert_eq!(recording.function(f.id).calls, 4);
    assert_eq!(recording.function(f.id).increment, Change(28));
    assert_eq!(recording.increment(&plan, f.id, 1), 28);
}

#[test]
fn an_entry_that_a_loop_jumps_to_keeps_its_frame() {
    let (mut plan, f) = one(1);
    plan.instances[0].entry_reached_by_jump = true;
    let mut thread = Thread::new(&plan);
    for _ in 0..4 {
        thread.arrive(f.entry, 500, 0).arrive(f.body[0], 500, 7);
    }
    let recording = thread.finish();
    assert_eq!(recording.function(f.id).calls, 1);
    assert_eq!(recording.increment(&plan, f.id, 1), 28);
}

#[test]
fn a_frame_first_seen_in_its_middle_is_no_call() {
    let (plan, f) = one(2);
    let mut thread = Thread::new(&plan);
    thread
        .arrive(f.body[0], 400, 0)
        .arrive(f.body[1], 400, 5)
        .arrive(f.exit, 500, 6);
    let recording = thread.finish();
    assert_eq!(recording.function(f.id).calls, 0);
    assert_eq!(recording.function(f.id).increment, Change(11));
    assert_eq!(recording.increment(&plan, f.id, 2), 5);
    assert_eq!(recording.increment(&plan, f.id, 3), 6);
    assert_eq!(recording.memory(&plan, f.id, 2), Some(1005));
    assert_eq!(
        recording.edges.into_site(f.body[0]).collect::<Vec<_>>(),
        [(Previous::Adopted, 1)]
    );
}

#[test]
fn an_adopted_frame_does_not_take_the_arrivals_of_its_caller() {
    let (plan, f, g) = two(2, 1);
    let mut thread = Thread::new(&plan);
    thread
        .arrive(g.body[0], 300, 0)
        .arrive(f.body[1], 400, 5)
        .arrive(f.exit, 500, 6);
    let recording = thread.finish();
    assert_eq!(recording.increment(&plan, g.id, 11), 5);
    assert_eq!(recording.increment(&plan, f.id, 3), 6);
}

#[test]
fn an_adopted_frame_does_not_outgrow_the_frame_it_is_in() {
    let (plan, f, g) = two(2, 2);
    let mut thread = Thread::new(&plan);
    thread.arrive(f.entry, 400, 0).arrive(g.body[0], 300, 5);
    // Another g, further out: both frames that were open are gone.
    thread.arrive(g.body[1], 450, 1).arrive(g.exit, 460, 20);
    let recording = thread.finish();
    assert_eq!(recording.function(f.id).increment, Change(6));
    assert_eq!(recording.increment(&plan, g.id, 11), 1);
    assert_eq!(recording.increment(&plan, g.id, 12), 20);
}

#[test]
fn a_forked_child_goes_on_in_the_frames_of_its_parent() {
    let (plan, f) = one(2);
    let mut recorder = Recorder::new(&plan);
    let arrive = |recorder: &mut Recorder, thread, site, sp, memory| {
        recorder.arrive(Arrival::new(
            ThreadKey(thread),
            site,
            StackPointer(sp),
            Bytes(memory),
        ));
    };
    arrive(&mut recorder, 1, f.entry, 500, 1000);
    arrive(&mut recorder, 1, f.body[0], 400, 1000);
    let mut child = recorder.forked(ThreadKey(1), ThreadKey(2), Bytes(300));
    arrive(&mut child, 2, f.body[1], 400, 310);
    arrive(&mut child, 2, f.exit, 500, 350);
    let child = child.finish(Bytes(350));
    assert_eq!(child.function(f.id).calls, 0);
    assert_eq!(child.function(f.id).baseline, Some(Bytes(300)));
    assert_eq!(child.function(f.id).increment, Change(50));
    assert_eq!(
        [1, 2, 3].map(|line| child.increment(&plan, f.id, line)),
        [0, 10, 40]
    );
    assert_eq!(
        child.edges.into_site(f.body[1]).collect::<Vec<_>>(),
        [(Previous::Site(f.body[0]), 1)]
    );
    assert_eq!(recorder.finish(Bytes(1000)).function(f.id).increment, Change(0));
}

#[test]
fn an_exit_of_a_frame_that_was_never_seen_is_nothing() {
    let mut plan = Plan::default();
    let (_, instance) = plan.add_function("f", 1);
    plan.add_site(instance, &[1], At::Entry);
    let exit = plan.add_site(instance, &[], At::Exit);
    let mut thread = Thread::new(&plan);
    thread.arrive(exit, 500, 3);
    let recording = thread.finish();
    assert_eq!(recording.functions[0], RecordedFunction::default());
    assert_eq!(recording.arrivals, 1);
}

#[test]
fn several_lines_on_one_site_are_events_in_order() {
    let mut plan = Plan::default();
    let (f, instance) = plan.add_function("f", 1);
    let entry = plan.add_site(instance, &[1, 2, 3], At::Entry);
    let end = plan.add_site(instance, &[4, 5], At::Exit);
    let mut thread = Thread::new(&plan);
    thread.arrive(entry, 500, 0).arrive(end, 500, 8);
    let recording = thread.finish();
    assert_eq!(
        [1, 2, 3, 4, 5].map(|line| recording.increment(&plan, f, line)),
        [0, 0, 8, 0, 0]
    );
    let memory = [1, 2, 3, 4, 5].map(|line| recording.memory(&plan, f, line));
    assert_eq!(memory, [1000, 1000, 1008, 1008, 1008].map(Some));
}

#[test]
fn a_function_of_one_instruction_is_entered_and_left() {
    let mut plan = Plan::default();
    let (f, instance) = plan.add_function("f", 1);
    let only = plan.add_site(instance, &[1], At::EntryAndExit);
    let mut thread = Thread::new(&plan);
    thread
        .arrive(only, 500, 0)
        .arrive(only, 500, 4)
        .arrive(only, 300, 4);
    let recording = thread.finish();
    assert_eq!(recording.function(f).calls, 3);
    assert_eq!(recording.function(f).increment, Change(0));
}

#[test]
fn c057_a_tail_call_ends_the_caller() {
    let (plan, f, g) = two(1, 1);
    let mut thread = Thread::new(&plan);
    for _ in 0..100 {
        thread
            .arrive(f.entry, 500, 0)
            .arrive(f.body[0], 400, 1)
            .arrive(f.exit, 500, 1);
        thread
            .arrive(g.entry, 500, 0)
            .arrive(g.body[0], 400, 10)
            .arrive(g.exit, 500, 10);
    }
    let recording = thread.finish();
    assert_eq!(recording.function(f.id).increment, Change(200));
    assert_eq!(recording.function(g.id).increment, Change(2000));
}

#[test]
fn a_tail_call_through_an_unseen_exit_ends_the_caller() {
    let (plan, f, g) = two(1, 1);
    let mut thread = Thread::new(&plan);
    thread.arrive(f.entry, 500, 0).arrive(f.body[0], 400, 1);
    thread.arrive(g.entry, 500, 2).arrive(g.exit, 500, 10);
    let recording = thread.finish();
    assert_eq!(recording.function(f.id).increment, Change(3));
}

#[test]
fn a_conditional_tail_call_that_is_not_taken_leaves_the_frame() {
    let mut plan = Plan::default();
    let (f, instance) = plan.add_function("f", 1);
    let entry = plan.add_site(instance, &[1], At::Entry);
    let leaves = plan.add_site(instance, &[2], At::MayExit);
    let rest = plan.add_site(instance, &[3], At::Middle);
    let exit = plan.add_site(instance, &[4], At::Exit);
    let g = function(&mut plan, "g", 10, 1);
    let mut thread = Thread::new(&plan);
    thread
        .arrive(entry, 500, 0)
        .arrive(leaves, 500, 1)
        .arrive(rest, 500, 10)
        .arrive(exit, 500, 100);
    thread
        .arrive(entry, 500, 0)
        .arrive(leaves, 500, 1)
        .arrive(g.entry, 500, 10)
        .arrive(g.exit, 500, 5);
    let recording = thread.finish();
    assert_eq!(recording.function(f).calls, 2);
    assert_eq!(recording.function(f).increment, Change(112));
    assert_eq!(recording.increment(&plan, f, 2), 10);
    assert_eq!(recording.increment(&plan, f, 3), 100);
    assert_eq!(
        recording.edges.into_site(rest).collect::<Vec<_>>(),
        [(Previous::Site(leaves), 1)]
    );
}

#[test]
fn a_frame_that_goes_on_after_a_conditional_exit_takes_no_reading_of_another_frame_back() {
    let mut plan = Plan::default();
    let (f, instance) = plan.add_function("f", 1);
    let entry = plan.add_site(instance, &[1], At::Entry);
    let leaves = plan.add_site(instance, &[2], At::MayExit);
    let rest = plan.add_site(instance, &[3], At::Middle);
    let exit = plan.add_site(instance, &[4], At::Exit);
    let mut thread = Thread::new(&plan);
    thread.arrive(entry, 500, 0).arrive(leaves, 492, 50);
    // The second activation leaves line 2 at 1040.
    thread
        .arrive(entry, 400, 0)
        .arrive(leaves, 392, 0)
        .arrive(rest, 392, -10)
        .arrive(exit, 400, 0);
    // The first one leaves it at 1010.
    thread.arrive(rest, 492, -30).arrive(exit, 500, 0);
    assert_eq!(thread.finish().memory(&plan, f, 2), Some(1040));
}

/// Two coroutines and the code that resumes them, on stacks in every order; no key is given.
#[test]
fn c058_coroutines_that_take_turns_keep_their_frames() {
    for (main_sp, one_sp, other_sp) in [
        (9000, 5000, 3000),
        (5000, 9000, 3000),
        (3000, 5000, 9000),
        (3000, 9000, 5000),
    ] {
        let mut plan = Plan::default();
        let main = function(&mut plan, "main", 1, 2);
        let routine = function(&mut plan, "routine", 10, 3);
        let mut thread = Thread::new(&plan);
        thread
            .arrive(main.entry, main_sp, 0)
            .arrive(main.body[0], main_sp - 100, 0);
        for sp in [one_sp, other_sp] {
            thread
                .arrive(routine.entry, sp, 1)
                .arrive(routine.body[0], sp - 100, 0);
        }
        for turn in 0..10 {
            thread.arrive(main.body[turn % 2], main_sp - 100, 1);
            for sp in [one_sp, other_sp] {
                thread
                    .arrive(routine.body[1], sp - 100, 2)
                    .arrive(routine.body[2], sp - 100, 5);
            }
        }
        for sp in [one_sp, other_sp] {
            thread.arrive(routine.exit, sp, 1);
        }
        thread.arrive(main.exit, main_sp, 1);
        let total = thread.memory as i64 - 1000;
        let recording = thread.finish();
        let stacks = format!("stacks at {main_sp}, {one_sp}, {other_sp}");
        assert_eq!(recording.function(main.id).calls, 1, "{stacks}");
        assert_eq!(recording.function(main.id).increment, Change(total), "{stacks}");
        assert_eq!(recording.function(routine.id).calls, 2, "{stacks}");
        let adopted = recording
            .edges
            .iter()
            .filter(|(previous, _, _)| *previous == Previous::Adopted)
            .count();
        assert_eq!(adopted, 0, "{stacks}");
        let middle: u64 = recording
            .edges
            .into_site(routine.body[2])
            .map(|(_, times)| times)
            .sum();
        assert_eq!(middle, 20, "{stacks}");
        assert_eq!(
            recording.edges.into_site(routine.body[2]).count(),
            1,
            "{stacks}: {:?}",
            recording.edges
        );
    }
}

#[test]
fn c058_keys_tell_stacks_apart_whatever_the_stack_pointers() {
    let mut plan = Plan::default();
    let routine = function(&mut plan, "routine", 10, 2);
    let mut recorder = Recorder::new(&plan);
    let mut arrive = |stack, site, sp, memory| {
        let arrival = Arrival::new(ThreadKey(1), site, StackPointer(sp), Bytes(memory));
        recorder.arrive(Arrival {
            stack: StackKey(stack),
            ..arrival
        });
    };
    // Both stacks are copied to the same place before they run.
    for stack in [1, 2] {
        arrive(stack, routine.entry, 500, 1000);
        arrive(stack, routine.body[0], 400, 1000);
    }
    arrive(1, routine.body[1], 400, 1001);
    arrive(2, routine.body[1], 400, 1003);
    arrive(1, routine.exit, 500, 1003);
    arrive(2, routine.exit, 500, 1003);
    let recording = recorder.finish(Bytes(1003));
    assert_eq!(recording.function(routine.id).calls, 2);
    assert_eq!(recording.increment(&plan, routine.id, 11), 3);
    assert_eq!(
        recording
            .edges
            .into_site(routine.body[1])
            .collect::<Vec<_>>()
            .len(),
        1
    );
}

#[test]
fn a_handler_on_its_own_stack_does_not_end_what_it_interrupts() {
    for handler_sp in [90_000, 300] {
        let mut plan = Plan::default();
        let f = function(&mut plan, "f", 1, 2);
        let g = function(&mut plan, "g", 10, 2);
        let handler = function(&mut plan, "handler", 20, 1);
        let mut thread = Thread::new(&plan);
        thread.arrive(f.entry, 5000, 0).arrive(f.body[0], 4900, 0);
        thread.arrive(g.entry, 4892, 0).arrive(g.body[0], 4800, 0);
        thread
            .arrive(handler.entry, handler_sp, 500)
            .arrive(handler.body[0], handler_sp - 50, 0);
        thread.arrive(handler.exit, handler_sp, 7);
        thread
            .arrive(g.body[1], 4800, -500)
            .arrive(g.exit, 4892, 1)
            .arrive(f.exit, 5000, 1);
        let recording = thread.finish();
        let place = format!("handler at {handler_sp}");
        assert_eq!(recording.increment(&plan, handler.id, 21), 7, "{place}");
        assert_eq!(recording.increment(&plan, g.id, 11), 7, "{place}");
        assert_eq!(
            recording.memory(&plan, g.id, 11),
            Some(1007),
            "{place}: what only the handler saw is no reading of g"
        );
        assert_eq!(recording.increment(&plan, g.id, 12), 1, "{place}");
        assert_eq!(recording.increment(&plan, f.id, 2), 9, "{place}");
        assert_eq!(recording.function(f.id).peak, Some(Bytes(1009)), "{place}");
        assert_eq!(recording.function(g.id).calls, 1, "{place}");
    }
}

#[test]
fn frames_that_longjmp_left_do_not_come_back() {
    let (plan, f) = one(2);
    let mut thread = Thread::new(&plan);
    let enter = |thread: &mut Thread, depth: u64| {
        thread
            .arrive(f.entry, 5000 - depth * 100, 0)
            .arrive(f.body[0], 4950 - depth * 100, 1);
    };
    for _ in 0..20 {
        for depth in 0..10 {
            enter(&mut thread, depth);
        }
        // Back to the second frame, which calls again from there.
        thread.arrive(f.body[1], 4850, 0);
        for depth in 2..6 {
            enter(&mut thread, depth);
        }
        for depth in (0..6).rev() {
            thread.arrive(f.exit, 5000 - depth * 100, 0);
        }
    }
    let total = thread.memory as i64 - 1000;
    let recording = thread.finish();
    assert_eq!(recording.function(f.id).calls, 20 * 14);
    assert_eq!(recording.function(f.id).increment, Change(total));
    let adopted = recording
        .edges
        .iter()
        .filter(|(previous, _, _)| *previous == Previous::Adopted)
        .count();
    assert_eq!(adopted, 0);
}

#[test]
fn c119_threads_do_not_mix() {
    let (plan, f) = one(1);
    let mut recorder = Recorder::new(&plan);
    let mut arrive = |thread, site, sp, memory, concurrency| {
        let arrival = Arrival::new(ThreadKey(thread), site, StackPointer(sp), Bytes(memory));
        recorder.arrive(Arrival {
            concurrency,
            ..arrival
        });
    };
    arrive(7, f.entry, 500, 0, Concurrency::Alone);
    arrive(7, f.body[0], 400, 3, Concurrency::Alone);
    arrive(3, f.entry, 900, 5, Concurrency::Shared);
    arrive(3, f.body[0], 800, 5, Concurrency::Shared);
    arrive(7, f.exit, 500, 9, Concurrency::Shared);
    recorder.thread_ended(ThreadKey(3), Bytes(10));
    recorder.thread_ended(ThreadKey(3), Bytes(99));
    let recording = recorder.finish(Bytes(99));
    assert_eq!(recording.function(f.id).calls, 2);
    assert_eq!(recording.increment(&plan, f.id, 2), 6 + 5);
    assert!(recording.line(plan.find_line(f.id, 2)).shared);
}

#[test]
fn c119_only_charges_made_beside_another_thread_are_marked() {
    let (plan, f) = one(3);
    let mut recorder = Recorder::new(&plan);
    let mut arrive = |site, sp, concurrency| {
        let arrival = Arrival::new(ThreadKey(1), site, StackPointer(sp), Bytes(1));
        recorder.arrive(Arrival {
            concurrency,
            ..arrival
        });
    };
    arrive(f.entry, 500, Concurrency::Alone);
    arrive(f.body[0], 400, Concurrency::Alone);
    arrive(f.body[1], 400, Concurrency::Shared);
    arrive(f.body[2], 400, Concurrency::Alone);
    arrive(f.exit, 500, Concurrency::Alone);
    let recording = recorder.finish(Bytes(1));
    let shared = [1, 2, 3, 4, 5].map(|line| recording.line(plan.find_line(f.id, line)).shared);
    assert_eq!(shared, [false, true, true, false, false]);
}

#[test]
fn a_thread_that_comes_and_goes_between_two_arrivals_is_marked() {
    let (plan, f) = one(1);
    let mut recorder = Recorder::new(&plan);
    let arrive = |recorder: &mut Recorder, site, sp| {
        recorder.arrive(Arrival::new(ThreadKey(1), site, StackPointer(sp), Bytes(1)));
    };
    arrive(&mut recorder, f.entry, 500);
    arrive(&mut recorder, f.body[0], 400);
    recorder.thread_started();
    arrive(&mut recorder, f.exit, 500);
    let recording = recorder.finish(Bytes(1));
    let shared = [1, 2, 3].map(|line| recording.line(plan.find_line(f.id, line)).shared);
    assert_eq!(shared, [false, true, false]);
}

#[test]
fn a_plan_that_grows_is_learnt() {
    let (mut plan, f) = one(1);
    let mut recorder = Recorder::new(&plan);
    recorder.arrive(Arrival::new(ThreadKey(1), f.entry, StackPointer(500), Bytes(1)));
    let g = function(&mut plan, "g", 10, 1);
    recorder.extend(&plan);
    recorder.arrive(Arrival::new(ThreadKey(1), g.entry, StackPointer(400), Bytes(4)));
    let recording = recorder.finish(Bytes(5));
    assert_eq!(recording.function(g.id).increment, Change(1));
    assert_eq!(recording.function(f.id).increment, Change(4));
}

/// The definition word for word: marks in frames, and a walk over all frames for "outermost".
#[derive(Default)]
struct Definition {
    frames: Vec<DefinedFrame>,
    lines: std::collections::HashMap<(u32, u32), i64>,
    functions: std::collections::HashMap<u32, i64>,
}

struct DefinedFrame {
    function: u32,
    entry_sp: u64,
    line: u32,
    mark: i64,
    entered_with: i64,
}

impl Definition {
    fn charge(&mut self, memory: i64) {
        let frame = self.frames.last().unwrap();
        let (function, line) = (frame.function, frame.line);
        let callers = &self.frames[..self.frames.len() - 1];
        if !callers
            .iter()
            .any(|caller| caller.function == function && caller.line == line)
        {
            *self.lines.entry((function, line)).or_default() += memory - frame.mark;
        }
        self.frames.last_mut().unwrap().mark = memory;
    }

    fn pop(&mut self, memory: i64) {
        self.charge(memory);
        let frame = self.frames.pop().unwrap();
        if !self.frames.iter().any(|caller| caller.function == frame.function) {
            *self.functions.entry(frame.function).or_default() += memory - frame.entered_with;
        }
    }
}

/// Random programs: calls, returns, longjmps and frees of functions of any shape.
fn run_random(seed: u64, recursion: bool) {
    const FUNCTIONS: u64 = 5;
    const LINES: u64 = 6;
    let dice = &mut Dice::new(seed);
    let mut plan = Plan::default();
    let functions: Vec<Function> = (0..FUNCTIONS)
        .map(|number| function(&mut plan, "f", 100 * number as u32 + 1, LINES as u32))
        .collect();
    let line_of = |function: u32, body: u64| 100 * function + 2 + body as u32;

    let mut thread = Thread::new(&plan);
    thread.memory = 1 << 40;
    let mut definition = Definition::default();
    for _ in 0..400 {
        let change = dice.below(2000) as i64 - 1000;
        let memory = thread.memory as i64 + change;
        let sp = definition
            .frames
            .last()
            .map_or(1 << 30, |frame| frame.entry_sp - 64);
        match (dice.below(10), definition.frames.len()) {
            (0..=2, depth) if depth < 12 => {
                let function = dice.below(FUNCTIONS) as u32;
                if !recursion && definition.frames.iter().any(|frame| frame.function == function) {
                    continue;
                }
                let entry_sp = sp - 8 - 16 * dice.below(4);
                definition.frames.push(DefinedFrame {
                    function,
                    entry_sp,
                    line: 100 * function + 1,
                    mark: memory,
                    entered_with: memory,
                });
                thread.arrive(functions[function as usize].entry, entry_sp, change);
            }
            (3..=4, 1..) => {
                let frame = definition.frames.last_mut().unwrap();
                let (function, entry_sp) = (frame.function, frame.entry_sp);
                definition.charge(memory);
                definition.frames.last_mut().unwrap().line = line_of(function, LINES);
                definition.pop(memory);
                thread.arrive(functions[function as usize].exit, entry_sp, change);
            }
            (5, 2..) => {
                for _ in 0..=dice.below(definition.frames.len() as u64 - 1) {
                    if definition.frames.len() > 1 {
                        definition.pop(memory);
                    }
                }
                let body = dice.below(LINES);
                let frame = definition.frames.last().unwrap();
                let (function, entry_sp) = (frame.function, frame.entry_sp);
                definition.charge(memory);
                definition.frames.last_mut().unwrap().line = line_of(function, body);
                thread.arrive(
                    functions[function as usize].body[body as usize],
                    entry_sp - 64,
                    change,
                );
            }
            (_, 1..) => {
                let body = dice.below(LINES);
                let frame = definition.frames.last().unwrap();
                let (function, entry_sp) = (frame.function, frame.entry_sp);
                definition.charge(memory);
                definition.frames.last_mut().unwrap().line = line_of(function, body);
                thread.arrive(
                    functions[function as usize].body[body as usize],
                    entry_sp - 64,
                    change,
                );
            }
            _ => {}
        }
    }
    let memory = thread.memory as i64;
    while !definition.frames.is_empty() {
        definition.pop(memory);
    }
    let recording = thread.finish();
    for (number, function) in (0u32..).zip(&functions) {
        let expected = definition.functions.get(&number).copied().unwrap_or(0);
        assert_eq!(
            recording.function(function.id).increment,
            Change(expected),
            "seed {seed}, function {number}"
        );
        let mut sum = 0;
        for line in 100 * number + 1..=line_of(number, LINES) {
            let expected = definition.lines.get(&(number, line)).copied().unwrap_or(0);
            assert_eq!(
                recording.increment(&plan, function.id, line),
                expected,
                "seed {seed}, line {line}"
            );
            sum += expected;
        }
        if !recursion {
            assert_eq!(
                recording.function(function.id).increment,
                Change(sum),
                "seed {seed}, function {number}"
            );
        }
    }
    let adopted = recording
        .edges
        .iter()
        .filter(|(previous, _, _)| *previous == Previous::Adopted)
        .count();
    assert_eq!(adopted, 0, "seed {seed}");
}

#[test]
fn random_programs_are_charged_as_defined() {
    for seed in 1..400 {
        run_random(seed, true);
    }
}

#[test]
fn increments_of_lines_add_up_to_the_functions_without_recursion() {
    for seed in 1..400 {
        run_random(seed, false);
    }
}

/// Prints what an arrival costs: `cargo test --release --lib an_arrival_costs -- --ignored --nocapture`.
#[test]
#[ignore = "prints nanoseconds; nothing is asserted"]
fn an_arrival_costs_nanoseconds() {
    const ROUNDS: u64 = 200_000;
    let mut plan = Plan::default();
    let functions: Vec<Function> = (0..200)
        .map(|number| function(&mut plan, "f", 100 * number + 1, 20))
        .collect();
    let measure = |what: &str, arrivals_a_round: u64, round: &mut dyn FnMut(&mut Recorder, u64)| {
        let mut recorder = Recorder::new(&plan);
        (0..ROUNDS / 10).for_each(|number| round(&mut recorder, number));
        let started = std::time::Instant::now();
        (0..ROUNDS).for_each(|number| round(&mut recorder, number));
        let cost = started.elapsed().as_nanos() as f64 / (ROUNDS * arrivals_a_round) as f64;
        println!("{what}: {cost:.1} ns an arrival");
    };
    let arrive = |recorder: &mut Recorder, thread: u64, site: SiteIndex, sp: u64, memory: u64| {
        recorder.arrive(Arrival::new(
            ThreadKey(thread),
            site,
            StackPointer(sp),
            Bytes(memory),
        ));
    };

    let f = &functions[0];
    measure("a loop of ten lines", 10, &mut |recorder, round| {
        if round == 0 {
            arrive(recorder, 1, f.entry, 500, 0);
        }
        for body in &f.body[..10] {
            arrive(recorder, 1, *body, 400, round);
        }
    });
    measure(
        "calls of functions with three lines",
        5,
        &mut |recorder, round| {
            let f = &functions[round as usize * 7 % functions.len()];
            arrive(recorder, 1, f.entry, 500, round);
            f.body[..3]
                .iter()
                .for_each(|body| arrive(recorder, 1, *body, 400, round));
            arrive(recorder, 1, f.exit, 500, round);
        },
    );
    measure("a head with twenty ways to it", 2, &mut |recorder, round| {
        if round == 0 {
            arrive(recorder, 1, f.entry, 500, 0);
        }
        arrive(recorder, 1, f.body[1 + round as usize * 7 % 19], 400, round);
        arrive(recorder, 1, f.body[0], 400, round);
    });
    measure("a thousand threads in turn", 3, &mut |recorder, round| {
        let thread = round * 7919 % 1000;
        arrive(recorder, thread, f.entry, 500, round);
        arrive(recorder, thread, f.body[0], 400, round);
        arrive(recorder, thread, f.exit, 500, round);
    });
    measure(
        "a longjmp over five frames and the calls again",
        11,
        &mut |recorder, round| {
            for depth in 0..5 {
                arrive(recorder, 1, f.entry, 5000 - depth * 100, round);
                arrive(recorder, 1, f.body[0], 4950 - depth * 100, round);
            }
            arrive(recorder, 1, f.body[1], 4950, round);
        },
    );
    let [g, h] = [&functions[1], &functions[2]];
    measure("coroutines that take turns", 2, &mut |recorder, round| {
        if round == 0 {
            arrive(recorder, 1, g.entry, 9000, 0);
            arrive(recorder, 1, g.body[0], 8900, 0);
            arrive(recorder, 1, h.entry, 5000, 0);
            arrive(recorder, 1, h.body[0], 4900, 0);
        }
        arrive(recorder, 1, g.body[0], 8900, round);
        arrive(recorder, 1, h.body[0], 4900, round);
    });
}

/// The calls, each with its depth, and memory and moment of its begin and its end.
fn calls(recorder: Recorder, memory: u64) -> (Vec<(FunctionId, u32, [u64; 4])>, u64) {
    let calls = recorder.finish(Bytes(memory)).calls.expect("they were asked for");
    let parts = |call: &RecordedCall| {
        let (begin, end) = (call.begin, call.end);
        (
            call.function,
            call.depth,
            [begin.memory.0, begin.at.0, end.memory.0, end.at.0],
        )
    };
    (calls.calls.iter().map(parts).collect(), calls.left_out)
}

/// A recorder of `plan` that tells `most` calls, after arrivals of one thread: site, stack pointer, memory. They happen at
/// 10, 20, 30 ...
fn told(plan: &Plan, most: usize, arrivals: &[(SiteIndex, u64, u64)]) -> Recorder {
    let mut recorder = Recorder::new(plan);
    recorder.tell_calls(most);
    for (&(site, sp, memory), number) in arrivals.iter().zip(1..) {
        recorder.at(Moment(number * 10));
        recorder.arrive(Arrival::new(ThreadKey(1), site, StackPointer(sp), Bytes(memory)));
    }
    recorder
}

#[test]
fn calls_are_told_with_their_begins_and_ends() {
    let (plan, f, g) = two(1, 1);
    let arrivals = [
        (f.entry, 500, 100),
        (f.body[0], 400, 110),
        (g.entry, 390, 120),
        (g.exit, 390, 150),
        (f.exit, 500, 160),
        (g.entry, 500, 170),
    ];
    let (calls, left_out) = calls(told(&plan, 9, &arrivals), 180);
    let expected = [
        (g.id, 1, [120, 30, 150, 40]),
        (f.id, 0, [100, 10, 160, 50]),
        // Open to the end of the recording.
        (g.id, 0, [170, 60, 180, 60]),
    ];
    assert_eq!((calls.as_slice(), left_out), (&expected[..], 0));
}

#[test]
fn a_call_that_was_left_by_a_jump_ends_where_that_was_seen() {
    let (plan, f, g) = two(2, 1);
    let arrivals = [
        (f.entry, 500, 100),
        (g.entry, 390, 120),
        (f.body[1], 400, 130),
        (f.exit, 500, 140),
    ];
    let (calls, _) = calls(told(&plan, 9, &arrivals), 150);
    let expected = [(f.id, 0, [100, 10, 140, 40]), (g.id, 1, [120, 20, 130, 30])];
    assert_eq!(calls, expected);
}

#[test]
fn of_too_many_calls_those_that_begin_first_are_told() {
    let (plan, f, g) = two(1, 1);
    let mut arrivals = vec![(f.entry, 500, 100)];
    for _ in 0..3 {
        arrivals.extend([(g.entry, 390, 120), (g.exit, 390, 150)]);
    }
    arrivals.push((f.exit, 500, 160));
    let (calls, left_out) = calls(told(&plan, 2, &arrivals), 160);
    let functions: Vec<FunctionId> = calls.iter().map(|(function, _, _)| *function).collect();
    assert_eq!((functions, left_out), (vec![g.id, f.id], 2));
}
