//! Code that a session writes into, or must not: rewritten by its program, read by it, shared with others, the kernel's
//! own. Numbers like C046 name cases of issue #3.

mod support;

use lineprof_tracer::{Engine, Event, Refused, Session, SiteRequest, StopHandle, stop_pair};
use std::sync::mpsc;
use support::{BOTH, Program, Target, options, program};

/// A session over `target` with a site on its hot instruction, on a thread of its own.
struct Attached {
    stop: StopHandle,
    session: std::thread::JoinHandle<(SiteRequest, u64)>,
}

impl Attached {
    fn to(target: &Target, program: &Program, engine: Engine) -> Attached {
        let (planted, is_planted) = mpsc::channel();
        let (pid, offset) = (target.pid(), program.site_offset());
        let path = program.path.clone();
        let session = std::thread::spawn(move || {
            let (handle, listener) = stop_pair().expect("a pair");
            let mut session = Session::attach(pid, options(engine), listener).expect("attached");
            let site = Program::at(path, offset).site(&mut session);
            let answer = session.plant(std::slice::from_ref(&site)).expect("it lives");
            assert!(answer[0].is_ok(), "{answer:?}");
            planted.send(handle).expect("the test waits");
            let mut hits = 0;
            loop {
                match session.next_event().expect("no error") {
                    Event::Hit(_) => hits += 1,
                    Event::StopRequested => break,
                    event => panic!("{event:?}"),
                }
            }
            session.detach().expect("given back");
            (site, hits)
        });
        let stop = is_planted.recv().expect("the session begins");
        Attached { stop, session }
    }

    /// Ends the session: its site and the hits it has seen.
    fn end(self) -> (SiteRequest, u64) {
        self.stop.stop();
        self.session.join().expect("no panic")
    }
}

/// What the program answers to a command.
fn ask(target: &mut Target, command: u8) -> String {
    target.send(command);
    target.line()
}

const REWRITES: &str = r#"
/* Another function of the same shape: 81 c3 and another number. */
__asm__(".text\n.globl other\nother:\n push %rbx\n mov %rdi,%rbx\n .byte 0x81,0xc3,0x08,0x07,0x06,0x05\n"
        " mov %rbx,%rax\n pop %rbx\n ret\nother_end:\n");
extern unsigned char other[], other_end[];
extern unsigned char hot_code[] __asm__("hot");
static void protect(int how) {
    unsigned long page = (unsigned long)hot_code & ~4095ul;
    if (mprotect((void *)page, 8192, how)) _exit(7);
}
int main(int argc, char **argv) {
    unsigned char first[64], now[64];
    size_t length = other_end - other;
    unsigned long added = 0x01020304;
    memcpy(first, hot_code, length);
    if (argc > 1) protect(PROT_READ | PROT_WRITE | PROT_EXEC);
    say("ready");
    for (char c; read(0, &c, 1) > 0;) {
        if (argc == 1 && c != 'c') protect(PROT_READ | PROT_WRITE | PROT_EXEC);
        if (c == 'o') memcpy(hot_code, other, length), added = 0x05060708;
        if (c == 'b') memcpy(hot_code, first, length), added = 0x01020304;
        if (c == 'f') memset(hot_code, 0xcc, length), added = 0;
        if (c == 'n') added++, memcpy(hot_site + 2, &added, 4);
        if (argc == 1 && c != 'c') protect(PROT_READ | PROT_EXEC);
        if (c == 'c')
            for (unsigned long i = 0; i < 10; i++) if (hot(i) != (uint32_t)(i + added)) _exit(9);
        say("done");
    }
    return 3;
}
"#;

#[test]
fn c046_a_function_that_its_program_rewrites_is_the_programs() {
    let rewrites = program("rewrites", REWRITES);
    for engine in BOTH {
        // Rewritten, filled, put back: what stands there in the end is what the program put there.
        for (commands, byte, hits) in [
            (&b"coc"[..], [0x81, 0xC3, 8, 7], 10),
            (b"oc", [0x81, 0xC3, 8, 7], 0),
            (b"cf", [0xCC; 4], 10),
            (b"cocbc", [0x81, 0xC3, 4, 3], 10),
        ] {
            let mut target = rewrites.start(&[]);
            let session = Attached::to(&target, &rewrites, engine);
            for command in commands {
                assert_eq!(ask(&mut target, *command), "done", "{engine:?}");
            }
            let (site, seen) = session.end();
            assert_eq!(target.bytes(site.address, 4), byte, "{engine:?}");
            assert_eq!(seen, hits, "{engine:?}");
            if !commands.contains(&b'f') {
                assert_eq!(ask(&mut target, b'c'), "done", "{engine:?}");
            }
            assert_eq!(target.finish().1, Some(3), "{engine:?}");
        }
    }
}

#[test]
fn c046_code_that_its_program_may_write_runs_as_it_stands() {
    let rewrites = program("rewrites_at_will", REWRITES);
    for engine in BOTH {
        let mut target = rewrites.start(&["writable"]);
        let session = Attached::to(&target, &rewrites, engine);
        for command in b"cncncn" {
            assert_eq!(ask(&mut target, *command), "done", "{engine:?}");
        }
        let (site, hits) = session.end();
        assert_eq!(target.bytes(site.address, 4), [0x81, 0xC3, 7, 3], "{engine:?}");
        assert_eq!(hits, 30, "{engine:?}");
        assert_eq!(ask(&mut target, b'c'), "done", "{engine:?}");
        assert_eq!(target.finish().1, Some(3), "{engine:?}");
    }
}

