//! Promises of relocation, instruction by instruction.

use super::*;
use iced_x86::{Formatter, IntelFormatter};

const SITE: RemoteAddr = RemoteAddr(0x40_1000);
const SLOT: RemoteAddr = RemoteAddr(0x30_0000);

/// The slot's text, one instruction an entry; literals behind the code are not shown.
fn moved(bytes: &[u8]) -> Vec<String> {
    let relocated = relocate(bytes, SITE, SLOT).expect("relocatable");
    let mut formatter = IntelFormatter::new();
    let mut decoder = Decoder::with_ip(64, &relocated.bytes, SLOT.0, DecoderOptions::NONE);
    let mut text = Vec::new();
    for _ in 0..2 {
        if !decoder.can_decode() {
            break;
        }
        let mut line = String::new();
        formatter.format(&decoder.decode(), &mut line);
        text.push(line);
    }
    text
}

fn positions_of(bytes: &[u8]) -> Vec<(u8, Position)> {
    relocate(bytes, SITE, SLOT).expect("relocatable").positions
}

#[test]
fn a_plain_instruction_is_copied_and_jumps_back() {
    assert_eq!(moved(&[0x55]), ["push rbp", "jmp 0000000000401001h"]);
    assert_eq!(
        positions_of(&[0x55]),
        [
            (0, Position::Before),
            (1, Position::Behind(RemoteAddr(0x40_1001)))
        ]
    );
}

#[test]
fn c032_a_rip_relative_operand_keeps_its_address() {
    // mov rax,[rip+0x10] at 0x401000: 0x401017
    let code = [0x48, 0x8B, 0x05, 0x10, 0, 0, 0];
    assert_eq!(moved(&code)[0], "mov rax,[401017h]");
}

#[test]
fn c032_an_operand_further_than_two_gigabytes_is_refused() {
    let code = [0x48, 0x8B, 0x05, 0x10, 0, 0, 0];
    let far = RemoteAddr(SITE.0 + (5 << 30));
    assert_eq!(relocate(&code, SITE, far), Err(NotRelocatable::OutOfReach));
}

#[test]
fn c033_a_conditional_branch_goes_to_its_target_or_back() {
    // je +0x10
    assert_eq!(
        moved(&[0x74, 0x10]),
        ["je 0000000000401012h", "jmp 0000000000401002h"]
    );
}

#[test]
fn c033_a_jump_to_itself_goes_to_the_site_and_not_to_the_slot() {
    assert_eq!(moved(&[0xEB, 0xFE]), ["jmp 0000000000401000h"]);
}

#[test]
fn c033_a_direct_call_pushes_the_original_return_address() {
    // call +0x100
    let code = [0xE8, 0x00, 0x01, 0, 0];
    assert_eq!(
        moved(&code),
        ["push qword ptr [30000Bh]", "jmp 0000000000401105h"]
    );
    let relocated = relocate(&code, SITE, SLOT).expect("relocatable");
    assert_eq!(relocated.bytes[0x0B..], 0x40_1005_u64.to_le_bytes());
    assert_eq!(
        relocated.positions,
        [
            (0, Position::Before),
            (6, Position::Behind(RemoteAddr(0x40_1105)))
        ]
    );
}

#[test]
fn c033_an_indirect_call_pushes_and_jumps_through_its_operand() {
    assert_eq!(moved(&[0xFF, 0xD0])[1], "jmp rax");
    assert_eq!(positions_of(&[0xFF, 0xD0])[1], (6, Position::CallPushed));
    // call [rip+0x20] at 0x401000: 0x401026
    assert_eq!(moved(&[0xFF, 0x15, 0x20, 0, 0, 0])[1], "jmp qword ptr [401026h]");
}

#[test]
fn c033_a_call_through_the_stack_reads_its_operand_behind_the_push() {
    // call [rsp+8]
    assert_eq!(moved(&[0xFF, 0x54, 0x24, 0x08])[1], "jmp qword ptr [rsp+10h]");
    // call [rsp]
    assert_eq!(moved(&[0xFF, 0x14, 0x24])[1], "jmp qword ptr [rsp+8]");
    // call rsp
    assert_eq!(
        relocate(&[0xFF, 0xD4], SITE, SLOT),
        Err(NotRelocatable::AddressMatters)
    );
}

#[test]
fn c033_loops_and_counter_branches_are_widened() {
    // jrcxz +0x10 ; loop -2
    for code in [[0xE3, 0x10], [0xE2, 0xFE]] {
        let relocated = relocate(&code, SITE, SLOT).expect("relocatable");
        let target = SITE
            .0
            .wrapping_add(2)
            .wrapping_add_signed(i64::from(code[1].cast_signed()));
        let behind: Vec<u64> = relocated
            .positions
            .iter()
            .filter_map(|(_, p)| match p {
                Position::Behind(at) => Some(at.0),
                Position::Before | Position::CallPushed => None,
            })
            .collect();
        assert!(behind.contains(&target), "{behind:x?} has no way to {target:#x}");
        assert!(behind.contains(&(SITE.0 + 2)), "{behind:x?} has no way back");
    }
}

#[test]
fn c034_system_calls_and_transactions_stay_where_they_are() {
    assert_eq!(
        relocate(&[0x0F, 0x05], SITE, SLOT),
        Err(NotRelocatable::EntersKernel)
    );
    assert_eq!(
        relocate(&[0xCD, 0x80], SITE, SLOT),
        Err(NotRelocatable::EntersKernel)
    );
    assert_eq!(
        relocate(&[0xC7, 0xF8, 0, 0, 0, 0], SITE, SLOT),
        Err(NotRelocatable::AddressMatters)
    );
    assert_eq!(relocate(&[0x06], SITE, SLOT), Err(NotRelocatable::Undecodable));
}

#[test]
fn c033_a_return_needs_no_way_back() {
    assert_eq!(moved(&[0xC3]), ["ret"]);
    assert_eq!(positions_of(&[0xC3]), [(0, Position::Before)]);
}
