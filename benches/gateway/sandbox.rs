//! The WhatsApp server of both sides.

use serde_json::json;
use wharf_sandbox::{Config, Sandbox};

use crate::process::Orders;

pub(crate) async fn run() {
    let sandbox = Sandbox::start(Config::default()).await.expect("the sandbox starts");
    let mut orders =
        Orders::ready(&json!({"whatsapp": sandbox.ws_url(), "control": sandbox.http_url()}));
    while orders.next().await.is_some() {}
}
