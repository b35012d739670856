//! How many refused attempts of one caller are noted: whoever may do nothing shall not be able to fill the disk.

use std::collections::HashMap;

use wharf_storage::{Actor, AuditRecord};

/// Refusals of one caller that are noted in a minute.
const MOST: u32 = 120;
/// Milliseconds of a minute.
const MINUTE: i64 = 60_000;

/// Refusals of the minute that runs.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    minute: i64,
    callers: HashMap<(String, Actor), u32>,
}

impl Refusals {
    /// Whether the entry finds room. What took effect always does; so does what failed on our side.
    pub(super) fn admit(&mut self, organization: &str, record: &AuditRecord) -> bool {
        if !record.status.is_some_and(|status| (400..500).contains(&status)) {
            return true;
        }
        let minute = record.at.div_euclid(MINUTE);
        if minute != self.minute {
            self.minute = minute;
            self.callers.clear();
        }
        let caller = (organization.to_owned(), record.actor.clone());
        let refused = self.callers.entry(caller).or_default();
        *refused += 1;
        if *refused == MOST + 1 {
            tracing::warn!(
                "`{}` of `{organization}` is refused again and again: what follows this minute is not noted in the \
                 audit log",
                record.actor
            );
        }
        *refused <= MOST
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use wharf_storage::KeyId;

    use super::*;

    fn record(actor: &Actor, status: Option<u16>, at: i64) -> AuditRecord {
        AuditRecord {
            at,
            actor: actor.clone(),
            operation: "deleteSession".into(),
            object: BTreeMap::new(),
            address: None,
            status,
            code: None,
            request: String::new(),
        }
    }

    #[test]
    fn refusals_beyond_the_bound_wait_for_the_next_minute_and_what_took_effect_never_does() {
        let (key, other) = (Actor::Key(KeyId::generate(1)), Actor::Person("somebody".into()));
        let mut refusals = Refusals::default();
        let noted = (0..MOST * 2).filter(|_| refusals.admit("acme", &record(&key, Some(403), 5)));
        assert_eq!(noted.count(), usize::try_from(MOST).unwrap());
        for status in [Some(204), Some(503), None] {
            assert!(refusals.admit("acme", &record(&key, status, 6)), "{status:?}");
        }
        assert!(refusals.admit("acme", &record(&other, Some(404), 6)));
        assert!(refusals.admit("other", &record(&key, Some(404), 6)));
        assert!(!refusals.admit("acme", &record(&key, Some(404), MINUTE - 1)));
        assert!(refusals.admit("acme", &record(&key, Some(404), MINUTE)));
    }
}
