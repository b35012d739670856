//! Identifiers. Sessions, API keys and events are named by ULIDs: 48 bits of time, then 80 random bits, so they sort
//! by age.

use std::{
    fmt,
    str::FromStr,
    sync::{Mutex, PoisonError},
};

use serde::{Deserialize, Serialize};
use ulid::Ulid;

use crate::tables::Id;

/// The text is not an identifier of the kind asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {expected}")]
pub struct InvalidId {
    text: String,
    expected: &'static str,
}

/// Names a session: a ULID, shown as 26 upper case characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SessionId(Ulid);

/// Names an API key: a ULID, shown behind `key_`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyId(Ulid);

/// Names an event and its place in the log: a ULID, shown behind `evt_`. The writer gives them out in rising order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EventId(Ulid);

const KEY: &str = "key_";
const EVENT: &str = "evt_";
/// The latest time that an id holds, in epoch milliseconds.
const LAST_TIME: u64 = (1 << Ulid::TIME_BITS) - 1;

impl SessionId {
    /// A new id, made at `now_ms`, above every one that this process made before. Random bits come from the operating
    /// system.
    pub fn generate(now_ms: i64) -> Self {
        Self(generate_rising(now_ms))
    }

    /// The 16 bytes every key of the session's rows starts with.
    pub fn bytes(self) -> Id {
        self.0.to_bytes()
    }

    pub(crate) fn from_bytes(bytes: Id) -> Self {
        Self(Ulid::from_bytes(bytes))
    }
}

impl KeyId {
    /// A new id, made at `now_ms`, above every one that this process made before. Random bits come from the operating
    /// system.
    pub fn generate(now_ms: i64) -> Self {
        Self(generate_rising(now_ms))
    }

    pub(crate) fn bytes(self) -> Id {
        self.0.to_bytes()
    }
}

impl EventId {
    /// Below every event's: where a log begins.
    pub const FIRST: Self = Self(Ulid(0));

    /// An id for an event at `at`, above the number `last` of the one before, whatever the clock says.
    pub(crate) fn generate_above(last: u128, at: i64) -> Self {
        Self(above(last, at))
    }

    /// The lowest id of an event at `at`.
    pub(crate) fn earliest(at: i64) -> Self {
        Self(earliest(at))
    }

    pub(crate) fn bytes(self) -> Id {
        self.0.to_bytes()
    }

    pub(crate) fn from_bytes(bytes: Id) -> Self {
        Self(Ulid::from_bytes(bytes))
    }

    pub(crate) fn number(self) -> u128 {
        self.0.0
    }

    pub(crate) fn from_number(number: u128) -> Self {
        Self(Ulid(number))
    }
}

/// A ULID made at `at`, above every other that this process has made: rows in the order of their ids are in the order in
/// which they were made, and a page of them stays as it is when more are made.
fn generate_rising(at: i64) -> Ulid {
    static LAST: Mutex<u128> = Mutex::new(0);
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    let next = above(*last, at);
    *last = next.0;
    next
}

/// A ULID made at `at`, above the number `last`, whatever the clock says.
pub(crate) fn above(last: u128, at: i64) -> Ulid {
    let next = Ulid(last.saturating_add(1));
    if earliest(at) > next { generate(at) } else { next }
}

/// The lowest ULID made at `at`.
pub(crate) fn earliest(at: i64) -> Ulid {
    Ulid::from_parts(u64::try_from(at).unwrap_or(0).min(LAST_TIME), 0)
}

fn generate(at: i64) -> Ulid {
    let mut random = [0; 16];
    getrandom::fill(&mut random).expect("the operating system gives random bytes");
    Ulid::from_parts(u64::try_from(at).unwrap_or(0).min(LAST_TIME), u128::from_le_bytes(random))
}

pub(crate) fn parse(text: &str, prefix: &str, expected: &'static str) -> Result<Ulid, InvalidId> {
    text.strip_prefix(prefix)
        .and_then(|ulid| {
            Ulid::from_string(ulid)
                .ok()
                .filter(|parsed| parsed.to_string().eq_ignore_ascii_case(ulid))
        })
        .ok_or_else(|| InvalidId { text: text.to_owned(), expected })
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{KEY}{}", self.0)
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{EVENT}{}", self.0)
    }
}

impl FromStr for SessionId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        parse(text, "", "a session id").map(Self)
    }
}

impl FromStr for KeyId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        parse(text, KEY, "an API key id").map(Self)
    }
}

impl FromStr for EventId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        parse(text, EVENT, "an event id").map(Self)
    }
}

impl TryFrom<String> for SessionId {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        text.parse()
    }
}

impl TryFrom<String> for KeyId {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        text.parse()
    }
}

impl TryFrom<String> for EventId {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        text.parse()
    }
}

