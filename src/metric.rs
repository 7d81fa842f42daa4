//! How much memory a process has: read from /proc, one number at a time.
//!
//! Must not know: lines, stops.
//!
//! | metric | read from | cost |
//! |---|---|---|
//! | rss, anon | `statm`, by pread on a descriptor kept open | 1.5 to 2.3 us |
//! | pss, uss; rss and anon with [`Reading::Exact`] | `smaps_rollup` | 60 us for a small process, 9 ms at 512 MB |
//!
//! Never `stat` field 24 nor `VmRSS` of old kernels: they lag behind (`measuring.md` of the project's design). Always the
//! file of a live thread: the process's own reads 0 once its leader has ended.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use lineprof_tracer::{Pid, Tid};
use memmap2::{Advice, MmapMut};

use crate::profile::Metric;
use crate::units::Bytes;

/// Where resident memory is read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reading {
    /// The kernel's running counters.
    #[default]
    Counters,
    /// A walk over all page tables: exact on every kernel, and dear.
    Exact,
}

/// Reads one process's memory.
#[derive(Debug)]
pub struct MemoryReader {
    pid: Pid,
    metric: Metric,
    source: Source,
    file: File,
    last: Bytes,
}

#[derive(Debug, Clone, Copy)]
enum Source {
    Statm { page: u64 },
    Rollup,
}

fn open(pid: Pid, tid: Tid, source: Source) -> io::Result<File> {
    match source {
        Source::Statm { .. } => File::open(format!("/proc/{pid}/task/{tid}/statm")),
        // There is none below task/; every thread also has a directory of its own in /proc.
        Source::Rollup => File::open(format!("/proc/{tid}/smaps_rollup")),
    }
}

impl MemoryReader {
    /// A reader for `pid`, by its thread `tid`.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn open(pid: Pid, tid: Tid, metric: Metric, reading: Reading) -> io::Result<MemoryReader> {
        let source = match (metric, reading) {
            (Metric::Rss | Metric::Anon, Reading::Counters) => Source::Statm { page: page_size() },
            (Metric::Rss | Metric::Anon, Reading::Exact) | (Metric::Pss | Metric::Uss, _) => Source::Rollup,
        };
        Ok(MemoryReader {
            pid,
            metric,
            source,
            file: open(pid, tid, source)?,
            last: Bytes(0),
        })
    }

    /// The process's memory now. `tid` is a thread that is alive: the file goes over to it when its own has ended.
    ///
    /// A process that is gone keeps its last reading.
    pub fn read(&mut self, tid: Tid) -> Bytes {
        if let Some(value) = self.read_now(tid) {
            self.last = value;
        }
        self.last
    }

    /// The same; `None` where there is nothing to read, 0 for a thread or process that has ended and is a zombie.
    pub fn read_now(&mut self, tid: Tid) -> Option<Bytes> {
        let mut value = self.read_once();
        if value.is_none_or(|v| v == Bytes(0))
            && let Ok(file) = open(self.pid, tid, self.source)
        {
            self.file = file;
            value = self.read_once();
        }
        value
    }

    /// The last reading.
    pub fn last(&self) -> Bytes {
        self.last
    }

    fn read_once(&self) -> Option<Bytes> {
        let mut buffer = [0; 2048];
        let length = self.file.read_at(&mut buffer, 0).ok()?;
        let text = &buffer[..length];
        match self.source {
            Source::Statm { page } => statm(text, self.metric).map(|pages| Bytes(pages * page)),
            Source::Rollup => rollup(text, self.metric).map(|kibibytes| Bytes(kibibytes * 1024)),
        }
    }
}

/// Reads the most resident memory that one process has had since its exec, as the kernel notes it.
#[derive(Debug)]
pub struct HighWaterReader(File);

impl HighWaterReader {
    /// A reader for the process whose folder of /proc this is.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn open(folder: &Path) -> io::Result<HighWaterReader> {
        File::open(folder.join("status")).map(HighWaterReader)
    }

    /// The mark now; `None` where the process has ended.
    pub fn read(&self) -> Option<Bytes> {
        // The groups of the user stand before it: ten bytes each at most, and there are rarely more than some hundred.
        let mut buffer = [0; 8192];
        let length = self.0.read_at(&mut buffer, 0).ok()?;
        high_water(&buffer[..length]).map(|kibibytes| Bytes(kibibytes * 1024))
    }
}

