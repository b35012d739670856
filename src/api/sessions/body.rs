//! A session as callers see it.

use serde::Serialize;
use utoipa::ToSchema;
use wharf_actors::SessionView;
use wharf_storage::{Account, Reason, Session, Status};

/// A session.
#[derive(Serialize, ToSchema)]
#[schema(as = WASession)]
#[serde(rename_all = "camelCase")]
pub(super) struct SessionBody {
    id: String,
    organization_id: String,
    /// The node that runs it.
    gateway_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    #[schema(value_type = StatusName)]
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<ReasonName>)]
    status_reason: Option<&'static str>,
    /// When the status last changed, epoch milliseconds, as all times.
    since: i64,
    auto_read: bool,
    presence_typing: bool,
    rate_per_min: i64,
    rate_per_hour: i64,
    is_admin_session: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_by_user_id: Option<String>,
    created_at: i64,
    updated_at: i64,
    /// The account's phone number, digits only.
    #[serde(skip_serializing_if = "Option::is_none")]
    phone_number: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    wa_jid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    wa_lid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_connected_at: Option<i64>,
    /// When the last frame came from WhatsApp.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_inbound_at: Option<i64>,
    /// When WhatsApp last answered a probe.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_ping_ok_at: Option<i64>,
}

impl SessionBody {
    /// The session with what its running part knows.
    pub(super) fn live(view: SessionView, gateway_id: &str) -> Self {
        Self {
            last_inbound_at: view.last_inbound_at,
            last_ping_ok_at: view.last_ping_ok_at,
            ..Self::stored(view.session, gateway_id)
        }
    }

    fn stored(session: Session, gateway_id: &str) -> Self {
        let account = session.account;
        Self {
            id: session.id.to_string(),
            organization_id: session.organization,
            gateway_id: gateway_id.to_owned(),
            label: session.label,
            status: session.status.as_str(),
            status_reason: session.status_reason.map(Reason::as_str),
            since: session.since,
            auto_read: session.auto_read,
            presence_typing: session.presence_typing,
            rate_per_min: session.rate_per_min.into(),
            rate_per_hour: session.rate_per_hour.into(),
            is_admin_session: false,
            created_by_user_id: session.created_by_user,
            created_at: session.created_at,
            updated_at: session.updated_at,
            phone_number: account.as_ref().and_then(phone_number),
            wa_jid: account.as_ref().map(|account| account.jid.clone()),
            wa_lid: account.and_then(|account| account.lid),
            last_connected_at: session.last_connected_at,
            last_inbound_at: None,
            last_ping_ok_at: None,
        }
    }
}

/// The account that a session is linked with.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Me {
    session_id: String,
    #[schema(value_type = StatusName)]
    status: &'static str,
    /// Whether it is live.
    connected: bool,
    /// The account's phone number, digits only.
    #[serde(skip_serializing_if = "Option::is_none")]
    phone_number: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    wa_jid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    wa_lid: Option<String>,
}

impl Me {
    pub(super) fn of(session: Session) -> Self {
        Self {
            session_id: session.id.to_string(),
            status: session.status.as_str(),
            connected: session.status == Status::Working,
            phone_number: session.account.as_ref().and_then(phone_number),
            wa_jid: session.account.as_ref().map(|account| account.jid.clone()),
            wa_lid: session.account.and_then(|account| account.lid),
        }
    }
}

fn phone_number(account: &Account) -> Option<String> {
    account.jid.strip_suffix("@s.whatsapp.net").map(str::to_owned)
}

/// What a session is doing.
#[derive(Serialize, ToSchema)]
#[schema(as = SessionStatus)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "only the document names the variants")]
enum StatusName {
    Starting,
    ScanQrCode,
    Working,
    Failed,
    Stopped,
    LoggedOut,
}

/// Why a session failed or was logged out.
#[derive(Serialize, ToSchema)]
#[schema(as = SessionStatusReason)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "only the document names the variants")]
enum ReasonName {
    QrExpired,
    PairingTimeout,
    Replaced,
    Banned,
    ClientOutdated,
    LoggedOutByPhone,
    LoggedOutByUser,
    Dns,
    Tls,
    Connect,
    Proxy,
    CrashLoop,
    Internal,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use utoipa::PartialSchema;

    fn documented<T: PartialSchema>() -> Vec<String> {
        let schema = serde_json::to_value(T::schema()).unwrap();
        schema["enum"]
            .as_array()
            .unwrap()
            .iter()
            .map(|name: &Value| name.as_str().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn the_document_names_every_status() {
        use Status::{Failed, LoggedOut, ScanQrCode, Starting, Stopped, Working};
        let all = [Starting, ScanQrCode, Working, Failed, Stopped, LoggedOut].map(Status::as_str);
        assert_eq!(documented::<StatusName>(), all);
    }

    #[test]
    fn the_document_names_every_reason() {
        use Reason::*;
        let all = [
            QrExpired,
            PairingTimeout,
            Replaced,
            Banned,
            ClientOutdated,
            LoggedOutByPhone,
            LoggedOutByUser,
            Dns,
            Tls,
            Connect,
            Proxy,
            CrashLoop,
            Internal,
        ];
        assert_eq!(documented::<ReasonName>(), all.map(Reason::as_str));
    }
}
