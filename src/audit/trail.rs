//! What is known of a request, by the time it ends.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{extract::RawPathParams, http::HeaderValue, response::Response};
use wharf_storage::{Actor, AuditRecord};

use super::{AuditLog, Place};
use crate::{auth::Principal, clock::now_ms, error::Code};

/// The longest id that is noted, in bytes. None of ours or of WhatsApp's is longer; a secret that somebody gave in the
/// place of an id is, and must not be kept.
const LONGEST_ID: usize = 64;

/// What a request leaves on its way. It is in the extensions of the request, where the layers find it.
#[derive(Debug, Default)]
pub(crate) struct Trail(Mutex<Option<Deed>>);

/// An operation that will be noted.
#[derive(Debug)]
struct Deed {
    operation: &'static str,
    object: BTreeMap<String, String>,
    /// Absent until the credential was found to hold: what strangers try does not fill the log.
    caller: Option<Known>,
}

#[derive(Debug)]
struct Known {
    actor: Actor,
    organization: String,
    place: Place,
}

impl Trail {
    /// It is a request for an operation that is noted, on what its path names.
    pub(crate) fn leads_to(&self, operation: &'static str, parameters: Option<&RawPathParams>) {
        let object = parameters.into_iter().flatten().filter(|(_, id)| id.len() <= LONGEST_ID);
        let object = object.map(|(name, id)| (name.to_owned(), id.to_owned())).collect();
        *self.lock() = Some(Deed { operation, object, caller: None });
    }

    /// The credential holds. Waits for a place in the log, if the operation is one that is noted.
    pub(crate) async fn belongs_to(&self, log: &AuditLog, who: &Principal, organization: &str) {
        if self.lock().is_none() {
            return;
        }
        let Some(place) = log.place().await else { return };
        if let Some(deed) = self.lock().as_mut() {
            let organization = organization.to_owned();
            deed.caller = Some(Known { actor: who.into(), organization, place });
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Deed>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An answer tells by this extension what was made, which no path names yet.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    /// The name of its id in paths.
    pub(crate) name: &'static str,
    /// Its id.
    pub(crate) id: String,
}

/// Makes the entry when the request ends, whichever way it does.
#[derive(Debug)]
pub(crate) struct Recording {
    trail: Arc<Trail>,
    request: HeaderValue,
    address: Option<IpAddr>,
}

impl Recording {
    /// Of the request with this id, from this address.
    pub(crate) fn new(trail: Arc<Trail>, request: HeaderValue, address: Option<IpAddr>) -> Self {
        Self { trail, request, address }
    }

    /// The request was answered.
    pub(crate) fn answered(self, response: &Response) {
        self.end(Some(response));
    }

    fn end(&self, response: Option<&Response>) {
        let Some(Deed { operation, mut object, caller: Some(caller) }) = self.trail.lock().take()
        else {
            return;
        };
        let extensions = response.map(Response::extensions);
        if let Some(made) = extensions.and_then(|all| all.get::<Made>()) {
            object.insert(made.name.to_owned(), made.id.clone());
        }
        let record = AuditRecord {
            at: now_ms(),
            actor: caller.actor,
            operation: operation.to_owned(),
            object,
            address: self.address,
            status: response.map(|response| response.status().as_u16()),
            code: extensions.and_then(|all| all.get::<Code>()).map(ToString::to_string),
            request: self.request.to_str().unwrap_or_default().to_owned(),
        };
        caller.place.fill(caller.organization, record);
    }
}

impl Drop for Recording {
    /// A caller that hangs up takes its request along, but what it began may go on.
    fn drop(&mut self) {
        self.end(None);
    }
}
