//! What a hit costs beside two thousand threads: microseconds for each, against the same with hardly any other thread.
//!
//! ```text
//! hot     so many threads do nothing but hit, all others sleep
//! relay   so many threads hit in turn: each wakes the next and sleeps
//! ```
//!
//! The rows are run in turn, so that a slow minute of the machine hits all of them; the ratio is taken within a round.
//! `cargo bench -p lineprof-tracer --bench crowd` prints the table.

#[path = "../support/mod.rs"]
mod support;

use lineprof_tracer::{Engine, Event, Session, stop_pair};
use std::time::Instant;

const ROUNDS: usize = 7;
const WARM_UP: u32 = 2_000;
const HITS: u32 = 20_000;

const CROWD: &str = r#"
static int sleeping, turn[2001], runners;
static void wait_while_zero(int *word) {
    while (!__atomic_load_n(word, __ATOMIC_SEQ_CST)) syscall(SYS_futex, word, 0 /* FUTEX_WAIT */, 0, 0, 0, 0);
}
static void *sleeper(void *unused) { wait_while_zero(&sleeping); return 0; }
static void *work(void *unused) { for (unsigned long i = 0;; i++) if (!hot_ok(i)) _exit(9); }
static void *relay(void *number) {
    for (long own = (long)number, next = (own + 1) % runners;;) {
        wait_while_zero(&turn[own]);
        turn[own] = 0;
        if (!hot_ok(own)) _exit(9);
        __atomic_store_n(&turn[next], 1, __ATOMIC_SEQ_CST);
        syscall(SYS_futex, &turn[next], 1 /* FUTEX_WAKE */, 1, 0, 0, 0);
    }
}
int main(int argc, char **argv) {
    pthread_attr_t small;
    pthread_t thread;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 65536);
    void *(*run)(void *) = argv[1][0] == 'r' ? relay : work;
    runners = atoi(argv[2]);
    for (int i = atoi(argv[3]); i > 0; i--) if (pthread_create(&thread, &small, sleeper, 0)) _exit(8);
    for (long i = 0; i < runners; i++) if (pthread_create(&thread, &small, run, (void *)i)) _exit(8);
    turn[0] = 1;
    syscall(SYS_futex, &turn[0], 1 /* FUTEX_WAKE */, 1, 0, 0, 0);
    say("ready");
    wait_for_end_of_input();
    _exit(3);
}
"#;

/// What the threads do, how many of them, and how many sleep beside them.
type Row = (&'static str, &'static str, &'static str);

const PAIRS: [(Row, Row); 4] = [
    (("hot", "1", "0"), ("hot", "1", "2000")),
    (("hot", "1", "0"), ("hot", "2", "2000")),
    (("hot", "1", "0"), ("hot", "8", "2000")),
    (("relay", "2", "0"), ("relay", "2000", "0")),
];

fn main() {
    let crowd = support::program("crowd", CROWD);
    let mut costs = vec![(Vec::new(), Vec::new(), Vec::new()); PAIRS.len()];
    let mut attaching = Vec::new();
    for _ in 0..ROUNDS {
        for ((few, many), costs) in PAIRS.iter().zip(&mut costs) {
            let (few, _) = hit_cost(&crowd, *few);
            let (many, attached) = hit_cost(&crowd, *many);
            costs.0.push(few);
            costs.1.push(many);
            costs.2.push(many / few);
            attaching.push(attached);
        }
    }
    println!(
        "{:<18}{:<18}{:>8}{:>8}{:>8}{:>16}",
        "few", "many", "us", "us", "ratio", "all ratios"
    );
    for ((few, many), (a, b, ratios)) in PAIRS.iter().zip(&costs) {
        let name = |(kind, runners, sleepers): &Row| format!("{kind} {runners} of {runners}+{sleepers}");
        print!("{:<18}{:<18}", name(few), name(many));
        print!("{:>8.1}{:>8.1}{:>8.2}  ", median(a), median(b), median(ratios));
        println!("  {ratios:.2?}");
    }
    println!(
        "attached to 2,000 threads in {:.0} ms at most",
        attaching.iter().fold(0.0, |a: f64, b| a.max(*b))
    );
}

/// Microseconds a hit, and milliseconds to attach.
fn hit_cost(crowd: &support::Program, (kind, runners, sleepers): Row) -> (f64, f64) {
    let target = crowd.start(&[kind, runners, sleepers]);
    let pid = target.pid();
    std::thread::scope(|scope| {
        let session = scope.spawn(|| {
            let (_handle, listener) = stop_pair().expect("a pair");
            let begun = Instant::now();
            let options = support::options(Engine::Auto);
            let mut session = Session::attach(pid, options, listener).expect("attached");
            let attached = begun.elapsed();
            let site = crowd.site(&mut session);
            session.plant(&[site]).expect("it lives");
            take_hits(&mut session, WARM_UP);
            let begun = Instant::now();
            take_hits(&mut session, HITS);
            let hitting = begun.elapsed();
            session.detach().expect("given back");
            (
                hitting.as_secs_f64() * 1e6 / f64::from(HITS),
                attached.as_secs_f64() * 1e3,
            )
        });
        session.join().expect("no panic")
    })
}

fn take_hits(session: &mut Session, hits: u32) {
    for _ in 0..hits {
        let event = session.next_event().expect("no error");
        assert!(matches!(event, Event::Hit(_)), "{event:?}");
    }
}

/// The middle of `costs`.
fn median(costs: &[f64]) -> f64 {
    let mut sorted = costs.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}
