//! The phone of an account: it signs its devices, and shares the keys that they need from it.

mod identity;
mod key_share;
mod link_code;
mod qr;

pub(crate) use identity::{Keys, accepts, signed_by};
pub(crate) use key_share::KeyShare;
pub(crate) use link_code::{EnteredCode, WRAPPED_KEY};
pub(crate) use qr::LinkingCode;
