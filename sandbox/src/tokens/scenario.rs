//! What kind of account one is, in flags: which tokens it demands and takes, and what its own devices learn of its salt.
//!
//! A client asks for such an account by its push name: `restricted:mia`, or `scenario:restricted,cs_enabled=0:mia`.

use std::fmt;

use serde::{Deserialize, Serialize};
use tracing::warn;
use wacore::iq::abprops::web;

use super::salt;
use crate::state::{AccountId, State};
use crate::{Error, Result};

/// A flag of a scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flag {
    /// It demands tokens.
    Restricted,
    /// It takes trusted-contact tokens; so it is unless said otherwise.
    TcEnabled,
    /// It takes customer tokens; so it is unless said otherwise.
    CsEnabled,
    /// Its clients are told to send customer tokens.
    NctSendAb,
    /// Its clients are told to take the salt from the history.
    NctHistoryAb,
    /// Its clients are told to take the salt from the shared settings.
    NctSyncdAb,
    /// Its phone puts the salt into the history; unless said otherwise, if the clients are told of it.
    NctHistoryDelivery,
    /// Its phone puts the salt into the shared settings; unless said otherwise, if the clients are told of it.
    NctSyncdDelivery,
}

/// Every flag, as it is written.
const FLAGS: [(Flag, &str); 8] = [
    (Flag::Restricted, "restricted"),
    (Flag::TcEnabled, "tc_enabled"),
    (Flag::CsEnabled, "cs_enabled"),
    (Flag::NctSendAb, "nct_send_ab"),
    (Flag::NctHistoryAb, "nct_history_ab"),
    (Flag::NctSyncdAb, "nct_syncd_ab"),
    (Flag::NctHistoryDelivery, "nct_history_delivery"),
    (Flag::NctSyncdDelivery, "nct_syncd_delivery"),
];

/// The switches (AB props) that say the same to clients.
const SWITCHES: [(Flag, u32); 3] = [
    (Flag::NctSendAb, web::WA_NCT_TOKEN_SEND_ENABLED.code),
    (Flag::NctHistoryAb, web::WA_NCT_TOKEN_HISTORY_SYNC_ENABLED.code),
    (Flag::NctSyncdAb, web::WA_NCT_TOKEN_SYNCD_ENABLED.code),
];

/// The flags of an account; those that were not set are as usual.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Scenario {
    set: [Option<bool>; FLAGS.len()],
}

impl Scenario {
    /// Reads flags, with commas between them; says what is wrong with them.
    pub(crate) fn parse(flags: &str) -> std::result::Result<Self, String> {
        let mut scenario = Self::default();
        for text in flags.split(',').filter(|_| !flags.is_empty()) {
            let (name, value) = text.split_once('=').unwrap_or((text, ""));
            let flag = FLAGS.iter().find(|(_, known)| *known == name);
            let (flag, _) = flag.ok_or_else(|| format!("there is no flag `{name}`"))?;
            let on = match (flag, value) {
                (Flag::Restricted, "") if !text.contains('=') => true,
                (Flag::Restricted, _) => return Err(format!("`{name}` has no value")),
                (_, "0") => false,
                (_, "1") => true,
                _ => return Err(format!("`{name}` is 0 or 1")),
            };
            if scenario.set[*flag as usize].replace(on).is_some() {
                return Err(format!("`{name}` is there twice"));
            }
        }
        Ok(scenario)
    }

    /// Whether a flag is set, or holds unless said otherwise.
    pub(super) fn is(self, flag: Flag) -> bool {
        self.set[flag as usize].unwrap_or_else(|| match flag {
            Flag::TcEnabled | Flag::CsEnabled => true,
            Flag::NctHistoryDelivery => self.is(Flag::NctHistoryAb),
            Flag::NctSyncdDelivery => self.is(Flag::NctSyncdAb),
            _ => false,
        })
    }

    /// The same, demanding tokens or not.
    pub(super) fn restricted(mut self, on: bool) -> Self {
        self.set[Flag::Restricted as usize] = on.then_some(true);
        self
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut comma = "";
        for (flag, name) in FLAGS {
            match self.set[flag as usize] {
                Some(true) if flag == Flag::Restricted => write!(f, "{comma}{name}")?,
                Some(on) => write!(f, "{comma}{name}={}", u8::from(on))?,
                None => continue,
            }
            comma = ",";
        }
        Ok(())
    }
}

/// The account that devices of this push name join, made if there is none: as it asks for, if it asks for anything.
pub(crate) fn join(state: &mut State, push_name: Option<&str>) -> Result<AccountId> {
    let is_new = push_name.is_none_or(|name| state.accounts.of_push_name(name).is_none());
    let asked = push_name.filter(|_| is_new).map_or(Ok(None), asked)?;
    let account = state.accounts.joined_as(push_name);
    if let Some(scenario) = asked {
        play(state, account, scenario);
    }
    Ok(account)
}

/// What a push name asks for, and the name in it.
fn parts(push_name: &str) -> Option<(&str, &str)> {
    match push_name.strip_prefix("scenario:") {
        Some(rest) => Some(rest.split_once(':').unwrap_or((rest, ""))),
        None => push_name.strip_prefix("restricted:").map(|name| ("restricted", name)),
    }
}

