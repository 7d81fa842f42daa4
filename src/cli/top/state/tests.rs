//! Promises of the view's state: keys and news in, what is shown and to be done out.

use super::*;
use crate::cli::top::samples::{FILE, profile, text};

fn showing(subject: Subject) -> State {
    let mut state = State::new(subject, "./app".into());
    state.so_far(profile(4), Bytes(5 << 20));
    state.read(FILE.into(), text());
    state
}

fn names(state: &State) -> Vec<String> {
    state.functions().into_iter().map(|row| row.name).collect()
}

fn shown(state: &State) -> &str {
    state.function().map_or("", |function| &function.name)
}

#[test]
fn the_first_function_by_increment_that_ran_is_chosen_and_stays_chosen() {
    let mut state = showing(Subject::Started);
    assert_eq!(names(&state), ["load", "drop", "never\u{7}"]);
    assert_eq!(shown(&state), "load");
    state.wish(Wish::Sort);
    state.wish(Wish::Sort);
    assert_eq!(names(&state), ["drop", "load", "never\u{7}"]);
    assert_eq!(shown(&state), "load");
    state.wish(Wish::Move(-1));
    assert_eq!(shown(&state), "drop");
    state.wish(Wish::Move(-1));
    assert_eq!(shown(&state), "drop");
    state.wish(Wish::Last);
    assert_eq!(shown(&state), "never\u{7}");
}

#[test]
fn a_view_that_was_paused_goes_on_with_the_latest() {
    let mut state = showing(Subject::Started);
    state.wish(Wish::Pause);
    state.so_far(profile(6), Bytes(7 << 20));
    state.so_far(profile(8), Bytes(6 << 20));
    assert_eq!(state.functions()[0].calls, 4);
    state.wish(Wish::Pause);
    assert_eq!(state.functions()[0].calls, 8);
    // Memory is drawn on meanwhile.
    assert_eq!(state.memory.len(), 3);
    assert_eq!(state.peak, Bytes(9 << 20));
}

#[test]
fn numbers_are_counted_from_a_reset_on_and_from_the_start_after_another() {
    let mut state = showing(Subject::Started);
    state.wish(Wish::Reset);
    state.so_far(profile(6), Bytes(7 << 20));
    let load = &state.functions()[0];
    assert_eq!((load.calls, load.increment.0), (2, 2 << 20));
    let line = state.lines()[4].cells.expect("it ran");
    assert_eq!((line.occurrences, line.increment.0), (2, 0));
    state.wish(Wish::Reset);
    assert_eq!(state.functions()[0].calls, 6);
}

#[test]
fn lines_are_those_of_the_source_or_by_cost_those_that_ran() {
    let mut state = showing(Subject::Started);
    let numbers = |state: &State| -> Vec<u32> { state.lines().iter().map(|row| row.number).collect() };
    assert_eq!(numbers(&state), [1, 2, 3, 4, 5, 6]);
    state.wish(Wish::NextPane);
    state.wish(Wish::Sort);
    assert_eq!(numbers(&state), [4, 3, 1, 5]);
}

#[test]
fn a_search_goes_around_the_end_and_back() {
    let mut state = showing(Subject::Started);
    state.wish(Wish::NextPane);
    state.wish(Wish::Search);
    for letter in "kept".chars() {
        state.wish(Wish::Type(letter));
    }
    state.wish(Wish::Accept);
    let mut found = vec![state.line(6)];
    for wish in [
        Wish::NextMatch,
        Wish::NextMatch,
        Wish::NextMatch,
        Wish::PreviousMatch,
    ] {
        state.wish(wish);
        found.push(state.line(6));
    }
    assert_eq!(found, [2, 3, 4, 2, 4]);
    state.wish(Wish::Search);
    state.wish(Wish::Type('~'));
    state.wish(Wish::Accept);
    assert_eq!(state.message.as_deref(), Some("nothing here has `~`"));
    assert_eq!(state.line(6), 4);
}

#[test]
fn upper_case_is_meant_where_it_is_typed() {
    let texts = ["Load".to_owned(), "load".to_owned()];
    assert_eq!(next_match(&texts, "load", 0, Direction::Here), Some(0));
    assert_eq!(next_match(&texts, "Load", 1, Direction::Here), Some(0));
    assert_eq!(next_match(&texts, "LOAD", 0, Direction::Here), None);
    assert_eq!(next_match(&[], "load", 0, Direction::Back), None);
}

#[test]
fn who_quits_while_a_started_program_runs_is_asked() {
    let mut state = showing(Subject::Started);
    assert_eq!(state.wish(Wish::Quit), None);
    assert_eq!(state.mode, Mode::Leaving);
    assert_eq!(state.wish(Wish::Back), None);
    assert_eq!(state.mode, Mode::Looking);
    for (wish, deed) in [
        (Wish::Terminate, Deed::Terminate),
        (Wish::Kill, Deed::Kill),
        (Wish::LetRun, Deed::EndProfile),
    ] {
        state.wish(Wish::Quit);
        assert_eq!(state.wish(wish), Some(deed));
    }
    assert_eq!(state.ended("ended".into(), None), Some(Deed::Close));
}

#[test]
fn an_attached_process_is_left_at_once_and_the_view_closes_when_it_is() {
    for wish in [Wish::Quit, Wish::Interrupt] {
        let mut state = showing(Subject::Attached);
        assert_eq!(state.wish(wish), Some(Deed::EndProfile));
        assert_eq!(state.ended("ended".into(), Some(profile(5))), Some(Deed::Close));
    }
}

#[test]
fn a_program_that_ends_by_itself_leaves_the_view_open() {
    let mut state = showing(Subject::Started);
    assert_eq!(state.ended("exit code 0".into(), Some(profile(5))), None);
    assert_eq!(state.functions()[0].calls, 5);
    assert_eq!(state.wish(Wish::Quit), Some(Deed::Close));
}

#[test]
fn ctrl_c_is_the_programs_business_and_a_signal_to_lineprof_ends_it() {
    let mut state = showing(Subject::Started);
    assert_eq!(state.wish(Wish::Interrupt), Some(Deed::Interrupt));
    assert_eq!(showing(Subject::Started).asked_to_end(), Deed::Terminate);
    assert_eq!(showing(Subject::Attached).asked_to_end(), Deed::EndProfile);
    state.ended("ended".into(), None);
    assert_eq!(state.asked_to_end(), Deed::Close);
}

#[test]
fn a_process_that_is_about_to_end_has_no_reading() {
    let mut state = showing(Subject::Started);
    state.so_far(profile(5), Bytes(0));
    assert_eq!(state.memory, [Bytes(5 << 20)]);
}

#[test]
fn files_are_asked_for_once() {
    let mut state = State::new(Subject::Started, "./app".into());
    assert_eq!(state.unread(), [""; 0]);
    state.so_far(profile(4), Bytes(1));
    assert_eq!(state.unread(), [FILE]);
    state.read(FILE.into(), Vec::new());
    assert_eq!(state.unread(), [""; 0]);
    // Without its source only lines with code are shown.
    assert_eq!(state.lines().len(), 4);
}
