//! The stored form of `numeric`, as described in Postgres's `src/backend/utils/adt/numeric.c`: a header of sign, scale and weight, then
//! digits in base 10,000.

use std::fmt::Write;

use serde_json::Number;

const SIGN_MASK: u16 = 0xC000;
const NEGATIVE: u16 = 0x4000;
const SHORT: u16 = 0x8000;
const SPECIAL: u16 = 0xC000;

const SHORT_NEGATIVE: u16 = 0x2000;
const SHORT_SCALE_MASK: u16 = 0x1F80;
const SHORT_SCALE_SHIFT: u32 = 7;
const SHORT_WEIGHT_NEGATIVE: u16 = 0x0040;
const SHORT_WEIGHT_MASK: u16 = 0x003F;
const LONG_SCALE_MASK: u16 = 0x3FFF;

/// More digits than this before the point are outside of `f64` (1.8e308) for certain.
const MOST_INTEGER_DIGITS: i32 = 400;
/// Digits beyond these change no `f64`.
const MOST_DIGITS: usize = 200;

/// Reads a numeric from its varlena, length word included. `None` when no JSON number of serde_json holds it.
pub fn read(varlena: &[u8]) -> Option<Number> {
    let header = half(varlena, 2)?;
    let (negative, scale, weight, digits) = match header & SIGN_MASK {
        SPECIAL => return None,
        SHORT => {
            let weight = (header & SHORT_WEIGHT_MASK) as i32
                - if header & SHORT_WEIGHT_NEGATIVE != 0 {
                    SHORT_WEIGHT_MASK as i32 + 1
                } else {
                    0
                };
            (
                header & SHORT_NEGATIVE != 0,
                (header & SHORT_SCALE_MASK) >> SHORT_SCALE_SHIFT,
                weight,
                varlena.get(6..)?,
            )
        }
        sign => (
            sign == NEGATIVE,
            header & LONG_SCALE_MASK,
            half(varlena, 3)? as i16 as i32,
            varlena.get(8..)?,
        ),
    };
    let digits = Digits(digits);
    if scale == 0
        && let Some(integer) = integer(negative, weight, &digits)
    {
        return Some(integer);
    }
    float(negative, scale, weight, &digits)
}

/// More characters than the numeric has as text, or as many. `None` for what is no number.
pub fn most_characters(varlena: &[u8]) -> Option<usize> {
    let header = half(varlena, 2)?;
    let (scale, weight) = match header & SIGN_MASK {
        SPECIAL => return None,
        SHORT if header & SHORT_WEIGHT_NEGATIVE != 0 => {
            ((header & SHORT_SCALE_MASK) >> SHORT_SCALE_SHIFT, 0)
        }
        SHORT => (
            (header & SHORT_SCALE_MASK) >> SHORT_SCALE_SHIFT,
            (header & SHORT_WEIGHT_MASK) as i16,
        ),
        _ => (header & LONG_SCALE_MASK, half(varlena, 3)? as i16),
    };
    // The sign, the point, and four for each digit in base 10,000.
    Some(2 + 4 * (usize::try_from(weight).unwrap_or(0) + 1) + usize::from(scale))
}

struct Digits<'a>(&'a [u8]);

impl Digits<'_> {
    fn len(&self) -> usize {
        self.0.len() / 2
    }

    /// The digit (0..10000) at a position, zero beyond those that are stored.
    fn at(&self, index: usize) -> u16 {
        half(self.0, index).unwrap_or(0)
    }
}

fn integer(negative: bool, weight: i32, digits: &Digits<'_>) -> Option<Number> {
    if digits.len() == 0 {
        return Some(0.into());
    }
    // Five digits in base 10,000 hold any 64-bit integer.
    if !(0..5).contains(&weight) || digits.len() > weight as usize + 1 {
        return None;
    }
    let magnitude = (0..=weight as usize).fold(0u128, |sum, index| {
        sum * 10_000 + u128::from(digits.at(index))
    });
    if negative {
        i64::try_from(-(magnitude as i128)).ok().map(Number::from)
    } else {
        u64::try_from(magnitude).ok().map(Number::from)
    }
}

/// Goes through decimal text, which is the only way to the nearest `f64` that is known to be right.
fn float(negative: bool, scale: u16, weight: i32, digits: &Digits<'_>) -> Option<Number> {
    if weight.saturating_mul(4) > MOST_INTEGER_DIGITS {
        return None;
    }
    let stored = digits.len().min(MOST_DIGITS);
    let mut text = String::with_capacity(stored * 4 + 16);
    if negative {
        text.push('-');
    }
    text.push('0');
    for index in 0..stored {
        // Writing into a string does not fail.
        let _ = write!(text, "{:04}", digits.at(index));
    }
    let exponent = (weight + 1 - stored as i32).saturating_mul(4);
    let _ = write!(text, "e{exponent}");
    let float: f64 = text.parse().ok()?;
    // serde_json prints and reads 1.0 as a float and 1 as an integer; the scale is what tells them apart here.
    if scale == 0 && float == 0.0 {
        return Some(0.into());
    }
    Number::from_f64(float)
}

fn half(bytes: &[u8], index: usize) -> Option<u16> {
    let at = index.checked_mul(2)?;
    let bytes = bytes.get(at..at.checked_add(2)?)?;
    bytes.try_into().ok().map(u16::from_ne_bytes)
}