/// The scenario that a push name asks for. One that makes no sense is refused: a test that has mistyped it would go on
/// with an account that demands nothing.
fn asked(push_name: &str) -> Result<Option<Scenario>> {
    let Some((flags, name)) = parts(push_name) else { return Ok(None) };
    let scenario = match (flags, name.trim()) {
        (_, "") => Err("it lacks a name".to_owned()),
        ("", _) => Err("it has no flags".to_owned()),
        _ => Scenario::parse(flags),
    };
    scenario.map(Some).map_err(|why| Error::InvalidScenario { text: push_name.to_owned(), why })
}

/// The name in a push name, without what else it asks for.
pub(crate) fn person(push_name: &str) -> &str {
    parts(push_name).map_or(push_name, |(_, name)| name)
}

/// An account is of this kind from now on, and its clients are told with the next switches that they ask for.
pub(crate) fn play(state: &mut State, id: AccountId, scenario: Scenario) {
    let Some(account) = state.accounts.get_mut(id) else { return };
    account.tokens.scenario = scenario;
    for (flag, code) in SWITCHES {
        let on = scenario.is(flag);
        if on || account.props.all().contains_key(&code) {
            account.props.set(code, if on { "1" } else { "0" });
        }
    }
    restore(state, id);
}

/// The phone shares the salt of its account, if it is one that does and has not done so: a new phone has not.
pub(crate) fn restore(state: &mut State, id: AccountId) {
    if let Err(error) = salt::share(state, id) {
        warn!(%error, "a phone could not share its salt");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_read_and_written() {
        let all = "restricted,tc_enabled=0,cs_enabled=1,nct_send_ab=1,nct_history_delivery=0";
        let scenario = Scenario::parse(all).expect("flags");
        assert_eq!(scenario.to_string(), all);
        assert!(scenario.is(Flag::Restricted) && !scenario.is(Flag::TcEnabled));
        assert!(scenario.is(Flag::CsEnabled) && scenario.is(Flag::NctSendAb));
        assert_eq!(Scenario::parse(""), Ok(Scenario::default()));
        let usual = Scenario::default();
        assert!(usual.is(Flag::TcEnabled) && usual.is(Flag::CsEnabled));
        assert!(!usual.is(Flag::Restricted) && !usual.is(Flag::NctSyncdDelivery));
    }

    #[test]
    fn the_salt_goes_where_clients_are_told_to_look_unless_said_otherwise() {
        let goes = |flags| {
            let scenario = Scenario::parse(flags).expect("flags");
            (scenario.is(Flag::NctHistoryDelivery), scenario.is(Flag::NctSyncdDelivery))
        };
        assert_eq!(goes("nct_history_ab=1"), (true, false));
        assert_eq!(goes("nct_syncd_ab=1"), (false, true));
        assert_eq!(goes("nct_syncd_ab=1,nct_syncd_delivery=0"), (false, false));
        assert_eq!(goes("nct_history_delivery=1"), (true, false));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (flags, why) in [
            ("famous", "there is no flag `famous`"),
            ("restricted,", "there is no flag ``"),
            ("restricted=1", "`restricted` has no value"),
            ("restricted=", "`restricted` has no value"),
            ("tc_enabled", "`tc_enabled` is 0 or 1"),
            ("tc_enabled=2", "`tc_enabled` is 0 or 1"),
            ("tc_enabled=1,tc_enabled=0", "`tc_enabled` is there twice"),
        ] {
            assert_eq!(Scenario::parse(flags), Err(why.to_owned()), "{flags}");
        }
    }

    #[test]
    fn a_push_name_asks_for_a_scenario_or_for_nothing() {
        let of = |push_name| asked(push_name).map(|asked| asked.map(|it| it.to_string())).ok();
        assert_eq!(of("mia"), Some(None));
        assert_eq!(of("restrictedmia"), Some(None));
        assert_eq!(of("restricted:mia"), Some(Some("restricted".to_owned())));
        assert_eq!(of("scenario:nct_send_ab=1:a:b"), Some(Some("nct_send_ab=1".to_owned())));
        for refused in [
            "restricted:",
            "restricted: ",
            "scenario:restricted",
            "scenario::mia",
            "scenario:x:mia",
        ] {
            assert_eq!(of(refused), None, "{refused}");
        }
        assert_eq!(person("scenario:nct_send_ab=1:a:b"), "a:b");
        assert_eq!((person("restricted:mia"), person("mia")), ("mia", "mia"));
    }

    #[test]
    fn an_account_with_a_scenario_is_not_the_one_without() {
        let mut state = State::default();
        let mut joined = |push_name| {
            let id = join(&mut state, Some(push_name))?;
            let account = state.accounts.get(id).expect("just joined");
            Ok::<_, Error>((account.name.clone(), account.tokens.scenario.to_string()))
        };
        let named = |name: &str, scenario: &str| (name.to_owned(), scenario.to_owned());
        for _ in 0..2 {
            assert_eq!(joined("restricted:mia").expect("made"), named("mia", "restricted"));
            assert_eq!(joined("mia").expect("made"), named("phone-2", ""));
        }
        assert!(matches!(joined("scenario:famous:mia"), Err(Error::InvalidScenario { .. })));
        assert_eq!(state.accounts.iter().count(), 2);
    }
}
