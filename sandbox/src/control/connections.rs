//! `/admin/drop-connections`: what a bad network does.

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use crate::levers;
use crate::state::{Shared, lock};

#[derive(Serialize)]
pub(crate) struct Dropped {
    /// How many connections were open.
    dropped: usize,
}

pub(crate) async fn drop_all(State(shared): State<Shared>) -> Json<Dropped> {
    let dropped = lock(&shared).links.len();
    levers::drop_connections(&shared).await;
    Json(Dropped { dropped })
}
