//! What the screen looks like, as text; colours where they mean something.

use lineprof::units::Bytes;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;

use super::*;
use crate::cli::top::keys::Wish;
use crate::cli::top::samples::{FILE, profile, text};
use crate::goldens;

fn showing() -> State {
    let mut state = State::new(Subject::Started, "./app 1000".into());
    for memory in [1, 3, 5, 9, 7] {
        state.so_far(profile(4), Bytes(memory << 20));
    }
    state.read(FILE.into(), text());
    state
}

fn screen(state: &State, width: u16, height: u16) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("memory");
    terminal.draw(|frame| draw(state, frame)).expect("memory");
    terminal.backend().buffer().clone()
}

fn rows(buffer: &Buffer) -> String {
    let row = |y| {
        let cells = (0..buffer.area.width).map(|x| buffer[(x, y)].symbol());
        cells.collect::<String>().trim_end().to_owned() + "\n"
    };
    (0..buffer.area.height).map(row).collect()
}

#[track_caller]
fn check(name: &str, state: &State, width: u16, height: u16) {
    goldens::check("cli/top", name, &rows(&screen(state, width, height)));
}

#[test]
fn a_program_that_runs() {
    let mut state = showing();
    state.wrote(["one".to_owned(), "two\u{1b}[2J".to_owned()], 4);
    check("running.txt", &state, 90, 26);
}

#[test]
fn a_program_that_has_ended_with_the_lines_by_increment() {
    let mut state = showing();
    state.wish(Wish::NextPane);
    state.wish(Wish::Sort);
    state.ended("ended with exit code 3".into(), None);
    check("ended.txt", &state, 90, 20);
}

#[test]
fn a_question_at_the_end_and_a_search() {
    let mut state = showing();
    state.wish(Wish::Quit);
    check("leaving.txt", &state, 90, 18);
    state.wish(Wish::Back);
    state.wish(Wish::Search);
    state.wish(Wish::Type('m'));
    check("searching.txt", &state, 90, 18);
}

#[test]
fn the_keys() {
    let mut state = showing();
    state.wish(Wish::Help);
    check("help.txt", &state, 100, 22);
}

#[test]
fn before_anything_is_known() {
    let state = State::new(Subject::Attached, "process 4711".into());
    check("empty.txt", &state, 80, 14);
}

#[test]
fn no_size_is_too_small() {
    let mut state = showing();
    state.wrote(["one".to_owned()], 4);
    for mode in [Wish::Back, Wish::Help] {
        state.wish(mode);
        for (width, height) in [(1, 1), (5, 3), (20, 6), (300, 2), (2, 100)] {
            assert_eq!(screen(&state, width, height).area.width, width);
        }
    }
}

#[test]
fn the_hottest_line_is_red_and_what_gives_back_is_blue() {
    let mut state = showing();
    let colour = |state: &State, text: &str| {
        let buffer = screen(state, 90, 26);
        let shown = rows(&buffer);
        let row = shown
            .lines()
            .position(|row| row.contains(text))
            .expect("it is shown");
        buffer[(3, row as u16)].bg
    };
    assert_eq!(colour(&state, "memset"), Color::Indexed(160));
    assert_eq!(colour(&state, "malloc"), Color::Indexed(52));
    assert_eq!(colour(&state, "return"), Color::Reset);
    state.wish(Wish::Move(1));
    assert_eq!(colour(&state, "free(kept)"), Color::Indexed(18));
}

#[test]
fn the_page_is_as_many_rows_as_are_drawn() {
    let mut state = showing();
    state.wrote(["one".to_owned()], 4);
    let area = Rect::new(0, 0, 90, 26);
    let shown = rows(&screen(&state, 90, 26));
    let from = shown
        .lines()
        .position(|row| row.contains("Line #"))
        .expect("a head")
        + 1;
    let to = shown
        .lines()
        .position(|row| row.contains("output"))
        .expect("a pane");
    assert_eq!(page(&state, area), to - from);
}
