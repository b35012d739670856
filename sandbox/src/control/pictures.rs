//! `/admin/phones/{name}/picture` and `/admin/groups/{gid}/picture`: pictures, as their bytes.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::IntoResponse;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::body::{Params, Raw};
use super::documented::Refused;
use super::error::Error;
use super::groups::{address, known};
use super::phones::account;
use crate::groups::{self, Refusal};
use crate::levers;
use crate::pictures::{Form, NewPicture, Owner};
use crate::state::{Shared, State as Everything, lock};

/// The routes of this file.
pub(super) fn router() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(of_phone, set_of_phone, remove_of_phone)).routes(routes!(
        of_group,
        set_of_group,
        remove_of_group
    ))
}

#[derive(Serialize, ToSchema)]
pub(crate) struct PictureBody {
    /// The id that clients see; `null` if there is no picture.
    id: Option<u64>,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct By {
    /// Who makes the change; the creator if nobody is named.
    by: Option<String>,
}

/// Read the full picture of an account.
#[utoipa::path(get, path = "/phones/{name}/picture", operation_id = "readPhonePicture", tag = "pictures",
    responses((status = 200, body = Vec<u8>, content_type = "image/jpeg", description = "The picture"), Refused))]
pub(crate) async fn of_phone(
    State(shared): State<Shared>,
    Path(name): Path<String>,
) -> Result<impl IntoResponse, Error> {
    let state = lock(&shared);
    let account = account(&state, "name", &name)?;
    bytes(&state, &Owner::Account(account))
}

/// Set the picture of an account.
#[utoipa::path(put, path = "/phones/{name}/picture", operation_id = "setPhonePicture", tag = "pictures",
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "A JPEG"),
    responses((status = 200, body = PictureBody, description = "The new picture"), Refused))]
pub(crate) async fn set_of_phone(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    Raw(full): Raw,
) -> Result<Json<PictureBody>, Error> {
    change_of_phone(&shared, &name, Some(NewPicture { full, preview: None }))
}

/// Remove the picture of an account.
#[utoipa::path(delete, path = "/phones/{name}/picture", operation_id = "removePhonePicture", tag = "pictures",
    responses((status = 200, body = PictureBody, description = "There is none"), Refused))]
pub(crate) async fn remove_of_phone(
    State(shared): State<Shared>,
    Path(name): Path<String>,
) -> Result<Json<PictureBody>, Error> {
    change_of_phone(&shared, &name, None)
}

/// Read the full picture of a group.
#[utoipa::path(get, path = "/groups/{gid}/picture", operation_id = "readGroupPicture", tag = "pictures",
    responses((status = 200, body = Vec<u8>, content_type = "image/jpeg", description = "The picture"), Refused))]
pub(crate) async fn of_group(
    State(shared): State<Shared>,
    Path(gid): Path<String>,
) -> Result<impl IntoResponse, Error> {
    let gid = address(&gid)?;
    let state = lock(&shared);
    known(&state, &gid)?;
    bytes(&state, &Owner::Group(gid))
}

/// Set the picture of a group.
#[utoipa::path(put, path = "/groups/{gid}/picture", operation_id = "setGroupPicture", tag = "pictures",
    params(By),
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "A JPEG"),
    responses((status = 200, body = PictureBody, description = "The new picture"), Refused))]
pub(crate) async fn set_of_group(
    State(shared): State<Shared>,
    Path(gid): Path<String>,
    Params(by): Params<By>,
    Raw(full): Raw,
) -> Result<Json<PictureBody>, Error> {
    change_of_group(&shared, &gid, &by, Some(NewPicture { full, preview: None }))
}

/// Remove the picture of a group.
#[utoipa::path(delete, path = "/groups/{gid}/picture", operation_id = "removeGroupPicture", tag = "pictures",
    params(By),
    responses((status = 200, body = PictureBody, description = "There is none"), Refused))]
pub(crate) async fn remove_of_group(
    State(shared): State<Shared>,
    Path(gid): Path<String>,
    Params(by): Params<By>,
) -> Result<Json<PictureBody>, Error> {
    change_of_group(&shared, &gid, &by, None)
}

fn change_of_phone(
    shared: &Shared,
    name: &str,
    new: Option<NewPicture>,
) -> Result<Json<PictureBody>, Error> {
    let mut state = lock(shared);
    let account = account(&state, "name", name)?;
    let owner = Owner::Account(account);
    levers::set_picture(&mut state, account, &owner, new).map_err(refused)?;
    Ok(id(&state, &owner))
}

fn change_of_group(
    shared: &Shared,
    gid: &str,
    by: &By,
    new: Option<NewPicture>,
) -> Result<Json<PictureBody>, Error> {
    let gid = address(gid)?;
    {
        let state = lock(shared);
        known(&state, &gid)?;
        by.by.as_deref().map(|name| account(&state, "by", name)).transpose()?;
    }
    groups::set_picture_as(shared, &gid, by.by.as_deref(), new).map_err(refused)?;
    Ok(id(&lock(shared), &Owner::Group(gid)))
}

fn id(state: &Everything, owner: &Owner) -> Json<PictureBody> {
    Json(PictureBody { id: state.pictures.of(owner).map(|picture| picture.id) })
}

fn bytes(state: &Everything, owner: &Owner) -> Result<impl IntoResponse + use<>, Error> {
    let picture = state.pictures.of(owner).map(|picture| picture.bytes(Form::Full));
    let picture = picture.ok_or_else(|| Error::NotFound("there is no picture".to_owned()))?;
    Ok(([(header::CONTENT_TYPE, "image/jpeg")], picture))
}

fn refused(refusal: Refusal) -> Error {
    Error::Refused { field: "picture", refusal }
}