impl From<SessionId> for String {
    fn from(id: SessionId) -> Self {
        id.to_string()
    }
}

impl From<KeyId> for String {
    fn from(id: KeyId) -> Self {
        id.to_string()
    }
}

impl From<EventId> for String {
    fn from(id: EventId) -> Self {
        id.to_string()
    }
}

/// The address of a group: digits, or the older form of digits, a hyphen and digits, before `@g.us`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct GroupJid(String);

impl GroupJid {
    /// The longest address accepted, in bytes.
    const LONGEST: usize = 64;

    fn is_valid(text: &str) -> bool {
        let digits =
            |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        text.len() <= Self::LONGEST
            && text.strip_suffix("@g.us").is_some_and(|user| match user.split_once('-') {
                Some((creator, time)) => digits(creator) && digits(time),
                None => digits(user),
            })
    }
}

impl TryFrom<String> for GroupJid {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        if Self::is_valid(&text) {
            Ok(Self(text))
        } else {
            Err(InvalidId { text, expected: "a group address" })
        }
    }
}

impl FromStr for GroupJid {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        text.to_owned().try_into()
    }
}

impl AsRef<str> for GroupJid {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for GroupJid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<GroupJid> for String {
    fn from(jid: GroupJid) -> Self {
        jid.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ids_read_back_as_they_are_shown() {
        let session = SessionId::generate(1_700_000_000_000);
        assert_eq!(session.to_string().len(), 26);
        assert_eq!(session.to_string().parse(), Ok(session));
        let key = KeyId::generate(0);
        assert!(key.to_string().starts_with("key_"));
        assert_eq!(key.to_string().parse(), Ok(key));
        let event = EventId::generate_above(0, 5);
        assert!(event.to_string().starts_with("evt_"));
        assert_eq!(event.to_string().parse(), Ok(event));
    }

    #[test]
    fn ids_sort_by_the_time_they_were_made_at() {
        assert!(SessionId::generate(1) < SessionId::generate(2));
        assert!(SessionId::generate(-1) < SessionId::generate(1));
    }

    #[test]
    fn ids_rise_in_the_order_they_are_made_in_whatever_the_clock_says() {
        let make =
            || [7, 7, 9, 2, -1, 9, 3].map(|at| (SessionId::generate(at), KeyId::generate(at)));
        let threads: Vec<_> = (0..4)
            .map(|_| std::thread::spawn(move || [(); 100].map(|()| make()).concat()))
            .collect();
        let mut all = std::collections::BTreeSet::new();
        for made in threads.into_iter().map(|thread| thread.join().unwrap()) {
            assert!(made.is_sorted_by(|one, next| one.0 < next.0 && one.1 < next.1));
            all.extend(made.iter().map(|(session, _)| *session));
        }
        assert_eq!(all.len(), 4 * 700, "two threads made the same id");
    }

    #[test]
    fn text_that_is_no_id_is_refused() {
        for text in [
            "",
            "x",
            "01ARZ3NDEKTSV4RRFFQ69G5FA",
            "8ZZZZZZZZZZZZZZZZZZZZZZZZZ",
            "key_01ARZ3NDEKTSV4RRFFQ69G5FAV",
        ] {
            assert!(text.parse::<SessionId>().is_err(), "{text}");
        }
        assert!("01ARZ3NDEKTSV4RRFFQ69G5FAV".parse::<KeyId>().is_err());
        assert!("evt_".parse::<EventId>().is_err());
    }

    #[test]
    fn a_session_id_is_a_string_in_json() {
        let id = SessionId::generate(1);
        assert_eq!(serde_json::to_value(id).unwrap(), serde_json::json!(id.to_string()));
        assert!(serde_json::from_str::<SessionId>("\"nonsense\"").is_err());
    }

    #[test]
    fn both_forms_of_group_addresses_are_accepted_and_others_refused() {
        for text in ["120363000000000001@g.us", "15550001-1500000000@g.us"] {
            assert_eq!(text.parse::<GroupJid>().unwrap().as_ref(), text);
        }
        for text in [
            "",
            "@g.us",
            "12@s.whatsapp.net",
            "1-@g.us",
            "-1@g.us",
            "1-2-3@g.us",
            "a@g.us",
            "1@g.us\n",
        ] {
            assert!(text.parse::<GroupJid>().is_err(), "{text}");
        }
        assert!(format!("{}@g.us", "1".repeat(60)).parse::<GroupJid>().is_err());
    }

    proptest! {
        #[test]
        fn any_text_parses_or_is_refused_without_a_panic(text in ".{0,40}") {
            if let Ok(id) = text.parse::<SessionId>() {
                prop_assert!(id.to_string().eq_ignore_ascii_case(&text));
            }
            if let Ok(jid) = text.parse::<GroupJid>() {
                prop_assert_eq!(jid.to_string(), text);
            }
        }
    }
}
