//! What a session costs.

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use wharf_actors::{
    Cache, Caches, ClientResources, Connection, Operations, Queues, Resources, Traffic,
};
use wharf_storage::Footprint;

use crate::{
    AppState,
    error::{Always, ApiError, Missing},
    extract::{Caller, Path, Read, SessionPath},
};

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(session_resources))
}

/// What a session costs the gateway. What is counted begins at zero with the process and only grows, over all connections
/// and crashes of the session; all else is of this moment.
#[derive(Serialize, ToSchema)]
#[schema(as = SessionResources)]
#[serde(rename_all = "camelCase")]
struct ResourcesBody {
    session_id: String,
    /// What went over all its connections to WhatsApp.
    traffic: TrafficBody,
    /// What went over the present one; absent while there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    connection: Option<ConnectionBody>,
    /// Connections that were made.
    connects: u64,
    /// Connections that ended and were begun anew without anybody asking for it.
    reconnects: u64,
    /// Time spent in the session's own tasks, in microseconds. A thread that lost its core meanwhile counts too; the store's
    /// writer and the answering of requests, which serve all sessions, do not.
    cpu_us: u64,
    operations: OperationsBody,
    /// How long a message to the session waited just now, in microseconds; absent when it waited longer than a second, or
    /// the session is being brought back after a crash.
    #[serde(skip_serializing_if = "Option::is_none")]
    mailbox_wait_us: Option<u64>,
    /// Its protocol client; absent while the session does not run, or waits for its first turn to connect.
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<ClientBody>,
    stored: StoredBody,
}

/// What went over the network.
#[derive(Serialize, ToSchema)]
#[schema(as = SessionTraffic)]
#[serde(rename_all = "camelCase")]
struct TrafficBody {
    /// Bytes received by TCP, those of TLS and of the WebSocket included.
    bytes_in: u64,
    /// Bytes sent, counted alike.
    bytes_out: u64,
    /// Frames of the protocol received, without its handshake.
    frames_in: u64,
    /// Frames of the protocol sent, counted alike.
    frames_out: u64,
}

/// A connection, with what went over it.
#[derive(Serialize, ToSchema)]
#[schema(as = SessionConnection)]
#[serde(rename_all = "camelCase")]
struct ConnectionBody {
    /// When it was made, epoch milliseconds.
    since: i64,
    #[serde(flatten)]
    traffic: TrafficBody,
}

/// Live actions of callers, and reads of groups that the session needs itself.
#[derive(Serialize, ToSchema)]
#[schema(as = SessionOperations)]
#[serde(rename_all = "camelCase")]
struct OperationsBody {
    /// Under way at WhatsApp.
    running: usize,
    /// The most that may be.
    running_limit: usize,
    /// In line.
    waiting: usize,
    /// The most that may be; one more is answered 429.
    waiting_limit: usize,
}

/// What a protocol client holds in memory, without its fixed part, which `docs/capacity.md` has.
#[derive(Serialize, ToSchema)]
#[schema(as = SessionClient)]
#[serde(rename_all = "camelCase")]
struct ClientBody {
    /// When it was built, epoch milliseconds.
    built_at: i64,
    /// Absent when they were busy for longer than a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    caches: Option<CachesBody>,
    /// Absent together with the caches.
    #[serde(skip_serializing_if = "Option::is_none")]
    queues: Option<QueuesBody>,
}

/// Caches; bytes are estimates of the protocol library.
#[derive(Serialize, ToSchema)]
#[schema(as = SessionCaches)]
#[serde(rename_all = "camelCase")]
struct CachesBody {
    /// Groups, with their members.
    groups: CacheBody,
    /// Devices of users.
    devices: CacheBody,
    /// Which phone number is which LID: the one that has no bound.
    addresses: CacheBody,
    /// Which devices hold our sender key, by group.
    sender_key_devices: CacheBody,
    /// Devices that a message goes to, by chat.
    recipients: CacheBody,
    /// Messages that were sent.
    sent_messages: CacheBody,
    /// Encryption sessions with devices.
    signal_sessions: CacheBody,
    /// Identity keys of devices.
    signal_identities: CacheBody,
    /// Sender keys, ours and others'.
    sender_keys: CacheBody,
    /// Entries that hold a number, a time or a lock, in all caches of such; nobody knows their bytes.
    notes: u64,
    /// Bytes of all that are known.
    total_bytes: u64,
}

