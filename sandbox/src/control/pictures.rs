//! `/admin/phones/{name}/picture` and `/admin/groups/{gid}/picture`: pictures, as their bytes.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::IntoResponse;
use serde::{Deserialize, Serialize};

use super::body::{Params, Raw};
use super::error::Error;
use super::groups::{address, known};
use super::phones::account;
use crate::groups::{self, Refusal};
use crate::levers;
use crate::pictures::{Form, NewPicture, Owner};
use crate::state::{Shared, State as Everything, lock};

#[derive(Serialize)]
pub(crate) struct PictureBody {
    /// The id that clients see; `null` if there is no picture.
    id: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct By {
    /// Who makes the change; the creator if nobody is named.
    by: Option<String>,
}

pub(crate) async fn of_phone(
    State(shared): State<Shared>,
    Path(name): Path<String>,
) -> Result<impl IntoResponse, Error> {
    let state = lock(&shared);
    let account = account(&state, "name", &name)?;
    bytes(&state, &Owner::Account(account))
}

pub(crate) async fn set_of_phone(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    Raw(full): Raw,
) -> Result<Json<PictureBody>, Error> {
    change_of_phone(&shared, &name, Some(NewPicture { full, preview: None }))
}

pub(crate) async fn remove_of_phone(
    State(shared): State<Shared>,
    Path(name): Path<String>,
) -> Result<Json<PictureBody>, Error> {
    change_of_phone(&shared, &name, None)
}

pub(crate) async fn of_group(
    State(shared): State<Shared>,
    Path(gid): Path<String>,
) -> Result<impl IntoResponse, Error> {
    let gid = address(&gid)?;
    let state = lock(&shared);
    known(&state, &gid)?;
    bytes(&state, &Owner::Group(gid))
}

pub(crate) async fn set_of_group(
    State(shared): State<Shared>,
    Path(gid): Path<String>,
    Params(by): Params<By>,
    Raw(full): Raw,
) -> Result<Json<PictureBody>, Error> {
    change_of_group(&shared, &gid, &by, Some(NewPicture { full, preview: None }))
}

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
