//! Restartable sequences: code that the kernel begins again when a thread is interrupted in it (rseq(2)).
//!
//! Must not know: DWARF, what stands in the code.
//!
//! ```text
//! section __rseq_cs: { version, flags, start, length, abort }, 32 bytes each      <linux/rseq.h>, struct rseq_cs
//!                                       ▲              ▲ four bytes in front of it: the signature
//!                        .rela.dyn: R_X86_64_RELATIVE, the address as its addend (position-independent files)
//! ```
//! The name of the section is a convention that librseq and tcmalloc keep, so that debuggers find the sequences.

use crate::address::{AddrRange, FileAddr};
use crate::error::Error;
use crate::image::Image;

const SECTION: &str = "__rseq_cs";
const DESCRIPTOR_SIZE: usize = 32;
/// `Elf64_Rela`: offset, info, addend (gabi, Relocation).
const RELOCATION_SIZE: usize = 24;
/// Adds the load address to the addend (x86-64 psABI, table 4.9).
const R_X86_64_RELATIVE: u64 = 8;

/// What the kernel compares before it sends a thread to where a sequence goes on after an abort (rseq(2)); with another
/// word it ends the process by `SIGSEGV`.
const SIGNATURE_SIZE: u64 = 4;

/// A restartable sequence of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestartableSequence {
    /// The code that is begun again.
    pub code: AddrRange,
    /// The word in front of where it goes on after an abort.
    pub signature: AddrRange,
}

/// The sequences of a file.
///
/// # Errors
/// The relocations cannot be inflated.
pub(crate) fn sequences(image: &Image) -> Result<Vec<RestartableSequence>, Error> {
    let Some((address, bytes)) = image.loaded_section(SECTION) else {
        return Ok(Vec::new());
    };
    let mut bytes = bytes.to_vec();
    relocate(&mut bytes, address, image.section(".rela.dyn")?);
    Ok(bytes
        .as_chunks::<DESCRIPTOR_SIZE>()
        .0
        .iter()
        .filter_map(sequence)
        .collect())
}

fn sequence(descriptor: &[u8; DESCRIPTOR_SIZE]) -> Option<RestartableSequence> {
    let (start, length, abort) = (word(descriptor, 8)?, word(descriptor, 16)?, word(descriptor, 24)?);
    Some(RestartableSequence {
        code: AddrRange {
            start: FileAddr(start),
            end: FileAddr(start.checked_add(length)?),
        },
        signature: AddrRange {
            start: FileAddr(abort.checked_sub(SIGNATURE_SIZE)?),
            end: FileAddr(abort),
        },
    })
}

/// Puts the addresses in that the loader would put in, for a load address of 0.
fn relocate(bytes: &mut [u8], address: FileAddr, relocations: &[u8]) {
    for relocation in relocations.as_chunks::<RELOCATION_SIZE>().0 {
        let (Some(at), Some(info), Some(addend)) =
            (word(relocation, 0), word(relocation, 8), word(relocation, 16))
        else {
            continue;
        };
        let place = at
            .checked_sub(address.0)
            .and_then(|offset| usize::try_from(offset).ok())
            .filter(|_| info == R_X86_64_RELATIVE)
            .and_then(|offset| bytes.get_mut(offset..)?.first_chunk_mut());
        if let Some(place) = place {
            *place = addend.to_le_bytes();
        }
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u64> {
    bytes
        .get(at..)?
        .first_chunk()
        .map(|word| u64::from_le_bytes(*word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[u64]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    #[test]
    fn c042_a_descriptor_gives_a_sequence_and_a_broken_one_none() {
        let of = |words_of: [u64; 4]| sequence(words(&words_of).first_chunk().expect("32 bytes"));
        let found = of([0, 0x1000, 0x20, 0x2000]).expect("a sequence");
        let range = |start, end| AddrRange {
            start: FileAddr(start),
            end: FileAddr(end),
        };
        assert_eq!(found.code, range(0x1000, 0x1020));
        assert_eq!(found.signature, range(0x1ffc, 0x2000));
        assert_eq!(of([0, u64::MAX, 2, 0x2000]), None);
        assert_eq!(of([0, 0x1000, 0x20, 3]), None);
    }

    #[test]
    fn c042_only_relative_relocations_of_the_section_itself_count() {
        let mut bytes = words(&[0, 0, 0x20, 0]);
        let relocations = words(
            &[
                [0x4008, R_X86_64_RELATIVE, 0x1000],
                [0x4018, R_X86_64_RELATIVE, 0x2000],
                // Outside, across the end, before the start, another kind.
                [0x4020, R_X86_64_RELATIVE, 1],
                [0x401c, R_X86_64_RELATIVE, 2],
                [0x3ff8, R_X86_64_RELATIVE, 3],
                [0x4000, (1 << 32) | 6, 4],
            ]
            .concat(),
        );
        relocate(&mut bytes, FileAddr(0x4000), &relocations);
        assert_eq!(bytes, words(&[0, 0x1000, 0x20, 0x2000]));
    }
}