const READS_ITSELF: &str = r#"
extern unsigned char __executable_start[];
int main(void) {
    unsigned char in_file = 0;
    int file = open("/proc/self/exe", O_RDONLY);
    say("ready");
    for (char c; read(0, &c, 1) > 0;) {
        /* The segments of a position-independent program lie in the file as they lie in memory. */
        pread(file, &in_file, 1, hot_site - __executable_start);
        hot(1);
        dprintf(1, "memory %x file %x\n", *(volatile unsigned char *)hot_site, in_file);
    }
    return 3;
}
"#;

#[test]
fn c047_a_program_that_reads_its_code_finds_the_breakpoint_and_its_file_untouched() {
    let program = program("reads_itself", READS_ITSELF);
    let before = std::fs::read(&program.path).expect("readable");
    for engine in BOTH {
        let mut target = program.start(&[]);
        assert_eq!(ask(&mut target, b'?'), "memory 81 file 81", "{engine:?}");
        let session = Attached::to(&target, &program, engine);
        // README, "Limits".
        assert_eq!(ask(&mut target, b'?'), "memory cc file 81", "{engine:?}");
        assert_eq!(session.end().1, 1, "{engine:?}");
        assert_eq!(ask(&mut target, b'?'), "memory 81 file 81", "{engine:?}");
        assert_eq!(target.finish().1, Some(3), "{engine:?}");
    }
    let after = std::fs::read(&program.path).expect("readable");
    assert!(before == after, "the file has changed");
}

const MAPS: &str = r#"
#include <sys/stat.h>
/* Maps its own file once more, as argv[1] says, and tells where the hot instruction lies there. */
extern unsigned char __executable_start[];
int main(int argc, char **argv) {
    int shared = argv[1][0] == 's', writable = argv[1][1] == 'w';
    int file = open(argv[2], writable ? O_RDWR : O_RDONLY);
    struct stat status;
    fstat(file, &status);
    int access = PROT_READ | PROT_EXEC | (writable ? PROT_WRITE : 0);
    char *there = mmap(0, status.st_size, access, shared ? MAP_SHARED : MAP_PRIVATE, file, 0);
    if (there == MAP_FAILED) return 9;
    say("ready");
    dprintf(1, "%lx\n", (unsigned long)there + (hot_site - __executable_start));
    wait_for_end_of_input();
    return 3;
}
"#;

/// What planting at `address` of `target` is answered with.
fn planted_at(target: &Target, address: u64, instruction: &[u8]) -> Result<(), Refused> {
    let request = SiteRequest {
        address: lineprof_tracer::RemoteAddr(address),
        instruction: instruction.to_vec(),
    };
    let pid = target.pid();
    let session = std::thread::spawn(move || {
        let (_handle, listener) = stop_pair().expect("a pair");
        let mut session = Session::attach(pid, options(Engine::Auto), listener).expect("attached");
        let answer = session.plant(&[request]).expect("it lives").remove(0);
        session.detach().expect("given back");
        answer.map(|_| ())
    });
    session.join().expect("no panic")
}

#[test]
fn c051_code_that_is_shared_with_its_file_is_refused_and_the_file_stays() {
    let program = program("maps", MAPS);
    let copy = program.path.with_extension("copy");
    std::fs::copy(&program.path, &copy).expect("copied");
    let path = copy.to_str().expect("text");
    for (how, answer) in [
        ("p-", Ok(())),
        ("pw", Ok(())),
        ("s-", Err(Refused::NotCode)),
        ("sw", Err(Refused::NotCode)),
    ] {
        let mut target = program.start(&[how, path]);
        let address = u64::from_str_radix(&target.line(), 16).expect("an address");
        let hot = [0x81, 0xC3, 4, 3, 2, 1];
        assert_eq!(planted_at(&target, address, &hot), answer, "{how}");
        assert_eq!(
            target.bytes(lineprof_tracer::RemoteAddr(address), 6),
            hot,
            "{how}"
        );
        assert_eq!(target.finish().1, Some(3), "{how}");
        let [before, after] = [&program.path, &copy].map(|file| std::fs::read(file).expect("readable"));
        assert!(before == after, "{how}: the file has changed");
    }
}

const KERNELS_OWN: &str = r#"
#include <sys/auxv.h>
int main(void) {
    say("ready");
    dprintf(1, "%lx\n", getauxval(AT_SYSINFO_EHDR));
    wait_for_end_of_input();
    return 3;
}
"#;

#[test]
fn c043_the_kernels_own_code_in_the_process_is_refused() {
    // <asm/vsyscall.h>, where it is mapped; gettimeofday of it begins with mov $0x60,%rax.
    const VSYSCALL: u64 = 0xFFFF_FFFF_FF60_0000;
    let program = program("kernels_own", KERNELS_OWN);
    let mut target = program.start(&[]);
    let vdso = u64::from_str_radix(&target.line(), 16).expect("an address");
    let elf = target.bytes(lineprof_tracer::RemoteAddr(vdso), 4);
    for (address, bytes) in [(VSYSCALL, &[0x48, 0xC7, 0xC0, 0x60, 0, 0, 0][..]), (vdso, &elf)] {
        assert_eq!(
            planted_at(&target, address, bytes),
            Err(Refused::NotCode),
            "{address:#x}"
        );
    }
    assert_eq!(target.bytes(lineprof_tracer::RemoteAddr(vdso), 4), elf);
    assert_eq!(target.finish().1, Some(3));
}
