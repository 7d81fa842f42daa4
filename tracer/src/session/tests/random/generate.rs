//! Cases from a seed: threads that do anything that threads do, and a world that does not wait for them.
//!
//! Must not know: what must hold.

use super::super::*;
use super::case::Case;
use crate::sys::scripted::Happening;

/// A generator of its own for the case, so that the order of stops does not change it.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        // xorshift64 (Marsaglia, 2003).
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }

    fn number(&mut self, sides: u64) -> usize {
        usize::try_from(self.roll(sides)).expect("small")
    }

    fn one_of(&mut self, all: &[i32]) -> i32 {
        all[self.number(all.len() as u64)]
    }
}

/// The case of this number.
pub(crate) fn case(engine: Engine, seed: u64) -> Case {
    let mut dice = Dice(seed.wrapping_mul(0x2545_F491_4F6C_DD1D) | 1);
    let mut case = Case::new(engine, Order::Random(seed));
    let mut born = (100..101 + i32::try_from(dice.roll(4)).expect("small")).collect::<Vec<_>>();
    for tid in born.clone() {
        let acts = acts(&mut dice, &mut born, 0);
        // The leader ends last, or everything ends at once.
        let end = match (tid, dice.roll(12)) {
            (100, 0..3) | (_, 1) => ExitGroup(3),
            (100, 3) | (_, 0) => Exec,
            _ => Exit,
        };
        case.threads.push((tid, ended(acts, end)));
    }
    if dice.roll(16) == 0 {
        let crowd = |tid| (tid, ended(vec![Sleep], Exit));
        case.threads.extend((1000..1040).map(crowd));
    }
    case.handler = (0..dice.roll(3)).map(|_| visit(dice.roll(4) + 1)).collect();
    for number in 1..4 {
        let code: &[u8] = match dice.roll(12) {
            0 => &[0xF3, 0xA4],
            1 => &[0x9C],
            2 => &[0x0F, 0x05],
            3 => &[0xCC],
            _ => continue,
        };
        case.code.push((number, code.to_vec()));
    }
    for _ in 0..dice.roll(4) {
        let tid = Tid(dice.one_of(&born));
        let signal = dice.one_of(&[10, 12]);
        let at = dice.number(300) + 1;
        case.happenings.push((at, Happening::Signal(tid, signal)));
    }
    match dice.roll(8) {
        0 | 1 => case.happenings.push((dice.number(400) + 1, Happening::Kill(PID))),
        2 => {
            let pid = Pid(dice.one_of(&born));
            case.happenings.push((dice.number(400) + 1, Happening::Kill(pid)));
        }
        3 => case
            .happenings
            .push((dice.number(200) + 1, Happening::Ring(BELL))),
        4 | 5 => case.events = dice.number(12),
        _ => {}
    }
    case.exit_stops = dice.roll(3) != 0;
    case.kcmp = dice.roll(8) != 0;
    if dice.roll(3) == 0 {
        case.children = Children::Followed;
        for (_, acts) in &mut case.threads {
            with_an_end(acts);
        }
    }
    case
}

/// A program that comes by exec is followed to its end: it has one then.
fn with_an_end(acts: &mut [Act]) {
    for act in acts {
        match act {
            Exec => *act = Become(vec![visit(4), Exit]),
            Thread(_, acts) | Fork(_, acts) | Vfork(_, acts) | Share(_, acts) => with_an_end(acts),
            _ => {}
        }
    }
}

fn ended(mut acts: Vec<Act>, end: Act) -> Vec<Act> {
    acts.push(end);
    acts
}

/// What one thread does, but for its end.
fn acts(dice: &mut Dice, born: &mut Vec<i32>, depth: u32) -> Vec<Act> {
    let mut all = Vec::new();
    for _ in 0..=dice.roll(6) {
        all.push(match dice.roll(16) {
            0 => Raise(10),
            1 => Raise(12),
            2 => OwnBreakpoint,
            3 => Sleep,
            4 => Wake(dice.one_of(born)),
            made @ 5..=8 if depth < 2 => {
                let child = 200 + i32::try_from(born.len()).expect("small");
                born.push(child);
                let inner = acts(dice, born, depth + 1);
                let last = if dice.roll(4) == 0 { Exec } else { Exit };
                match made {
                    5 => Thread(child, ended(inner, Exit)),
                    6 => Fork(child, ended(inner, last)),
                    7 => Vfork(child, ended(inner, last)),
                    _ => Share(child, ended(inner, last)),
                }
            }
            n => visit(n % 4 + 1),
        });
    }
    all
}
