//! What a login token says, once its signature holds.

use std::{collections::BTreeSet, time::Duration};

use serde_json::{Map, Value};
use wharf_storage::Capability;

use super::{LONGEST_ORGANIZATION, Refusal, Settings};
use crate::keys;

/// A person with a login token that verifies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The issuer's name for the person, never empty.
    pub subject: String,
    /// The organization that the person has chosen, if any.
    pub organization: Option<String>,
    /// What the person may do.
    pub capabilities: BTreeSet<Capability>,
    /// Whether the person may do everything, in every organization.
    pub super_admin: bool,
}

/// Checks the claims at `now`, epoch milliseconds, and reads the person from them.
pub(super) fn read(
    claims: &Map<String, Value>,
    settings: &Settings,
    now: i64,
) -> Result<Person, Refusal> {
    let text =
        |name: &str| claims.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    if text("iss") != Some(&settings.issuer) {
        return Err(Refusal::Invalid("the login token is of another issuer"));
    }
    if !is_for(claims.get("aud"), &settings.audience) {
        return Err(Refusal::Invalid("the login token is for another audience"));
    }
    in_time(claims, settings.leeway, now)?;
    let organization = text(&settings.claims.organization);
    if organization.is_some_and(|name| !is_organization(name)) {
        return Err(Refusal::Invalid("the login token names an organization that cannot be"));
    }
    let subject = text("sub").filter(|subject| !subject.trim().is_empty());
    let super_admin = text(&settings.claims.role) == Some("super_admin");
    Ok(Person {
        subject: subject.ok_or(Refusal::Invalid("the login token names nobody"))?.to_owned(),
        organization: organization.map(str::to_owned),
        capabilities: match text(&settings.claims.organization_role) {
            _ if super_admin => keys::all_capabilities(),
            Some("owner" | "admin") => keys::all_capabilities(),
            Some("member") => [Capability::Read, Capability::Send, Capability::Events].into(),
            _ => BTreeSet::new(),
        },
        super_admin,
    })
}

/// Whether a name can be an organization's: nothing that the header which names one could not say.
fn is_organization(name: &str) -> bool {
    name.len() <= LONGEST_ORGANIZATION && name.trim() == name
}

/// Whether the audience, one or a list, is us.
fn is_for(audience: Option<&Value>, us: &str) -> bool {
    match audience {
        Some(Value::String(one)) => one == us,
        Some(Value::Array(several)) => several.iter().any(|one| one == us),
        _ => false,
    }
}

fn in_time(claims: &Map<String, Value>, leeway: Duration, now: i64) -> Result<(), Refusal> {
    let now = Duration::from_millis(u64::try_from(now).unwrap_or_default());
    let time = |name: &str| {
        let seconds = claims.get(name)?.as_f64();
        let time = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        Some(time.ok_or(Refusal::Invalid("the login token holds a time that is none")))
    };
    let end = time("exp").ok_or(Refusal::Invalid("the login token never expires"))??;
    if end.saturating_add(leeway) <= now {
        return Err(Refusal::Invalid("the login token has expired"));
    }
    for name in ["nbf", "iat"] {
        if time(name).transpose()?.is_some_and(|begin| begin > now + leeway) {
            return Err(Refusal::Invalid("the login token is not valid yet"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: i64 = 1_000_000_000;

    fn outcome(change: &Value) -> Result<Person, Refusal> {
        let settings = Settings::new("http://127.0.0.1/jwks", "issuer", "wharf");
        let mut claims = json!({
            "iss": "issuer", "aud": "wharf", "sub": "anna", "exp": 1_000_100, "iat": 999_990,
            "activeOrganizationId": "acme", "orgRole": "member",
        });
        let claims = claims.as_object_mut().unwrap();
        for (name, value) in change.as_object().unwrap() {
            match value {
                Value::Null => claims.remove(name),
                _ => claims.insert(name.clone(), value.clone()),
            };
        }
        read(claims, &settings, NOW)
    }

    #[test]
    fn claims_that_hold_name_the_person() {
        for change in [
            json!({}),
            json!({"iat": null}),
            json!({"aud": ["x", "wharf"]}),
            json!({"exp": 999_971}),
            json!({"exp": 1_000_100.5}),
            json!({"nbf": 1_000_030}),
            json!({"iat": 1_000_030}),
        ] {
            let person = outcome(&change).unwrap();
            assert_eq!((&*person.subject, person.super_admin), ("anna", false), "{change}");
        }
    }

    #[test]
    fn claims_that_do_not_hold_are_refused() {
        for change in [
            json!({"iss": null}),
            json!({"iss": "other"}),
            json!({"iss": ["issuer"]}),
            json!({"aud": null}),
            json!({"aud": "other"}),
            json!({"aud": []}),
            json!({"aud": {"wharf": 1}}),
            json!({"exp": null}),
            json!({"exp": 999_970}),
            json!({"exp": "1000100"}),
            json!({"exp": -1}),
            json!({"nbf": 1_000_031}),
            json!({"nbf": "now"}),
            json!({"iat": 1_000_031}),
            json!({"iat": []}),
            json!({"sub": null}),
            json!({"sub": ""}),
            json!({"sub": " "}),
            json!({"sub": 7}),
            json!({"activeOrganizationId": " acme"}),
            json!({"activeOrganizationId": " "}),
            json!({"activeOrganizationId": "x".repeat(201)}),
        ] {
            assert!(matches!(outcome(&change), Err(Refusal::Invalid(_))), "{change}");
        }
    }

    #[test]
    fn a_time_that_is_present_must_be_one_though_null() {
        let settings = Settings::new("http://127.0.0.1/jwks", "issuer", "wharf");
        for name in ["nbf", "iat", "exp"] {
            let mut claims =
                json!({"iss": "issuer", "aud": "wharf", "sub": "anna", "exp": 1_000_100});
            claims[name] = Value::Null;
            assert!(read(claims.as_object().unwrap(), &settings, NOW).is_err(), "{name}");
        }
    }

    #[test]
    fn roles_give_capabilities() {
        let member = BTreeSet::from([Capability::Read, Capability::Send, Capability::Events]);
        for (change, capabilities, super_admin) in [
            (json!({"orgRole": "owner"}), keys::all_capabilities(), false),
            (json!({"orgRole": "admin"}), keys::all_capabilities(), false),
            (json!({"orgRole": "member"}), member.clone(), false),
            (json!({"orgRole": null}), BTreeSet::new(), false),
            (json!({"orgRole": "Owner"}), BTreeSet::new(), false),
            (json!({"orgRole": ["owner"]}), BTreeSet::new(), false),
            (json!({"role": "super_admin"}), keys::all_capabilities(), true),
            (json!({"role": "super_admin", "orgRole": null}), keys::all_capabilities(), true),
            (json!({"role": "admin"}), member.clone(), false),
            (json!({"orgRole": "super_admin"}), BTreeSet::new(), false),
        ] {
            let person = outcome(&change).unwrap();
            assert_eq!(
                (person.capabilities, person.super_admin),
                (capabilities, super_admin),
                "{change}"
            );
        }
    }

    #[test]
    fn an_organization_is_a_text_or_none() {
        for (change, organization) in [
            (json!({}), Some("acme")),
            (json!({"activeOrganizationId": null}), None),
            (json!({"activeOrganizationId": ""}), None),
            (json!({"activeOrganizationId": 7}), None),
        ] {
            assert_eq!(outcome(&change).unwrap().organization.as_deref(), organization, "{change}");
        }
    }
}
