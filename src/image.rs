//! Where a file lies in a process: the one place that turns an address of the file into one of the process.
//!
//! Must not know: lines, sites.
//!
//! ```text
//! file:      segment at FileAddr 0x1000, file offset 0x1000          process: mapping of offset 0x1000 at 0x5555_5555_5000
//! LoadBias = mapping start - mapping offset - (segment address - segment offset)
//! ```

use lineprof_dwarf::{FileAddr, Segment};
use lineprof_tracer::{Mapping, RemoteAddr};

/// What is added to an address of a file to get the address in the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoadBias(u64);

impl LoadBias {
    /// The bias of the file with this inode among `mappings`; `None` when its code is not mapped.
    ///
    /// By the executable segments: a loader may map each segment for itself (GABI, "Program Loading").
    pub fn find(segments: &[Segment], mappings: &[Mapping], inode: u64) -> Option<LoadBias> {
        let code = mappings
            .iter()
            .filter(|m| m.inode == inode && m.executable && !m.shared);
        code.into_iter().find_map(|mapping| {
            let holds = |segment: &&Segment| {
                let end = segment.file_offset + segment.file_size;
                let mapped = mapping.range.end.0 - mapping.range.start.0;
                segment.executable && mapping.offset < end && segment.file_offset < mapping.offset + mapped
            };
            let segment = segments.iter().find(holds)?;
            let in_file = mapping
                .offset
                .wrapping_sub(segment.file_offset)
                .wrapping_add(segment.address.0);
            Some(LoadBias(mapping.range.start.0.wrapping_sub(in_file)))
        })
    }

    /// The address in the file.
    pub fn file(self, address: RemoteAddr) -> FileAddr {
        FileAddr(address.0.wrapping_sub(self.0))
    }

    /// The address in the process.
    pub fn remote(self, address: FileAddr) -> RemoteAddr {
        RemoteAddr(address.0.wrapping_add(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lineprof_tracer::RemoteRange;
    use std::path::PathBuf;

    fn mapping(start: u64, end: u64, offset: u64, inode: u64, executable: bool) -> Mapping {
        Mapping {
            range: RemoteRange {
                start: RemoteAddr(start),
                end: RemoteAddr(end),
            },
            executable,
            writable: false,
            shared: false,
            offset,
            device: (8, 1),
            inode,
            path: PathBuf::from("/program"),
        }
    }

    fn segment(file_offset: u64, address: u64, size: u64, executable: bool) -> Segment {
        Segment {
            file_offset,
            address: FileAddr(address),
            file_size: size,
            memory_size: size,
            executable,
        }
    }

    #[test]
    fn a_pie_is_found_by_its_code() {
        let segments = [segment(0, 0, 0x600, false), segment(0x1000, 0x1000, 0x234, true)];
        let mappings = [
            mapping(0x5000_0000, 0x5000_1000, 0, 7, false),
            mapping(0x5000_1000, 0x5000_2000, 0x1000, 7, true),
        ];
        let bias = LoadBias::find(&segments, &mappings, 7).expect("mapped");
        assert_eq!(bias.remote(FileAddr(0x1100)), RemoteAddr(0x5000_1100));
        assert_eq!(LoadBias::find(&segments, &mappings, 8), None);
    }

    #[test]
    fn a_segment_may_lie_elsewhere_in_the_file_than_in_memory() {
        // lld puts code at file offset 0x6f0 and address 0x16f0: the mapping begins at the page below both.
        let segments = [segment(0x6F0, 0x16F0, 0x200, true)];
        let mappings = [mapping(0x5000_1000, 0x5000_2000, 0, 7, true)];
        let bias = LoadBias::find(&segments, &mappings, 7).expect("mapped");
        assert_eq!(bias.remote(FileAddr(0x16F0)), RemoteAddr(0x5000_16F0));
    }

    #[test]
    fn a_program_with_fixed_addresses_has_no_bias() {
        let segments = [segment(0x1000, 0x40_1000, 0x200, true)];
        let mappings = [mapping(0x40_1000, 0x40_2000, 0x1000, 7, true)];
        let bias = LoadBias::find(&segments, &mappings, 7).expect("mapped");
        assert_eq!(bias.remote(FileAddr(0x40_1180)), RemoteAddr(0x40_1180));
    }
}
