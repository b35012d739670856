//! Options of `serve` about login tokens.

use std::{path::PathBuf, time::Duration};

use clap::{Args, builder::NonEmptyStringValueParser};

use super::span;
use crate::{
    auth::{ClaimNames, Settings},
    server::{Error, Result},
};

/// The largest difference of clocks that is let pass.
const LARGEST_LEEWAY: Duration = Duration::from_mins(5);

/// Options about login tokens.
#[derive(Debug, Clone, Args)]
pub struct Login {
    /// Address of the key set by which login tokens are verified; without it only API keys are taken.
    #[arg(long, env = "WHARF_JWKS_URL", value_parser = NonEmptyStringValueParser::new())]
    pub jwks_url: Option<String>,
    /// File of the certificates (PEM) to trust at `--jwks-url`, in place of those that the web trusts.
    #[arg(long, env = "WHARF_JWKS_CA")]
    pub jwks_ca: Option<PathBuf>,
    /// How often the key set is fetched anew.
    #[arg(long, env = "WHARF_JWKS_REFRESH", default_value = "5m", value_parser = span)]
    pub jwks_refresh: Duration,
    /// Issuer of login tokens: their `iss`.
    #[arg(long, env = "WHARF_JWT_ISSUER", value_parser = NonEmptyStringValueParser::new())]
    pub jwt_issuer: Option<String>,
    /// What login tokens are for: their `aud`, or one of several.
    #[arg(long, env = "WHARF_JWT_AUDIENCE", value_parser = NonEmptyStringValueParser::new())]
    pub jwt_audience: Option<String>,
    /// How far the issuer's clock may be from this one.
    #[arg(long, env = "WHARF_JWT_LEEWAY", default_value = "30s", value_parser = leeway)]
    pub jwt_leeway: Duration,
    /// Claim that names the organization in which the person acts.
    #[arg(long, env = "WHARF_JWT_ORGANIZATION_CLAIM", default_value = "activeOrganizationId")]
    pub jwt_organization_claim: String,
    /// Claim with the person's role in the organization: `owner`, `admin` or `member`.
    #[arg(long, env = "WHARF_JWT_ORGANIZATION_ROLE_CLAIM", default_value = "orgRole")]
    pub jwt_organization_role_claim: String,
    /// Claim with the person's role on the whole platform: `super_admin`, or any other.
    #[arg(long, env = "WHARF_JWT_ROLE_CLAIM", default_value = "role")]
    pub jwt_role_claim: String,
}

impl Login {
    /// The options in effect for an issuer with its key set at this address, all else as by default.
    pub fn at(jwks_url: &str, issuer: &str, audience: &str) -> Self {
        let defaults = Settings::new(jwks_url, issuer, audience);
        Self {
            jwks_url: Some(defaults.address),
            jwks_ca: None,
            jwks_refresh: defaults.refresh,
            jwt_issuer: Some(defaults.issuer),
            jwt_audience: Some(defaults.audience),
            jwt_leeway: defaults.leeway,
            jwt_organization_claim: defaults.claims.organization,
            jwt_organization_role_claim: defaults.claims.organization_role,
            jwt_role_claim: defaults.claims.role,
        }
    }

    /// What the verifier needs to know; none when there is no key set, and login tokens are not taken.
    ///
    /// # Errors
    /// The options do not go together, or name something unusable.
    pub(crate) fn settings(&self) -> Result<Option<Settings>> {
        let needed = |name: &str, value: &Option<String>| {
            let missing = || Error::Config(format!("`--jwks-url` needs `{name}`"));
            value.clone().ok_or_else(missing)
        };
        let Some(address) = &self.jwks_url else {
            let alone = [
                ("--jwt-issuer", self.jwt_issuer.is_some()),
                ("--jwt-audience", self.jwt_audience.is_some()),
                ("--jwks-ca", self.jwks_ca.is_some()),
            ];
            return match alone.iter().find(|(_, given)| *given) {
                Some((name, _)) => Err(Error::Config(format!("`{name}` needs `--jwks-url`"))),
                None => Ok(None),
            };
        };
        let issuer = needed("--jwt-issuer", &self.jwt_issuer)?;
        let audience = needed("--jwt-audience", &self.jwt_audience)?;
        let settings = Settings {
            authorities: self.jwks_ca.as_ref().map(certificates).transpose()?,
            claims: ClaimNames {
                organization: self.jwt_organization_claim.clone(),
                organization_role: self.jwt_organization_role_claim.clone(),
                role: self.jwt_role_claim.clone(),
            },
            leeway: self.jwt_leeway,
            refresh: self.jwks_refresh,
            ..Settings::new(address, &issuer, &audience)
        };
        settings.check()?;
        Ok(Some(settings))
    }
}

