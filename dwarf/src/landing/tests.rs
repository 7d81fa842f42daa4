//! Tables as bytes: what each gives, and what is refused.

use super::*;

const SECTION: FileAddr = FileAddr(0x4000);
const START: FileAddr = FileAddr(0x1000);
const OMIT: u8 = 0xff;
const ULEB128: u8 = 0x01;

/// What the LSDA at the beginning of a section gives; code is between 0x1000 and 0x3000.
fn pads_of(bytes: &[u8], kind: Kind) -> Result<Vec<u64>, Stop> {
    let is_code = |at: FileAddr| (0x1000..0x3000).contains(&at.0);
    let mut left = 100;
    let found = Table::new(bytes, SECTION, SECTION, kind).landing_pads(START, &mut left, is_code)?;
    Ok(found.into_iter().map(|pad| pad.0).collect())
}

/// An LSDA with one call site of these encoded values, action 1.
fn one_call_site(encoding: u8, values: &[u8]) -> Vec<u8> {
    let length = u8::try_from(values.len() + 1).expect("a short table");
    [&[OMIT, OMIT, encoding, length], values, &[1]].concat()
}

fn unsupported(encoding: u8) -> Stop {
    Stop::Malformed(gimli::Error::UnsupportedPointerEncoding(DwEhPe(encoding)))
}

#[test]
fn each_call_site_gives_its_pad_and_pad_0_is_none() {
    // As gcc writes it: the types are 0x19 bytes on, and what follows the call sites is theirs.
    let bytes = [
        &[OMIT, 0x9b, 0x19, ULEB128, 13][..],
        &[0x04, 0x05, 0x20, 0x01],
        &[0x10, 0x02, 0x00, 0x00],
        &[0x18, 0x05, 0x80, 0x01, 0x00],
        &[0x01, 0x00, 0x00, 0x00, 0xde, 0xad],
    ]
    .concat();
    assert_eq!(pads_of(&bytes, Kind::Relocatable), Ok(vec![0x1020, 0x1080]));
}

#[test]
fn every_encoding_of_a_call_site_is_read() {
    let wide = |size: usize, pad: i64| {
        let words = [0x10, 0x05, pad].map(|word| word.to_le_bytes()[..size].to_vec());
        words.concat()
    };
    for (encoding, values, pad) in [
        (0x00, wide(8, 0x120), 0x1120),
        (0x01, vec![0x10, 0x05, 0xa0, 0x02], 0x1120),
        (0x02, wide(2, 0x120), 0x1120),
        (0x03, wide(4, 0x120), 0x1120),
        (0x04, wide(8, 0x120), 0x1120),
        (0x09, vec![0x10, 0x05, 0xa0, 0x02], 0x1120),
        (0x0a, wide(2, 0x120), 0x1120),
        (0x0b, wide(4, 0x120), 0x1120),
        (0x0c, wide(8, 0x120), 0x1120),
        // An unsigned value of two bytes is not negative.
        (0x02, wide(2, -0xf000), 0x2000),
    ] {
        let bytes = one_call_site(encoding, &values);
        assert_eq!(pads_of(&bytes, Kind::Relocatable), Ok(vec![pad]), "{encoding:#x}");
    }
}

#[test]
fn signed_pads_count_backwards_from_an_explicit_start() {
    for (encoding, values) in [
        (0x09, vec![0, 0, 0x70]),
        (0x0a, [0_i16, 0, -0x10].map(i16::to_le_bytes).concat()),
        (0x0b, [0_i32, 0, -0x10].map(i32::to_le_bytes).concat()),
        (0x0c, [0_i64, 0, -0x10].map(i64::to_le_bytes).concat()),
    ] {
        let mut bytes = one_call_site(encoding, &values);
        bytes.splice(0..1, [0x02, 0x00, 0x20]);
        assert_eq!(
            pads_of(&bytes, Kind::FixedAddress),
            Ok(vec![0x1ff0]),
            "{encoding:#x}"
        );
    }
}