/// Source: proc_pid_status(5), `VmHWM`; in kB.
fn high_water(text: &[u8]) -> Option<u64> {
    text.split(|b| *b == b'\n').find_map(|line| {
        let value = line.strip_prefix(b"VmHWM:")?.trim_ascii();
        number(value.split(|b| *b == b' ').next()?)
    })
}

/// Source: proc(5), /proc/pid/statm: size, resident, shared, in pages.
fn statm(text: &[u8], metric: Metric) -> Option<u64> {
    let mut fields = text.split(|b| *b == b' ').skip(1).map(number);
    let resident = fields.next()??;
    match metric {
        Metric::Anon => Some(resident.saturating_sub(fields.next()??)),
        Metric::Rss | Metric::Pss | Metric::Uss => Some(resident),
    }
}

/// Source: proc(5), /proc/pid/smaps_rollup; in kB.
fn rollup(text: &[u8], metric: Metric) -> Option<u64> {
    let field = |name: &str| {
        text.split(|b| *b == b'\n').find_map(|line| {
            let value = line.strip_prefix(name.as_bytes())?.strip_prefix(b":")?;
            number(value.trim_ascii().split(|b| *b == b' ').next()?)
        })
    };
    match metric {
        Metric::Rss => field("Rss"),
        Metric::Anon => field("Anonymous"),
        Metric::Pss => field("Pss"),
        Metric::Uss => Some(field("Private_Clean")? + field("Private_Dirty")?),
    }
}

fn number(digits: &[u8]) -> Option<u64> {
    digits.trim_ascii().iter().try_fold(0_u64, |value, digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        value.checked_mul(10)?.checked_add(digit)
    })
}

fn page_size() -> u64 {
    // AT_PAGESZ in the auxiliary vector: pairs of words (getauxval(3), proc(5)).
    const AT_PAGESZ: u64 = 6;
    let vector = std::fs::read("/proc/self/auxv").unwrap_or_default();
    let words: Vec<u64> = vector
        .as_chunks()
        .0
        .iter()
        .map(|word| u64::from_ne_bytes(*word))
        .collect();
    words
        .as_chunks()
        .0
        .iter()
        .find(|[kind, _]| *kind == AT_PAGESZ)
        .map_or(4096, |[_, size]| *size)
}

/// How fine the readings of `metric` are: the most that can have changed before a change shows.
///
/// # Errors
/// /proc cannot be read.
pub fn granularity(metric: Metric, reading: Reading) -> io::Result<Bytes> {
    match (metric, reading) {
        (Metric::Rss | Metric::Anon, Reading::Counters) => counters_granularity(),
        (Metric::Rss | Metric::Anon, Reading::Exact) | (Metric::Uss, _) => Ok(Bytes(page_size())),
        // A share of a page, written down in whole kB (proc(5)).
        (Metric::Pss, _) => Ok(Bytes(1024)),
    }
}

