//! The terminal: taken for the view, and put back as it was.
//!
//! Must not know: what is shown.
//!
//! It is put back when the view is closed, when a panic begins to be told, and before the process stops. The engine is
//! another process, so nothing that happens there leaves the terminal as the view has it. Drawn is to `/dev/tty`: the
//! standard streams may be files.

use std::fs::File;
use std::io::{self, Write};
use std::sync::Once;

use crossterm::cursor::Show;
use crossterm::execute;
use crossterm::terminal::{
    Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use nix::sys::signal::{SigSet, Signal, raise};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;

use super::draw;
use super::state::State;

/// The terminal of this process.
pub(super) fn terminal() -> io::Result<File> {
    File::options().read(true).write(true).open("/dev/tty")
}

/// The view's screen; dropping it puts the terminal back.
pub(super) struct Screen {
    terminal: Terminal<CrosstermBackend<File>>,
}

impl Screen {
    /// Takes the terminal.
    pub(super) fn open() -> io::Result<Screen> {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let tell = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                put_back();
                tell(panic);
            }));
        });
        let to = terminal()?;
        let screen = Screen {
            terminal: Terminal::new(CrosstermBackend::new(to))?,
        };
        take()?;
        Ok(screen)
    }

    /// Shows `state`.
    pub(super) fn draw(&mut self, state: &mut State) -> io::Result<()> {
        let size = self.terminal.size()?;
        state.page = draw::page(state, ratatui::layout::Rect::from((Default::default(), size)));
        self.terminal.draw(|frame| draw::draw(state, frame))?;
        Ok(())
    }

    /// Stops the process with the terminal as it was; returns when it goes on.
    ///
    /// *State*: SIGTSTP is blocked.
    pub(super) fn suspend(&mut self) -> io::Result<()> {
        put_back();
        stop()?;
        self.take_again()
    }

    /// Takes the terminal once more: whoever has had it meanwhile may have left it otherwise.
    pub(super) fn take_again(&mut self) -> io::Result<()> {
        put_back();
        take()?;
        // Not `clear`, which asks the terminal where its cursor is: the answer would come among the keys.
        self.terminal = Terminal::new(CrosstermBackend::new(terminal()?))?;
        Ok(())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        put_back();
    }
}

/// Stops the process as Ctrl-Z does; returns when it goes on.
///
/// *State*: the calling thread is the first of the process. Nobody else hears of the SIGCONT then: one that the first
/// thread does not block, and that has no handler, is thrown away when it is sent (sig_ignored, kernel/signal.c). Taken
/// as news it would have the terminal taken twice, with the shell's screen in between.
pub(super) fn stop() -> io::Result<()> {
    let only: SigSet = [Signal::SIGTSTP, Signal::SIGCONT].into_iter().collect();
    // Raised before it is let through, as in `signals::stop_with_the_program`.
    raise(Signal::SIGTSTP)?;
    only.thread_unblock()?;
    only.thread_block()?;
    Ok(())
}

fn take() -> io::Result<()> {
    enable_raw_mode()?;
    execute!(terminal()?, EnterAlternateScreen, Clear(ClearType::All))
}

/// Puts the terminal back; nothing happens where it is.
fn put_back() {
    if !crossterm::terminal::is_raw_mode_enabled().unwrap_or(true) {
        return;
    }
    // A terminal that is gone needs nothing.
    if let Ok(mut terminal) = terminal() {
        let _gone = execute!(terminal, LeaveAlternateScreen, Show);
        let _gone = terminal.flush();
    }
    let _gone = disable_raw_mode();
}
