//! `w:m`: where media are stored, and the authorization for it.

use wacore_binary::Node;
use wacore_binary::builder::NodeBuilder;

use super::kind::Kind;
use super::seal::AUTH_TTL;
use super::store::Store;
use crate::stanza;
use crate::state::{AccountId, DeviceAddr, State};

/// Seconds for which a client may keep the answer; wacore `iq/mediaconn.rs` takes the lesser of this and the other.
const TTL: u32 = 21_600;

/// Answers a request for the media connection; `None` for everything else in this namespace.
pub(crate) fn answer(state: &mut State, from: DeviceAddr, iq: &Node) -> Option<Node> {
    let asks = stanza::attr(iq, "type").as_deref() == Some("set");
    iq.get_optional_child("media_conn").filter(|_| asks)?;
    let now = state.clock.now();
    Some(stanza::result_with(iq, connection(&mut state.media, from.account, now)))
}

/// The one host is named twice: Baileys tries another authorization with the next host alone, and reads
/// `maxContentLengthBytes`.
fn connection(store: &mut Store, account: AccountId, now: i64) -> Node {
    let auth = store.authorize(account, now);
    let host = |kind| {
        let kinds = Kind::NAMES.map(|name| NodeBuilder::new(name).build());
        let upload = NodeBuilder::new("upload").build();
        NodeBuilder::new("host")
            .attr("hostname", store.host())
            .attr("type", kind)
            .attr("maxContentLengthBytes", store.limits().largest)
            .children([upload, NodeBuilder::new("download").children(kinds).build()])
            .build()
    };
    NodeBuilder::new("media_conn")
        .attr("auth", auth)
        .attr("ttl", TTL)
        .attr("auth_ttl", AUTH_TTL)
        .attr("max_buckets", 12)
        .children(["primary", "fallback"].map(host))
        .build()
}

#[cfg(test)]
mod tests {
    use wacore::iq::mediaconn::MediaConnSpec;
    use wacore::iq::spec::IqSpec;

    use super::*;

    const SOMEBODY: DeviceAddr = DeviceAddr { account: AccountId(0), device: 1 };

    fn request(kind: &'static str, child: &'static str) -> Node {
        let child = NodeBuilder::new(child).build();
        NodeBuilder::new("iq").attr("type", kind).attr("id", "1").children([child]).build()
    }

    #[test]
    fn a_client_reads_the_host_and_an_authorization_that_is_good() {
        let mut state = State::default();
        state.media.open("localhost:1".into(), super::super::Limits { room: 9, largest: 9 });
        let reply = answer(&mut state, SOMEBODY, &request("set", "media_conn")).expect("an answer");
        let read = MediaConnSpec::new().parse_response(&reply.as_node_ref()).expect("a connection");
        assert!(
            read.hosts.len() == 2 && read.hosts.iter().all(|host| host.hostname == "localhost:1")
        );
        let now = state.clock.now();
        assert!(state.media.admits(&read.auth, now) && !state.media.admits("other", now));
        assert_eq!(read.auth_ttl, u64::try_from(AUTH_TTL).ok());
    }

    #[test]
    fn nothing_else_is_answered_here() {
        let mut state = State::default();
        assert!(answer(&mut state, SOMEBODY, &request("get", "media_conn")).is_none());
        assert!(answer(&mut state, SOMEBODY, &request("set", "media")).is_none());
    }
}
