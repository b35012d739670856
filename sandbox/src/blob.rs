//! Files that belong to a stanza or a message: sealed like everybody's media, each with a key of its own.

use serde::{Deserialize, Serialize};
use wacore::download::{DownloadUtils, MediaType};
use wacore::upload::{EncryptedMedia, encrypt_media};
use waproto::whatsapp::ExternalBlobReference;

use crate::data::form::bytes;
use crate::media::{Kind, Store};

/// A file in the media store, and the key that opens it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Blob {
    #[serde(with = "bytes")]
    pub(crate) media_key: [u8; 32],
    pub(crate) direct_path: String,
    /// Bytes of the text.
    pub(crate) length: u64,
    /// SHA-256 of the text.
    #[serde(with = "bytes")]
    pub(crate) sha256: [u8; 32],
    /// SHA-256 of what is stored.
    #[serde(with = "bytes")]
    pub(crate) sealed_sha256: [u8; 32],
}

/// What leads to somebody else's file.
pub(crate) struct Lead<'a> {
    media_key: Option<&'a [u8]>,
    direct_path: Option<&'a str>,
}

impl<'a> From<&'a ExternalBlobReference> for Lead<'a> {
    fn from(reference: &'a ExternalBlobReference) -> Self {
        Self {
            media_key: reference.media_key.as_deref(),
            direct_path: reference.direct_path.as_deref(),
        }
    }
}

impl Blob {
    /// Whether the file can still be fetched.
    pub(crate) fn is_in(&self, media: &Store) -> bool {
        media.has(&self.direct_path)
    }
}

/// Seals a text with a new key and stores it. What is large is sealed without the lock, by [`seal`].
pub(crate) fn put(media: &mut Store, kind: MediaType, text: &[u8]) -> Blob {
    seal(kind, text).store(media)
}

/// Seals a text with a new key.
pub(crate) fn seal(kind: MediaType, text: &[u8]) -> Sealed {
    let file = encrypt_media(text, kind).expect("text in memory is always sealed");
    Sealed { kind, length: text.len() as u64, file }
}

/// A text that is sealed, and not stored yet.
pub(crate) struct Sealed {
    kind: MediaType,
    length: u64,
    file: EncryptedMedia,
}

impl Sealed {
    /// Stores it.
    pub(crate) fn store(self, media: &mut Store) -> Blob {
        let Self { kind, length, file } = self;
        let place = Kind::named(kind.mms_type()).expect("the store knows every type of the client");
        let stored = media.keep((place, file.file_enc_sha256), file.data_to_upload.into());
        Blob {
            media_key: file.media_key,
            direct_path: stored.direct_path,
            length,
            sha256: file.file_sha256,
            sealed_sha256: file.file_enc_sha256,
        }
    }
}

/// The text of a file; `None` if it is not there, or does not open with the key.
pub(crate) fn open(media: &Store, kind: MediaType, lead: &Lead<'_>) -> Option<Vec<u8>> {
    let mut sealed = media.read(lead.direct_path?)?.to_vec();
    let opened = DownloadUtils::verify_and_decrypt_in_place(&mut sealed, lead.media_key?, kind);
    opened.is_ok().then_some(sealed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_opens_with_its_key_and_as_what_it_is() {
        let mut media = Store::default();
        let blob = put(&mut media, MediaType::AppState, b"settings");
        assert!(blob.is_in(&media) && !blob.is_in(&Store::default()));
        let lead = |key| Lead { media_key: Some(key), direct_path: Some(&blob.direct_path) };
        let open = |kind, key| open(&media, kind, &lead(key));
        assert_eq!(open(MediaType::AppState, &blob.media_key).as_deref(), Some(&b"settings"[..]));
        assert_eq!(open(MediaType::History, &blob.media_key), None);
        assert_eq!(open(MediaType::AppState, &[0; 32]), None);
    }
}