#[test]
fn start_of_pads_is_relative_to_its_own_place() {
    // 0x2000 - 0x4001, in 8 bytes without a sign as clang writes it, and in 4 with one.
    let difference = -0x2001_i64;
    for (encoding, start) in [
        (0x10, difference.to_le_bytes().to_vec()),
        (0x1b, difference.to_le_bytes()[..4].to_vec()),
        (0x1c, difference.to_le_bytes().to_vec()),
    ] {
        let mut bytes = one_call_site(ULEB128, &[0, 1, 0x30]);
        bytes.splice(0..1, [&[encoding], start.as_slice()].concat());
        assert_eq!(
            pads_of(&bytes, Kind::Relocatable),
            Ok(vec![0x2030]),
            "{encoding:#x}"
        );
    }
}

#[test]
fn absolute_start_of_pads_is_known_only_at_a_fixed_address() {
    let mut bytes = one_call_site(ULEB128, &[0, 1, 0x30]);
    bytes.splice(0..1, [&[0x00][..], &0x2000_u64.to_le_bytes()].concat());
    assert_eq!(pads_of(&bytes, Kind::FixedAddress), Ok(vec![0x2030]));
    assert_eq!(pads_of(&bytes, Kind::Relocatable), Err(unsupported(0x00)));
    // 0 with the address as the pad, as BOLT writes it.
    let mut bytes = one_call_site(0x03, &[0_u32, 1, 0x2040].map(u32::to_le_bytes).concat());
    bytes.splice(0..1, [0x03, 0, 0, 0, 0]);
    assert_eq!(pads_of(&bytes, Kind::FixedAddress), Ok(vec![0x2040]));
}

#[test]
fn other_encodings_are_refused() {
    // Relative to text, data and function, aligned, indirect, omitted; a format that there is not.
    for encoding in [0x21, 0x31, 0x41, 0x50, 0x81, 0x90, OMIT, 0x05, 0x0d, 0x08] {
        let bytes = one_call_site(encoding, &[0; 24]);
        assert_eq!(pads_of(&bytes, Kind::FixedAddress), Err(unsupported(encoding)));
        if encoding != OMIT {
            let bytes = [&[encoding][..], &[0; 24]].concat();
            assert_eq!(pads_of(&bytes, Kind::FixedAddress), Err(unsupported(encoding)));
        }
    }
}

#[test]
fn every_beginning_of_a_table_is_an_error() {
    let whole = one_call_site(ULEB128, &[0x10, 0x05, 0xa0, 0x02]);
    for length in 0..whole.len() {
        let cut = pads_of(&whole[..length], Kind::Relocatable);
        assert!(matches!(cut, Err(Stop::Malformed(_))), "{length}: {cut:?}");
    }
    // A record that goes on behind the table.
    let mut short = whole;
    short[3] -= 1;
    assert!(pads_of(&short, Kind::Relocatable).is_err());
    assert!(pads_of(&[OMIT, OMIT, ULEB128, 0xff, 0xff, 0xff, 0x7f], Kind::Relocatable).is_err());
}

#[test]
fn pads_outside_of_code_are_refused() {
    for pad in [0x2000_u64, 0x3000, u64::MAX - 0xfff, u64::MAX] {
        let bytes = one_call_site(0x04, &[0, 1, pad].map(u64::to_le_bytes).concat());
        let at = pad.wrapping_add(START.0);
        let refused = Stop::Malformed(gimli::Error::OffsetOutOfBounds(at));
        assert_eq!(pads_of(&bytes, Kind::Relocatable), Err(refused));
    }
}

#[test]
fn call_sites_are_counted() {
    let bytes = [&[OMIT, OMIT, ULEB128, 0x80, 0x0a][..], &[0; 4 * 320]].concat();
    assert_eq!(pads_of(&bytes, Kind::Relocatable), Err(Stop::TooManyCallSites));
}
