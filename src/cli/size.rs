//! Amounts of memory as they are typed.
//!
//! Must not know: what they are for.

use lineprof::units::Bytes;
use parse_size::Config;

/// The bytes that `text` means: `500MiB`, `64K`, `1.5GB`. K, KB and KiB are 1024 bytes, as for `ulimit` and containers.
///
/// # Errors
/// It is none, or nothing, or too much.
pub(crate) fn parse(text: &str) -> Result<Bytes, String> {
    match Config::new().with_binary().parse_size(text) {
        Ok(0) => Err("it must be above 0".to_owned()),
        Ok(bytes) => Ok(Bytes(bytes)),
        Err(parse_size::Error::PosOverflow) => Err("it is above 2^64 bytes".to_owned()),
        Err(_) => Err("not a size: write bytes, or as in `500MiB`, `64K`, `1.5GB`".to_owned()),
    }
}

/// `bytes` for reading, in the greatest unit of which there is one, without zeros behind the point.
pub(crate) fn amount(Bytes(bytes): Bytes) -> String {
    const UNITS: [&str; 5] = ["bytes", "KiB", "MiB", "GiB", "TiB"];
    let power = (bytes.max(1).ilog2() / 10).min(4);
    let unit = UNITS[power as usize];
    let tenths = (u128::from(bytes) * 10) >> (10 * power);
    match (power, tenths % 10) {
        (0, _) => format!("{bytes} {unit}"),
        (_, 0) => format!("{} {unit}", tenths / 10),
        (_, tenth) => format!("{}.{tenth} {unit}", tenths / 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_powers_of_1024() {
        let sizes = [
            ("500MiB", 500 << 20),
            ("64K", 64 << 10),
            ("64kb", 64 << 10),
            ("1.5GB", 3 << 29),
            ("2 T", 2 << 40),
            ("4096", 4096),
            ("7B", 7),
        ];
        for (text, bytes) in sizes {
            assert_eq!(parse(text), Ok(Bytes(bytes)), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in ["", "x", "-1", "12Q", "1 MiB 2", "0", "0K", "99999999999999999999"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn amounts_are_short() {
        let amounts = [
            (0, "0 bytes"),
            (1023, "1023 bytes"),
            (64 << 10, "64 KiB"),
            (1_126_400, "1 MiB"),
            ((500 << 20) + (300 << 10), "500.2 MiB"),
            (3 << 29, "1.5 GiB"),
            (u64::MAX, "16777215.9 TiB"),
        ];
        for (bytes, text) in amounts {
            assert_eq!(amount(Bytes(bytes)), text);
        }
    }
}
