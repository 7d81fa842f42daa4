//! Where the canonical frame address (CFA) of a function is, at any of its instructions.
//!
//! Must not know: registers' values, stacks, unwinding beyond one frame.
//!
//! Source: `.eh_frame` (see `eh_frame.rs`) and `.debug_frame` (DWARF 5 §6.4).

use gimli::{
    BaseAddresses, CfaRule, DebugFrame, FrameDescriptionEntry, LittleEndian, Reader, UnwindContext,
    UnwindSection,
};

use crate::address::FileAddr;
use crate::eh_frame::EhFrames;
use crate::image::Image;

/// The CFA as a register and an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameRule {
    /// DWARF's number of the register: 6 is rbp, 7 is rsp (System V ABI for AMD64, fig. 3.36).
    pub register: u16,
    /// What is added to the register's value. Units: bytes.
    pub offset: i64,
}

/// The rule at an address; `None` where nothing is told, or only by an expression.
pub(crate) fn rule(image: &Image, debug: &Image, at: FileAddr) -> Option<FrameRule> {
    from_eh_frame(image, at).or_else(|| {
        let section = [debug, image]
            .into_iter()
            .find(|file| file.has_section(".debug_frame"))?;
        let mut frames = DebugFrame::new(section.section(".debug_frame").ok()?, LittleEndian);
        frames.set_address_size(8);
        let bases = BaseAddresses::default();
        let entry = frames
            .fde_for_address(&bases, at.0, DebugFrame::cie_from_offset)
            .ok()?;
        evaluate(&frames, &bases, &entry, at)
    })
}

fn from_eh_frame(image: &Image, at: FileAddr) -> Option<FrameRule> {
    let frames = EhFrames::of(image)?;
    evaluate(&frames.section, &frames.bases, &frames.at(at)?, at)
}

fn evaluate<R: Reader<Offset = usize>, S: UnwindSection<R>>(
    section: &S,
    bases: &BaseAddresses,
    entry: &FrameDescriptionEntry<R>,
    at: FileAddr,
) -> Option<FrameRule> {
    let mut context = UnwindContext::new();
    let row = entry
        .unwind_info_for_address(section, bases, &mut context, at.0)
        .ok()?;
    match row.cfa() {
        CfaRule::RegisterAndOffset { register, offset } => Some(FrameRule {
            register: register.0,
            offset: *offset,
        }),
        CfaRule::Expression(_) => None,
    }
}
