//! The types of media, by the names that clients give them in paths.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

/// A type of media: one of [`Kind::NAMES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub(crate) struct Kind(&'static str);

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let name = String::deserialize(from)?;
        let kind = Self::named(&name);
        kind.ok_or_else(|| D::Error::custom(format!("there are no media of type `{name}`")))
    }
}

impl Kind {
    /// Every name. Sources: wacore `download.rs` (`mms_type`), Baileys `MEDIA_HKDF_KEY_MAPPING`.
    pub(crate) const NAMES: [&str; 20] = [
        "image",
        "video",
        "audio",
        "document",
        "ptt",
        "ptv",
        "gif",
        "sticker",
        "sticker-pack",
        "thumbnail-image",
        "thumbnail-video",
        "thumbnail-document",
        "thumbnail-gif",
        "thumbnail-link",
        "thumbnail-sticker-pack",
        "md-app-state",
        "md-msg-hist",
        "ppic",
        "product-catalog-image",
        "payment-bg-image",
    ];

    /// Profile and group pictures, which are not encrypted.
    pub(crate) const PICTURE: Self = Self("ppic");

    /// Images of a catalogue, which are not encrypted either.
    pub(super) const PRODUCT: Self = Self("product-catalog-image");

    /// The type of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::NAMES.into_iter().find(|known| *known == name).map(Self)
    }

    /// Where files of this type are fetched from. Clients read nothing in it.
    pub(super) fn shelf(self) -> &'static str {
        if self == Self::PICTURE { "/v/t61.24694-24" } else { "/v/t62.7118-24" }
    }

    /// What a file of this type is on the way: pictures are JPEG, everything else is sealed.
    pub(super) fn content_type(self) -> &'static str {
        if self == Self::PICTURE { "image/jpeg" } else { "application/octet-stream" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_known_by_its_name_alone() {
        assert_eq!(Kind::named("ppic"), Some(Kind::PICTURE));
        assert_eq!(Kind::named("product-catalog-image"), Some(Kind::PRODUCT));
        assert_eq!(Kind::named("hologram"), None);
    }
}