/// How fine this kernel's running counters are: the most memory that was touched before a change showed.
///
/// Touches pages of this process one by one and reads in between. Kernels before 6.2 count 64 pages a thread late;
/// from there to commit 82241a83cd15 ("mm: fix the inaccurate memory statistics issue", 6.16, and some stable lines)
/// they estimate, the worse the more processors there are.
fn counters_granularity() -> io::Result<Bytes> {
    const PAGES: usize = 128;
    let pid = Pid(std::process::id().cast_signed());
    let page = page_size();
    let mut reader = MemoryReader::open(pid, pid.leader(), Metric::Anon, Reading::Counters)?;
    // A mapping of its own: what an allocator gives may have been resident before, and then nothing shows at all.
    let mut memory = MmapMut::map_anon(PAGES * page as usize)?;
    // With large folios one touch brings many pages (madvise(2)). A kernel built without them knows no such advice.
    let _small_anyway = memory.advise(Advice::NoHugePage);
    let (mut before, mut unseen, mut most) = (reader.read(pid.leader()), 0_u64, 1_u64);
    for block in memory.chunks_mut(page as usize) {
        block[0] = std::hint::black_box(1);
        unseen += 1;
        let now = reader.read(pid.leader());
        if now > before {
            most = most.max(unseen);
            unseen = 0;
        }
        before = now;
    }
    Ok(Bytes(most.max(unseen) * page))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c114_statm_gives_resident_and_anonymous_pages() {
        let text = b"1234 500 120 3 0 400 0\n";
        assert_eq!(statm(text, Metric::Rss), Some(500));
        assert_eq!(statm(text, Metric::Anon), Some(380));
        assert_eq!(statm(b"", Metric::Rss), None);
        assert_eq!(statm(b"1234 x 1", Metric::Rss), None);
    }

    #[test]
    fn the_high_water_mark_is_one_line_of_many() {
        let text = b"Name:\tVmHWM: 7 kB\nVmPeak:\t 9000 kB\nVmHWM:\t    1732 kB\nVmRSS:\t 1 kB\n";
        assert_eq!(high_water(text), Some(1732));
        assert_eq!(high_water(b"Name:\tzombie\n"), None);
        let own = HighWaterReader::open(Path::new("/proc/self")).expect("this process can be read");
        assert!(own.read() > Some(Bytes(0)));
    }

    #[test]
    fn c118_the_rollup_gives_every_metric() {
        let text = b"55-7f ---p 00000000 00:00 0 [rollup]\nRss:  100 kB\nPss:   60 kB\nPss_Dirty: 7 kB\n\
            Private_Clean:   8 kB\nPrivate_Dirty:  30 kB\nAnonymous: 31 kB\n";
        assert_eq!(rollup(text, Metric::Rss), Some(100));
        assert_eq!(rollup(text, Metric::Pss), Some(60));
        assert_eq!(rollup(text, Metric::Uss), Some(38));
        assert_eq!(rollup(text, Metric::Anon), Some(31));
        assert_eq!(rollup(b"", Metric::Pss), None);
    }

    #[test]
    fn c121_the_walk_over_all_pages_is_only_for_who_asks_for_it() {
        // 60 us for a small process, 9 ms at 512 MB: at each hit.
        let pid = Pid(std::process::id().cast_signed());
        for (metric, reading, walks) in [
            (Metric::Rss, Reading::default(), false),
            (Metric::Anon, Reading::default(), false),
            (Metric::Rss, Reading::Exact, true),
            (Metric::Anon, Reading::Exact, true),
            (Metric::Pss, Reading::default(), true),
            (Metric::Uss, Reading::default(), true),
        ] {
            let reader = MemoryReader::open(pid, pid.leader(), metric, reading);
            let source = reader.expect("this process can be read").source;
            assert_eq!(matches!(source, Source::Rollup), walks, "{metric:?} {reading:?}");
        }
        assert_eq!(crate::profiler::Settings::default().reading, Reading::Counters);
    }

    #[test]
    fn c115_c116_a_page_is_at_least_what_the_kernel_counts_in() {
        let page = page_size();
        assert_eq!(page % 4096, 0);
        let Bytes(fine) = granularity(Metric::Rss, Reading::Counters).expect("this process can be read");
        assert!(fine >= page && fine.is_multiple_of(page), "{fine}");
    }

    #[test]
    fn memory_the_allocator_has_had_before_does_not_look_like_a_coarse_kernel() {
        // Freeing a large block raises glibc's threshold for mappings (mallopt(3), M_MMAP_THRESHOLD): blocks below it
        // then come from its heap, which stays resident up to twice that size.
        drop(std::hint::black_box(vec![1_u8; 16 << 20]));
        let (kept, given_back) = (vec![1_u8; 2 << 20], vec![1_u8; 2 << 20]);
        drop(std::hint::black_box(kept));
        let Bytes(coarse) = granularity(Metric::Anon, Reading::Counters).expect("this process can be read");
        drop(std::hint::black_box(given_back));
        // Kernels before 6.2 count 64 pages late.
        assert!(coarse <= 65 * page_size(), "{coarse}");
    }

    #[test]
    fn what_the_kernel_adds_up_from_the_page_tables_is_exact() {
        let fine = |metric, reading| granularity(metric, reading).expect("this process can be read");
        for (metric, reading) in [
            (Metric::Rss, Reading::Exact),
            (Metric::Anon, Reading::Exact),
            (Metric::Uss, Reading::Counters),
        ] {
            assert_eq!(fine(metric, reading), Bytes(page_size()));
        }
        assert_eq!(fine(Metric::Pss, Reading::Counters), Bytes(1024));
    }
}
