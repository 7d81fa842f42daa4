//! What is written is what iced reads back.
//!
//! Must not know: what the instructions are for.

use super::*;
use iced_x86::{Decoder, DecoderOptions, Formatter, IntelFormatter};

const START: RemoteAddr = RemoteAddr(0x40_0000);

/// The instructions that `write` writes, one a line.
fn written(write: impl FnOnce(&mut Assembler)) -> String {
    let mut code = Assembler::new(START);
    write(&mut code);
    let bytes = code.finish().expect("every label is bound");
    let mut formatter = IntelFormatter::new();
    formatter.options_mut().set_space_after_operand_separator(true);
    let decoder = Decoder::with_ip(64, &bytes, START.0, DecoderOptions::NONE);
    let mut lines = Vec::new();
    for instruction in decoder {
        let mut text = String::new();
        formatter.format(&instruction, &mut text);
        lines.push(text);
    }
    lines.join("\n")
}

fn name(register: Free) -> &'static str {
    match register.number() {
        0 => "rax",
        1 => "rcx",
        2 => "rdx",
        6 => "rsi",
        7 => "rdi",
        8 => "r8",
        9 => "r9",
        10 => "r10",
        11 => "r11",
        other => panic!("{other} is not lent"),
    }
}

#[test]
fn words_of_the_block_are_reached_by_gs() {
    for (write, text) in [
        (
            &(|code: &mut Assembler| code.test_byte(0x10)) as &dyn Fn(&mut Assembler),
            "cmp byte ptr gs:[10h], 0",
        ),
        (&|code| code.increment(0x1_2340), "inc qword ptr gs:[12340h]"),
        (&|code| code.mark(0x41), "mov byte ptr gs:[41h], 1"),
        (&|code| code.compare_sp(0x48), "cmp gs:[48h], rsp"),
        (&|code| code.store_sp(0x48), "mov gs:[48h], rsp"),
        (&|code| code.take_bit(0x50), "lock bts dword ptr gs:[50h], 0"),
        (&|code| code.clear(0x50), "mov dword ptr gs:[50h], 0"),
        (&|code| code.exchange_sp(0x58), "xchg gs:[58h], rsp"),
        (&|code| code.jump_by(0x60), "jmp qword ptr gs:[60h]"),
        (&|code| code.load_first_argument(0x68), "mov rdi, gs:[68h]"),
        (&|code| code.store_result(0x70), "mov gs:[70h], rax"),
    ] {
        assert_eq!(written(write), text);
    }
}

#[test]
fn every_register_that_is_lent_has_its_forms() {
    for register in Free::ALL {
        let name = name(register);
        let text = written(|code| {
            code.load(0x80, register);
            code.store(register, 0x88);
            code.compare(register, 0x90);
            code.advance(register, 40);
            code.advance(register, -40);
            code.store_sp_at(register, 8);
            code.compare_sp_at(register, 24);
            code.store_number_at(7, register, 16);
            code.compare_number_at(9, register, 16);
            code.follow(register);
            code.double(register);
            code.times_eight(register);
            code.follow_short(register);
            code.compare_number(register, 0x1234);
            code.jump_by_register(register);
        });
        let expected = [
            format!("mov {name}, gs:[80h]"),
            format!("mov gs:[88h], {name}"),
            format!("cmp {name}, gs:[90h]"),
            format!("lea {name}, [{name}+28h]"),
            format!("lea {name}, [{name}-28h]"),
            format!("mov [{name}+8], rsp"),
            format!("cmp [{name}+18h], rsp"),
            format!("mov qword ptr [{name}+10h], 7"),
            format!("cmp qword ptr [{name}+10h], 9"),
            format!("mov {name}, [{name}]"),
            format!("add {name}, {name}"),
            format!("shl {name}, 3"),
            format!("movzx {name}, word ptr [{name}]"),
            format!("cmp {name}, 1234h"),
            format!("jmp {name}"),
        ];
        assert_eq!(text, expected.join("\n"));
    }
}

#[test]
fn values_go_from_each_register_to_each() {
    for from in Free::ALL {
        for to in Free::ALL {
            assert_eq!(
                written(|code| code.copy(from, to)),
                format!("mov {}, {}", name(to), name(from))
            );
        }
    }
}

#[test]
fn labels_are_places_wherever_they_are_bound() {
    let text = written(|code| {
        let (back, on, word) = (code.label(), code.label(), code.label());
        code.bind(back);
        code.jump_if(Condition::NotEqual, on);
        code.subtract_by(word, Free::ANY);
        code.add_by(word, Free::ANY);
        code.push_by(word);
        code.jump(back);
        code.bind(on);
        code.jump_to(RemoteAddr(START.0 + 0x1000)).expect("near");
        code.bind(word);
    });
    let expected = [
        "jne 000000000040001Fh",
        "sub r11, [400024h]",
        "add r11, [400024h]",
        "push qword ptr [400024h]",
        "jmp 0000000000400000h",
        "jmp 0000000000401000h",
    ];
    assert_eq!(text, expected.join("\n"));
}

#[test]
fn what_is_too_far_away_is_refused() {
    let mut code = Assembler::new(START);
    let far = RemoteAddr(START.0 + (1 << 32));
    assert!(code.jump_to(far).is_err());
    assert!(distance(START, RemoteAddr(START.0 + i32::MAX as u64)).is_ok());
    assert!(distance(START, RemoteAddr(START.0 + (1 << 31))).is_err());
}