fn certificates(path: &PathBuf) -> Result<Vec<u8>> {
    let unreadable = |error| Error::Config(format!("`--jwks-ca` `{}`: {error}", path.display()));
    std::fs::read(path).map_err(unreadable)
}

fn leeway(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(leeway) if leeway <= LARGEST_LEEWAY => Ok(leeway),
        Ok(_) => Err("must not be longer than `5m`".to_owned()),
        Err(error) => Err(format!("{error}; write a duration such as `30s`")),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::config::{Cli, Command};

    const URL: [&str; 2] = ["--jwks-url", "http://127.0.0.1:1/jwks"];
    const ISSUER: [&str; 2] = ["--jwt-issuer", "front"];
    const AUDIENCE: [&str; 2] = ["--jwt-audience", "wharf"];

    fn settings(options: &[[&str; 2]]) -> Result<Option<Settings>, String> {
        let arguments = ["wharf", "serve"].into_iter().chain(options.iter().flatten().copied());
        let cli = Cli::try_parse_from(arguments).map_err(|error| error.to_string())?;
        let Command::Serve(serve) = cli.command else { panic!("it is `serve`") };
        serve.login.settings().map_err(|error| error.to_string())
    }

    #[test]
    fn without_a_key_set_there_are_no_logins() {
        assert!(settings(&[]).unwrap().is_none());
    }

    #[test]
    fn what_is_left_out_is_as_the_verifier_has_it() {
        let given = settings(&[URL, ISSUER, AUDIENCE]).unwrap().unwrap();
        let defaults = Settings::new("http://127.0.0.1:1/jwks", "front", "wharf");
        assert_eq!(format!("{given:?}"), format!("{defaults:?}"));
        let options = Login::at("http://127.0.0.1:1/jwks", "front", "wharf");
        let again = options.settings().unwrap().unwrap();
        assert_eq!(format!("{again:?}"), format!("{defaults:?}"));
    }

    #[test]
    fn claims_and_times_are_options() {
        let all = [
            URL,
            ISSUER,
            AUDIENCE,
            ["--jwt-organization-claim", "org"],
            ["--jwt-organization-role-claim", "orgrole"],
            ["--jwt-role-claim", "platform"],
            ["--jwt-leeway", "0s"],
            ["--jwks-refresh", "1h"],
        ];
        let given = settings(&all).unwrap().unwrap();
        let names = given.claims;
        assert_eq!(
            [&*names.organization, &*names.organization_role, &*names.role],
            ["org", "orgrole", "platform"]
        );
        assert_eq!((given.leeway, given.refresh), (Duration::ZERO, Duration::from_hours(1)));
    }

    #[test]
    fn what_does_not_go_together_is_named() {
        for (options, name) in [
            (&[URL, ISSUER][..], "--jwt-audience"),
            (&[URL, AUDIENCE], "--jwt-issuer"),
            (&[ISSUER], "--jwt-issuer"),
            (&[AUDIENCE], "--jwt-audience"),
            (&[["--jwks-ca", "/x"]], "--jwks-ca"),
            (&[["--jwks-url", "front"], ISSUER, AUDIENCE], "--jwks-url"),
            (&[["--jwks-url", ""], ISSUER, AUDIENCE], "--jwks-url"),
            (&[URL, ISSUER, AUDIENCE, ["--jwks-ca", "/does/not/exist"]], "--jwks-ca"),
            (&[URL, ISSUER, AUDIENCE, ["--jwt-leeway", "6m"]], "--jwt-leeway"),
            (&[URL, ISSUER, AUDIENCE, ["--jwks-refresh", "0s"]], "--jwks-refresh"),
        ] {
            let error = settings(options).unwrap_err();
            assert!(error.contains(name), "{options:?}: {error}");
        }
    }
}
