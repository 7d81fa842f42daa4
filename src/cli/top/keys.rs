//! Which key means what.
//!
//! Must not know: what is done then.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

/// What keys are for at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// To look around.
    Looking,
    /// To type what is searched for.
    Typing,
    /// To say what becomes of a program that runs.
    Leaving,
    /// To read about keys.
    Help,
}

/// What a key asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    /// So many rows on; back where negative.
    Move(i32),
    /// So many screens on.
    Page(i32),
    First,
    Last,
    NextPane,
    PreviousPane,
    Sort,
    Pause,
    Reset,
    Help,
    /// Begin to search.
    Search,
    NextMatch,
    PreviousMatch,
    Type(char),
    Erase,
    Accept,
    /// Out of whatever it is.
    Back,
    Quit,
    /// What Ctrl-C does to a command.
    Interrupt,
    /// Ctrl-Z.
    Suspend,
    /// SIGTERM to the program.
    Terminate,
    /// SIGKILL to the program.
    Kill,
    /// The program goes on without lineprof.
    LetRun,
}

/// What `key` asks for.
pub(super) fn wish(key: KeyEvent, mode: Mode) -> Option<Wish> {
    if key.kind == KeyEventKind::Release {
        return None;
    }
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return match key.code {
            KeyCode::Char('c') => Some(Wish::Interrupt),
            KeyCode::Char('z') => Some(Wish::Suspend),
            KeyCode::Char('h') if mode == Mode::Typing => Some(Wish::Erase),
            KeyCode::Char('d') if mode == Mode::Looking => Some(Wish::Page(1)),
            KeyCode::Char('u') if mode == Mode::Looking => Some(Wish::Page(-1)),
            _ => None,
        };
    }
    match mode {
        Mode::Looking => looking(key.code),
        Mode::Typing => match key.code {
            KeyCode::Char(character) => Some(Wish::Type(character)),
            KeyCode::Backspace => Some(Wish::Erase),
            KeyCode::Enter => Some(Wish::Accept),
            KeyCode::Esc => Some(Wish::Back),
            _ => None,
        },
        Mode::Leaving => match key.code {
            KeyCode::Char('t') => Some(Wish::Terminate),
            KeyCode::Char('k') => Some(Wish::Kill),
            KeyCode::Char('l') => Some(Wish::LetRun),
            KeyCode::Esc | KeyCode::Char('n' | 'q') => Some(Wish::Back),
            _ => None,
        },
        Mode::Help => Some(Wish::Back),
    }
}

fn looking(code: KeyCode) -> Option<Wish> {
    Some(match code {
        KeyCode::Char('q') => Wish::Quit,
        KeyCode::Char('j') | KeyCode::Down => Wish::Move(1),
        KeyCode::Char('k') | KeyCode::Up => Wish::Move(-1),
        KeyCode::PageDown => Wish::Page(1),
        KeyCode::PageUp => Wish::Page(-1),
        KeyCode::Char('g') | KeyCode::Home => Wish::First,
        KeyCode::Char('G') | KeyCode::End => Wish::Last,
        KeyCode::Tab => Wish::NextPane,
        KeyCode::BackTab => Wish::PreviousPane,
        KeyCode::Char('s') => Wish::Sort,
        KeyCode::Char('p') => Wish::Pause,
        KeyCode::Char('r') => Wish::Reset,
        KeyCode::Char('?' | 'h') | KeyCode::F(1) => Wish::Help,
        KeyCode::Char('/') => Wish::Search,
        KeyCode::Char('n') => Wish::NextMatch,
        KeyCode::Char('N') => Wish::PreviousMatch,
        KeyCode::Esc => Wish::Back,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(code: KeyCode) -> KeyEvent {
        KeyEvent::new(code, KeyModifiers::NONE)
    }

    #[test]
    fn a_letter_is_a_wish_or_a_letter_by_what_keys_are_for() {
        let q = key(KeyCode::Char('q'));
        assert_eq!(wish(q, Mode::Looking), Some(Wish::Quit));
        assert_eq!(wish(q, Mode::Typing), Some(Wish::Type('q')));
        assert_eq!(wish(q, Mode::Leaving), Some(Wish::Back));
        assert_eq!(wish(key(KeyCode::Char('k')), Mode::Looking), Some(Wish::Move(-1)));
        assert_eq!(wish(key(KeyCode::Char('k')), Mode::Leaving), Some(Wish::Kill));
    }

    #[test]
    fn ctrl_c_and_ctrl_z_mean_the_same_everywhere() {
        for mode in [Mode::Looking, Mode::Typing, Mode::Leaving, Mode::Help] {
            for (letter, meaning) in [('c', Wish::Interrupt), ('z', Wish::Suspend)] {
                let pressed = KeyEvent::new(KeyCode::Char(letter), KeyModifiers::CONTROL);
                assert_eq!(wish(pressed, mode), Some(meaning), "{mode:?}");
            }
        }
    }

    #[test]
    fn a_key_that_is_let_go_is_none() {
        let mut released = key(KeyCode::Char('q'));
        released.kind = KeyEventKind::Release;
        assert_eq!(wish(released, Mode::Looking), None);
    }
}
