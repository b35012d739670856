//! The part of a file that a client asks for, as `Range` names it.

use std::ops::Range;

/// What to send of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// All of it.
    Whole,
    /// These bytes.
    Some(Range<usize>),
    /// What is asked for is not there.
    None,
}

impl Part {
    /// Reads the header. What is not one range of bytes counts as not said, as RFC 9110 has it.
    pub(super) fn of(header: Option<&str>, length: usize) -> Self {
        let range = header.and_then(|value| value.strip_prefix("bytes="));
        let Some((first, last)) = range.and_then(|range| range.trim().split_once('-')) else {
            return Self::Whole;
        };
        match (first.parse::<usize>(), last.parse::<usize>()) {
            (Ok(first), Err(_)) if last.is_empty() => Self::between(first, length, length),
            (Ok(first), Ok(last)) if first <= last => {
                Self::between(first, last.saturating_add(1), length)
            }
            (Err(_), Ok(count)) if first.is_empty() => {
                Self::between(length.saturating_sub(count), length, length)
            }
            _ => Self::Whole,
        }
    }

    fn between(start: usize, end: usize, length: usize) -> Self {
        if start < end.min(length) { Self::Some(start..end.min(length)) } else { Self::None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_cut_to_the_file() {
        let of = |header| Part::of(Some(header), 100);
        assert_eq!(of("bytes=0-0"), Part::Some(0..1));
        assert_eq!(of("bytes=10-"), Part::Some(10..100));
        assert_eq!(of("bytes=10-400"), Part::Some(10..100));
        assert_eq!(of("bytes=-30"), Part::Some(70..100));
        assert_eq!(of("bytes=-300"), Part::Some(0..100));
        assert_eq!(of("bytes=5-18446744073709551615"), Part::Some(5..100));
    }

    #[test]
    fn what_is_beyond_the_end_is_not_there() {
        for header in ["bytes=100-", "bytes=100-200", "bytes=-0"] {
            assert_eq!(Part::of(Some(header), 100), Part::None, "{header}");
        }
        assert_eq!(Part::of(Some("bytes=0-"), 0), Part::None);
    }

    #[test]
    fn what_is_no_range_counts_as_not_said() {
        for header in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=a-b",
            "bytes=9-3",
            "bytes=1-2,4-5",
            "items=1-2",
        ] {
            assert_eq!(Part::of(Some(header), 100), Part::Whole, "{header}");
        }
        assert_eq!(Part::of(None, 100), Part::Whole);
    }
}
