//! How a value looks in a row.
//!
//! Every value starts with a format byte and a key byte; the key byte is the number of the data key the rest is encrypted
//! with, and 0 means not encrypted. Our own records are CBOR: a new field needs `#[serde(default)]` and nothing else. The
//! protocol library's records are the library's own bytes. What encryption puts around them is told in `encryption`.

use serde::{Serialize, de::DeserializeOwned};

use crate::{Error, Result};

/// A record of ours.
pub(crate) const CBOR: u8 = 1;
/// Bytes of the protocol library.
pub(crate) const OPAQUE: u8 = 2;
/// The key byte of a value that is not encrypted.
pub(crate) const NOT_ENCRYPTED: u8 = 0;

/// Puts a record of ours at the end of a value.
pub(crate) fn encode<T: Serialize>(record: &T, value: &mut Vec<u8>) {
    ciborium::into_writer(record, value)
        .expect("records have no fallible serializers and memory takes all bytes");
}

/// What [`encode`] put into a value of `table`.
pub(crate) fn decode<T: DeserializeOwned>(table: &'static str, bytes: &[u8]) -> Result<T> {
    ciborium::from_reader(bytes)
        .map_err(|error| Error::Corrupt { table, reason: error.to_string() })
}

/// The two bytes that a value of `table` starts with, and the rest.
pub(crate) fn split<'v>(table: &'static str, value: &'v [u8]) -> Result<([u8; 2], &'v [u8])> {
    let (head, rest) = value.split_first_chunk().ok_or_else(|| Error::Corrupt {
        table,
        reason: format!("{} bytes are too short", value.len()),
    })?;
    Ok((*head, rest))
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
        let mut value = Vec::new();
        encode(&Old { name: "a".into() }, &mut value);
        assert_eq!(decode::<New>("t", &value).unwrap(), New { name: "a".into(), colour: None });
    }
}
