//! `/admin/phones/{name}/about`, `/disappearing-mode` and `/business`: what an account tells of itself.

use axum::Json;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::body::Body;
use super::documented::Refused;
use super::error::Error;
use super::phones::account;
use crate::BusinessProfile;
use crate::profile::{Profile, change};
use crate::state::{self, AccountId, Shared, lock};

/// The routes of this file.
pub(super) fn router() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(about, set_about))
        .routes(routes!(timer, set_timer))
        .routes(routes!(business, set_business, remove_business))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewAbout {
    text: String,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct AboutBody {
    /// Nothing if it was never set.
    text: Option<String>,
    /// When it was set, in epoch seconds.
    at: Option<i64>,
}

/// Read the about of an account.
#[utoipa::path(get, path = "/phones/{name}/about", operation_id = "readAbout", tag = "profile",
    responses((status = 200, body = AboutBody, description = "The about"), Refused))]
pub(crate) async fn about(
    State(shared): State<Shared>,
    Path(name): Path<String>,
) -> Result<Json<AboutBody>, Error> {
    let state = lock(&shared);
    let id = account(&state, "name", &name)?;
    Ok(Json(about_of(&state, id)))
}

/// Set the about of an account.
#[utoipa::path(put, path = "/phones/{name}/about", operation_id = "setAbout", tag = "profile",
    request_body = NewAbout,
    responses((status = 200, body = AboutBody, description = "As set"), Refused))]
pub(crate) async fn set_about(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    Body(body): Body<NewAbout>,
) -> Result<Json<AboutBody>, Error> {
    let mut state = lock(&shared);
    let id = account(&state, "name", &name)?;
    let pushes = change::about(&mut state, id, &body.text);
    let pushes = pushes.map_err(|refusal| Error::Refused { field: "text", refusal })?;
    state.push_all(pushes);
    Ok(Json(about_of(&state, id)))
}

fn about_of(state: &state::State, id: AccountId) -> AboutBody {
    let about = profile(state, id).and_then(|profile| profile.about.clone());
    let (text, at) = about.map(|about| (about.text, about.at)).unzip();
    AboutBody { text, at }
}

#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TimerBody {
    /// 0 for ever.
    seconds: u32,
}

/// Read after how long messages of new chats disappear.
#[utoipa::path(get, path = "/phones/{name}/disappearing-mode", operation_id = "readTimer", tag = "profile",
    responses((status = 200, body = TimerBody, description = "As set"), Refused))]
pub(crate) async fn timer(
    State(shared): State<Shared>,
    Path(name): Path<String>,
) -> Result<Json<TimerBody>, Error> {
    let state = lock(&shared);
    let id = account(&state, "name", &name)?;
    Ok(Json(TimerBody { seconds: profile(&state, id).map_or(0, |it| it.timer.seconds) }))
}

/// Set after how long messages of new chats disappear.
#[utoipa::path(put, path = "/phones/{name}/disappearing-mode", operation_id = "setTimer", tag = "profile",
    request_body = TimerBody,
    responses((status = 200, body = TimerBody, description = "As set"), Refused))]
pub(crate) async fn set_timer(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    Body(body): Body<TimerBody>,
) -> Result<Json<TimerBody>, Error> {
    let mut state = lock(&shared);
    let id = account(&state, "name", &name)?;
    let pushes = change::timer(&mut state, id, None, body.seconds);
    state.push_all(pushes);
    Ok(Json(body))
}

/// Read the business profile of an account.
#[utoipa::path(get, path = "/phones/{name}/business", operation_id = "readBusiness", tag = "profile",
    responses((status = 200, body = BusinessProfile, description = "The profile"), Refused))]
pub(crate) async fn business(
    State(shared): State<Shared>,
    Path(name): Path<String>,
) -> Result<Json<BusinessProfile>, Error> {
    let state = lock(&shared);
    let id = account(&state, "name", &name)?;
    let business = profile(&state, id).and_then(|profile| profile.business.clone());
    business.map(Json).ok_or_else(|| no_business(&name))
}

/// Make an account a business, or change its profile.
#[utoipa::path(put, path = "/phones/{name}/business", operation_id = "setBusiness", tag = "profile",
    request_body = BusinessProfile,
    responses((status = 200, body = BusinessProfile, description = "As set"), Refused))]
pub(crate) async fn set_business(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    Body(business): Body<BusinessProfile>,
) -> Result<Json<BusinessProfile>, Error> {
    if business.name.is_empty() {
        return Err(Error::field("name", "must not be empty"));
    }
    let mut state = lock(&shared);
    let id = account(&state, "name", &name)?;
    let pushes = change::business(&mut state, id, Some(business.clone()));
    state.push_all(pushes);
    Ok(Json(business))
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Removed {
    removed: bool,
}

/// Make a business an account like others.
#[utoipa::path(delete, path = "/phones/{name}/business", operation_id = "removeBusiness", tag = "profile",
    responses((status = 200, body = Removed, description = "It is no business"), Refused))]
pub(crate) async fn remove_business(
    State(shared): State<Shared>,
    Path(name): Path<String>,
) -> Result<Json<Removed>, Error> {
    let mut state = lock(&shared);
    let id = account(&state, "name", &name)?;
    if profile(&state, id).is_none_or(|profile| profile.business.is_none()) {
        return Err(no_business(&name));
    }
    let pushes = change::business(&mut state, id, None);
    state.push_all(pushes);
    Ok(Json(Removed { removed: true }))
}

fn profile(state: &state::State, id: AccountId) -> Option<&Profile> {
    state.accounts.get(id).map(|account| &account.profile)
}

fn no_business(name: &str) -> Error {
    Error::NotFound(format!("`name`: `{name}` is no business"))
}
