//! How a value looks in a row.
//!
//! Every value starts with a format byte and a key-id byte; the key id names the key the rest is encrypted with, and 0
//! means not encrypted. Our own records follow in CBOR: a new field needs `#[serde(default)]` and nothing else. The
//! protocol library's records follow as the library's own bytes.

use serde::{Serialize, de::DeserializeOwned};

use crate::{Error, Result};

const FORMAT_CBOR: u8 = 1;
const FORMAT_OPAQUE: u8 = 2;
const NOT_ENCRYPTED: u8 = 0;

/// A record of ours as a value.
pub(crate) fn encode<T: Serialize>(record: &T) -> Vec<u8> {
    let mut value = vec![FORMAT_CBOR, NOT_ENCRYPTED];
    ciborium::into_writer(record, &mut value)
        .expect("records have no fallible serializers and memory takes all bytes");
    value
}

/// A value of `table` as a record of ours.
pub(crate) fn decode<T: DeserializeOwned>(table: &'static str, value: &[u8]) -> Result<T> {
    let body = body(table, value, FORMAT_CBOR)?;
    ciborium::from_reader(body).map_err(|error| Error::Corrupt { table, reason: error.to_string() })
}

/// Bytes of the protocol library as a value.
pub(crate) fn wrap(bytes: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(bytes.len() + 2);
    value.extend_from_slice(&[FORMAT_OPAQUE, NOT_ENCRYPTED]);
    value.extend_from_slice(bytes);
    value
}

/// The protocol library's bytes in a value of `table`.
pub(crate) fn unwrap(table: &'static str, value: &[u8]) -> Result<Vec<u8>> {
    body(table, value, FORMAT_OPAQUE).map(<[u8]>::to_vec)
}

fn body<'v>(table: &'static str, value: &'v [u8], expected: u8) -> Result<&'v [u8]> {
    let reason = match value {
        [format, NOT_ENCRYPTED, body @ ..] if *format == expected => return Ok(body),
        [format, key, ..] if *format == expected => format!("encrypted with unknown key {key}"),
        [format, _, ..] => format!("unknown format {format}"),
        _ => format!("{} bytes are too short", value.len()),
    };
    Err(Error::Corrupt { table, reason })
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Serialize)]
    struct Old {
        name: String,
    }

    #[derive(Deserialize, PartialEq, Debug)]
    struct New {
        name: String,
        #[serde(default)]
        colour: Option<String>,
    }

    #[test]
    fn a_record_of_an_older_release_decodes_after_a_field_was_added() {
        let value = encode(&Old { name: "a".into() });
        assert_eq!(decode::<New>("t", &value).unwrap(), New { name: "a".into(), colour: None });
    }

    #[test]
    fn values_start_with_the_format_and_an_unencrypted_mark() {
        assert_eq!(wrap(&[9, 8]), [FORMAT_OPAQUE, 0, 9, 8]);
        assert_eq!(unwrap("t", &wrap(&[9, 8])).unwrap(), [9, 8]);
        assert_eq!(encode(&true)[..2], [FORMAT_CBOR, 0]);
    }

    #[test]
    fn a_value_of_an_unknown_format_or_key_is_corrupt_and_names_the_table() {
        for value in [&[][..], &[1], &[7, 0, 1], &[FORMAT_CBOR, 3, 1], &[FORMAT_CBOR, 0, 0xff]] {
            let error = decode::<bool>("sessions", value).unwrap_err();
            assert!(matches!(error, Error::Corrupt { table: "sessions", .. }), "{error}");
        }
    }
}