/// Entries, and about how many bytes they take.
#[derive(Serialize, ToSchema)]
#[schema(as = SessionCache)]
struct CacheBody {
    entries: u64,
    bytes: u64,
}

/// What waits in a client.
#[derive(Serialize, ToSchema)]
#[schema(as = SessionQueues)]
#[serde(rename_all = "camelCase")]
struct QueuesBody {
    /// Questions to WhatsApp without an answer so far.
    unanswered: u64,
    /// Acknowledgements and receipts that are to be sent.
    acknowledgements: u64,
    /// Messages that are to be asked for again.
    retries: u64,
    /// Parts of the history that wait or are worked on, and their bytes as they were received.
    history: CacheBody,
}

/// What is stored of the session.
#[derive(Serialize, ToSchema)]
#[schema(as = SessionStored)]
struct StoredBody {
    /// Rows: of the protocol, groups, members, events.
    rows: u64,
    /// Bytes of their values in the file, without keys, indexes and the pages around them.
    bytes: u64,
    /// Whether there are more rows than the 50,000 that are counted.
    more: bool,
}

/// Get what a session costs: network, time, memory, queues and rows. Running or not, the session answers.
#[utoipa::path(get, path = "/api/v1/sessions/{session}/resources", operation_id = "sessionResources", tag = "sessions",
    params(("session" = String, Path, description = "The session's id")),
    security(("bearer" = ["read"]), ("apiKey" = ["read"])),
    responses((status = 200, body = ResourcesBody, description = "What it costs"), Always, Missing))]
async fn session_resources(
    State(state): State<AppState>,
    caller: Caller<Read>,
    Path(path): Path<SessionPath>,
) -> Result<Json<ResourcesBody>, ApiError> {
    let (id, handle) = state.session(&caller, &path.session)?;
    let resources = handle.resources().await?;
    let stored = state.store.footprint(id).await?;
    Ok(Json(ResourcesBody::of(path.session, resources, stored)))
}

impl ResourcesBody {
    fn of(session_id: String, resources: Resources, stored: Footprint) -> Self {
        let Footprint { rows, bytes, more } = stored;
        Self {
            session_id,
            traffic: resources.traffic.into(),
            connection: resources.connection.map(Into::into),
            connects: resources.connects,
            reconnects: resources.reconnects,
            cpu_us: resources.cpu_us,
            operations: resources.operations.into(),
            mailbox_wait_us: resources.mailbox_wait_us,
            client: resources.client.map(Into::into),
            stored: StoredBody { rows, bytes, more },
        }
    }
}

impl From<Traffic> for TrafficBody {
    fn from(traffic: Traffic) -> Self {
        let Traffic { bytes_in, bytes_out, frames_in, frames_out } = traffic;
        Self { bytes_in, bytes_out, frames_in, frames_out }
    }
}

impl From<Connection> for ConnectionBody {
    fn from(connection: Connection) -> Self {
        Self { since: connection.since, traffic: connection.traffic.into() }
    }
}

impl From<Operations> for OperationsBody {
    fn from(operations: Operations) -> Self {
        let Operations { running, running_limit, waiting, waiting_limit } = operations;
        Self { running, running_limit, waiting, waiting_limit }
    }
}

impl From<ClientResources> for ClientBody {
    fn from(client: ClientResources) -> Self {
        Self {
            built_at: client.built_at,
            caches: client.caches.map(Into::into),
            queues: client.queues.map(Into::into),
        }
    }
}

impl From<Caches> for CachesBody {
    fn from(caches: Caches) -> Self {
        Self {
            groups: caches.groups.into(),
            devices: caches.devices.into(),
            addresses: caches.addresses.into(),
            sender_key_devices: caches.sender_key_devices.into(),
            recipients: caches.recipients.into(),
            sent_messages: caches.sent_messages.into(),
            signal_sessions: caches.signal_sessions.into(),
            signal_identities: caches.signal_identities.into(),
            sender_keys: caches.sender_keys.into(),
            notes: caches.notes,
            total_bytes: caches.total_bytes,
        }
    }
}

impl From<Cache> for CacheBody {
    fn from(cache: Cache) -> Self {
        Self { entries: cache.entries, bytes: cache.bytes }
    }
}

impl From<Queues> for QueuesBody {
    fn from(queues: Queues) -> Self {
        Self {
            unanswered: queues.unanswered,
            acknowledgements: queues.acknowledgements,
            retries: queues.retries,
            history: queues.history.into(),
        }
    }
}
