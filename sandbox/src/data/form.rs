//! How parts of the state are written that serde does not know, or would write at length. Each module is for
//! `#[serde(with = "…")]`.

/// Bytes in one piece, in the place of a list of numbers.
pub(crate) mod bytes {
    use std::fmt;
    use std::marker::PhantomData;

    use serde::de::{Error, Visitor};
    use serde::{Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(
        bytes: &impl AsRef<[u8]>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytes.as_ref())
    }

    pub(crate) fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
    where
        T: TryFrom<Vec<u8>>,
        D: Deserializer<'de>,
    {
        deserializer.deserialize_byte_buf(Bytes(PhantomData))
    }

    struct Bytes<T>(PhantomData<T>);

    impl<T: TryFrom<Vec<u8>>> Visitor<'_> for Bytes<T> {
        type Value = T;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("bytes")
        }

        fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<T, E> {
            self.visit_byte_buf(bytes.to_vec())
        }

        fn visit_byte_buf<E: Error>(self, bytes: Vec<u8>) -> Result<T, E> {
            let length = bytes.len();
            T::try_from(bytes).map_err(|_| E::invalid_length(length, &"another number of bytes"))
        }
    }
}

/// A value behind an `Arc` of its own.
pub(crate) mod shared {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<T: Serialize, S: Serializer>(
        value: &Arc<T>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        T::serialize(value, serializer)
    }

    pub(crate) fn deserialize<'de, T, D>(deserializer: D) -> Result<Arc<T>, D::Error>
    where
        T: Deserialize<'de>,
        D: Deserializer<'de>,
    {
        T::deserialize(deserializer).map(Arc::new)
    }
}

/// One-time prekeys, 35 bytes each: there are hundreds per device.
pub(crate) mod one_time_keys {
    use std::collections::VecDeque;

    use serde::de::Error;
    use serde::{Deserializer, Serializer};

    use super::bytes;
    use crate::state::OneTimeKey;

    const LENGTH: usize = 35;

    pub(crate) fn serialize<S: Serializer>(
        keys: &VecDeque<OneTimeKey>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        let mut packed = Vec::with_capacity(keys.len() * LENGTH);
        for key in keys {
            let [_, id @ ..] = key.id().to_be_bytes();
            packed.extend(id);
            packed.extend(key.public);
        }
        bytes::serialize(&packed, to)
    }

    pub(crate) fn deserialize<'de, D>(from: D) -> Result<VecDeque<OneTimeKey>, D::Error>
    where
        D: Deserializer<'de>,
    {
        let packed: Vec<u8> = bytes::deserialize(from)?;
        let (keys, rest) = packed.as_chunks::<LENGTH>();
        if !rest.is_empty() {
            return Err(D::Error::invalid_length(packed.len(), &"a multiple of 35"));
        }
        let key = |[a, b, c, public @ ..]: &[u8; LENGTH]| {
            OneTimeKey::new(u32::from_be_bytes([0, *a, *b, *c]), *public)
        };
        Ok(keys.iter().map(key).collect())
    }
}

/// Stanzas that wait, as they would be on the wire. One that cannot be there, or not be read from there, could never be
/// delivered, and is left out.
pub(crate) mod nodes {
    use std::collections::VecDeque;
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use tracing::warn;
    use wacore_binary::{Node, util};

    use crate::wire;

    #[derive(Serialize, Deserialize)]
    struct Wire(#[serde(with = "super::bytes")] Vec<u8>);

    pub(crate) fn serialize<S: Serializer>(
        nodes: &VecDeque<Arc<Node>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let wire = nodes.iter().filter_map(|node| wire::write(node).ok());
        serializer.collect_seq(wire.map(Wire))
    }

    pub(crate) fn deserialize<'de, D>(deserializer: D) -> Result<VecDeque<Arc<Node>>, D::Error>
    where
        D: Deserializer<'de>,
    {
        let node = |Wire(bytes): Wire| {
            let node = util::unpack(&bytes).and_then(|bytes| wire::read(&bytes));
            node.inspect_err(|error| warn!(%error, "a stanza that waited is left out")).ok()
        };
        let wire = Vec::<Wire>::deserialize(deserializer)?;
        Ok(wire.into_iter().filter_map(node).map(Arc::new).collect())
    }
}

/// What the Signal library writes and reads itself.
pub(crate) mod record {
    use serde::de::Error as _;
    use serde::ser::Error as _;
    use serde::{Deserializer, Serializer};
    use wacore_libsignal::protocol::{
        GenericSignedPreKey as _, IdentityKey, KeyPair, PrivateKey, SenderKeyRecord, SessionRecord,
        SignalProtocolError, SignedPreKeyRecord,
    };

    use super::bytes;

