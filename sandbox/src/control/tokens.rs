//! `/admin/phones/{name}/tokens` and beside it: privacy tokens, and the accounts that demand them.

use axum::Json;
use axum::extract::{Path, State};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::body::Body;
use super::documented::Refused;
use super::error::Error;
use super::phones::account;
use crate::GivenToken;
use crate::state::{self, AccountId, Shared, lock};
use crate::tokens::{self, Scenario};

/// The routes of this file.
pub(super) fn router() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(list, give))
        .routes(routes!(revoke))
        .routes(routes!(expire))
        .routes(routes!(set_scenario))
        .routes(routes!(renew_salt))
}

#[derive(Serialize, ToSchema)]
#[schema(as = Tokens)]
pub(crate) struct TokensBody {
    /// The flags that were set, with commas between them.
    scenario: String,
    /// The salt of the account's customer tokens in base64; nothing before it was needed.
    salt: Option<String>,
    /// Trusted-contact tokens that the account has given.
    given: Vec<TokenBody>,
    /// Those that it was given.
    held: Vec<TokenBody>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Token)]
struct TokenBody {
    /// Name of the account that gave it.
    from: String,
    /// Name of the account that may show it.
    to: String,
    /// In base64.
    token: String,
    /// The time that its giver named, in epoch seconds.
    timestamp: i64,
    expired: bool,
}

impl From<GivenToken> for TokenBody {
    fn from(token: GivenToken) -> Self {
        let GivenToken { from, to, token, timestamp, expired } = token;
        Self { from, to, token: BASE64_STANDARD.encode(token), timestamp, expired }
    }
}

/// Who holds a token, or is to.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct HolderBody {
    /// A phone, a JID or the digits of a number.
    holder: String,
}

#[derive(Deserialize, ToSchema)]
#[schema(as = Scenario)]
#[serde(deny_unknown_fields)]
pub(crate) struct ScenarioBody {
    /// Flags with commas between them, as in a push name; none for an account as any other.
    flags: String,
}

type Answer = Result<Json<TokensBody>, Error>;

/// List the tokens of an account, and what it demands.
#[utoipa::path(get, path = "/phones/{name}/tokens", operation_id = "listTokens", tag = "tokens",
    responses((status = 200, body = TokensBody, description = "All of them"), Refused))]
pub(crate) async fn list(State(shared): State<Shared>, Path(name): Path<String>) -> Answer {
    let state = lock(&shared);
    let account = account(&state, "name", &name)?;
    Ok(shown(&state, account))
}

/// Give somebody a trusted-contact token, or make theirs last longer.
#[utoipa::path(post, path = "/phones/{name}/tokens", operation_id = "giveToken", tag = "tokens",
    request_body = HolderBody,
    responses((status = 200, body = TokensBody, description = "All as they are now"), Refused))]
pub(crate) async fn give(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    Body(body): Body<HolderBody>,
) -> Answer {
    let mut state = lock(&shared);
    let (account, holder) = both(&state, &name, &body)?;
    tokens::hand_out(&mut state, account, holder);
    Ok(shown(&state, account))
}

/// Take a token back.
#[utoipa::path(post, path = "/phones/{name}/tokens/revoke", operation_id = "revokeToken", tag = "tokens",
    request_body = HolderBody,
    responses((status = 200, body = TokensBody, description = "All as they are now"), Refused))]
pub(crate) async fn revoke(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    Body(body): Body<HolderBody>,
) -> Answer {
    change(&shared, &name, &body, tokens::revoke)
}

/// Let a token expire, though who holds it still thinks it good.
#[utoipa::path(post, path = "/phones/{name}/tokens/expire", operation_id = "expireToken", tag = "tokens",
    request_body = HolderBody,
    responses((status = 200, body = TokensBody, description = "All as they are now"), Refused))]
pub(crate) async fn expire(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    Body(body): Body<HolderBody>,
) -> Answer {
    change(&shared, &name, &body, tokens::expire)
}

/// Set which tokens an account demands and takes, and what its devices learn of its salt.
#[utoipa::path(put, path = "/phones/{name}/scenario", operation_id = "setScenario", tag = "tokens",
    request_body = ScenarioBody,
    responses((status = 200, body = TokensBody, description = "All as they are now"), Refused))]
pub(crate) async fn set_scenario(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    Body(ScenarioBody { flags }): Body<ScenarioBody>,
) -> Answer {
    let mut state = lock(&shared);
    let account = account(&state, "name", &name)?;
    let scenario = Scenario::parse(&flags).map_err(|why| Error::field("flags", &why))?;
    tokens::play(&mut state, account, scenario);
    Ok(shown(&state, account))
}

/// Make another salt for an account's customer tokens.
#[utoipa::path(post, path = "/phones/{name}/renew-salt", operation_id = "renewSalt", tag = "tokens",
    responses((status = 200, body = TokensBody, description = "All as they are now"), Refused))]
pub(crate) async fn renew_salt(State(shared): State<Shared>, Path(name): Path<String>) -> Answer {
    let mut state = lock(&shared);
    let account = account(&state, "name", &name)?;
    let renewed = tokens::renew_salt(&mut state, account);
    renewed.map_err(|error| Error::Conflict(error.to_string()))?;
    Ok(shown(&state, account))
}

/// Changes the token that somebody holds; there has to be one.
fn change(
    shared: &Shared,
    name: &str,
    body: &HolderBody,
    change: impl FnOnce(&mut state::State, AccountId, AccountId) -> bool,
) -> Answer {
    let mut state = lock(shared);
    let (account, holder) = both(&state, name, body)?;
    if change(&mut state, account, holder) {
        return Ok(shown(&state, account));
    }
    let text = format!("`holder`: `{}` has no token of `{name}`", body.holder);
    Err(Error::NotFound(text))
}

fn both(
    state: &state::State,
    name: &str,
    HolderBody { holder }: &HolderBody,
) -> Result<(AccountId, AccountId), Error> {
    let account = account(state, "name", name)?;
    let holder = tokens::someone(state, account, holder);
    let holder = holder.map_err(|error| Error::NotFound(format!("`holder`: {error}")))?;
    Ok((account, holder))
}

fn shown(state: &state::State, account: AccountId) -> Json<TokensBody> {
    let tokens = state.accounts.get(account).map(|account| &account.tokens);
    let salt = tokens.and_then(|tokens| tokens.known_salt());
    Json(TokensBody {
        scenario: tokens.map_or_else(String::new, |tokens| tokens.scenario.to_string()),
        salt: salt.map(|salt| BASE64_STANDARD.encode(salt)),
        given: tokens::given(state, account).into_iter().map(TokenBody::from).collect(),
        held: tokens::held(state, account).into_iter().map(TokenBody::from).collect(),
    })
}