    type Result<T, E = SignalProtocolError> = std::result::Result<T, E>;

    /// A record. One that was read goes on beyond all that it may have been used for since it was written
    /// (wacore-libsignal `counter_lease.rs`).
    pub(crate) trait Record: Sized {
        fn write(&self) -> Result<Vec<u8>>;
        fn read(bytes: &[u8]) -> Result<Self>;
    }

    impl Record for SessionRecord {
        fn write(&self) -> Result<Vec<u8>> {
            self.serialize()
        }

        fn read(bytes: &[u8]) -> Result<Self> {
            Self::deserialize(bytes)
        }
    }

    impl Record for SenderKeyRecord {
        fn write(&self) -> Result<Vec<u8>> {
            self.serialize()
        }

        fn read(bytes: &[u8]) -> Result<Self> {
            Self::deserialize(bytes)
        }
    }

    impl Record for SignedPreKeyRecord {
        fn write(&self) -> Result<Vec<u8>> {
            self.serialize()
        }

        fn read(bytes: &[u8]) -> Result<Self> {
            Self::deserialize(bytes)
        }
    }

    impl Record for IdentityKey {
        fn write(&self) -> Result<Vec<u8>> {
            Ok(self.serialize().to_vec())
        }

        fn read(bytes: &[u8]) -> Result<Self> {
            Self::decode(bytes)
        }
    }

    /// A key pair is written by its private half.
    impl Record for KeyPair {
        fn write(&self) -> Result<Vec<u8>> {
            Ok(self.private_key.serialize().to_vec())
        }

        fn read(bytes: &[u8]) -> Result<Self> {
            Ok(PrivateKey::deserialize(bytes)?.try_into()?)
        }
    }

    pub(crate) fn serialize<S: Serializer>(record: &impl Record, to: S) -> Result<S::Ok, S::Error> {
        bytes::serialize(&record.write().map_err(S::Error::custom)?, to)
    }

    pub(crate) fn deserialize<'de, R, D>(from: D) -> Result<R, D::Error>
    where
        R: Record,
        D: Deserializer<'de>,
    {
        R::read(&bytes::deserialize::<Vec<u8>, _>(from)?).map_err(D::Error::custom)
    }
}

/// Records by address or number.
pub(crate) mod records {
    use std::collections::HashMap;
    use std::hash::Hash;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::record::{self, Record};

    struct Written<'a, R>(&'a R);

    impl<R: Record> Serialize for Written<'_, R> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            record::serialize(self.0, serializer)
        }
    }

    #[derive(Deserialize)]
    #[serde(bound = "")]
    struct Read<R: Record>(#[serde(with = "record")] R);

    pub(crate) fn serialize<K: Serialize, R: Record, S: Serializer>(
        records: &HashMap<K, R>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_map(records.iter().map(|(at, record)| (at, Written(record))))
    }

    pub(crate) fn deserialize<'de, K, R, D>(deserializer: D) -> Result<HashMap<K, R>, D::Error>
    where
        K: Deserialize<'de> + Eq + Hash,
        R: Record,
        D: Deserializer<'de>,
    {
        let read = HashMap::<K, Read<R>>::deserialize(deserializer)?;
        Ok(read.into_iter().map(|(at, Read(record))| (at, record)).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::Arc;

    use serde::{Deserialize, Serialize};
    use wacore_binary::builder::NodeBuilder;
    use wacore_binary::{Node, marshal_auto};

    #[derive(Deserialize)]
    struct Waiting(#[serde(with = "super::nodes")] VecDeque<Arc<Node>>);

    #[derive(Serialize)]
    struct Written(#[serde(with = "super::bytes")] Vec<u8>);

    #[test]
    fn a_stanza_that_cannot_be_read_takes_no_other_with_it() {
        let stanza = |name| NodeBuilder::new("message").attr("notify", name).build();
        // As an earlier version wrote the second one.
        let mut written =
            ["mia", "mia@work", "leo"].map(|name| marshal_auto(&stanza(name)).expect("a stanza"));
        let read = |written: &[Vec<u8>]| {
            let mut bytes = Vec::new();
            let all: Vec<_> = written.iter().cloned().map(Written).collect();
            ciborium::into_writer(&all, &mut bytes).expect("stanzas");
            let Waiting(read) = ciborium::from_reader(&bytes[..]).expect("stanzas");
            let name = |node: &Arc<Node>| crate::stanza::attr(node, "notify");
            read.iter().filter_map(name).collect::<Vec<_>>()
        };
        assert_eq!(read(&written), ["mia", "mia@work", "leo"]);
        written[1].pop();
        assert_eq!(read(&written), ["mia", "leo"]);
        written[0].clear();
        assert_eq!(read(&written), ["leo"]);
    }
}
