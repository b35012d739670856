//! Keys and codes that are the same in every run.

use wharf_sandbox::{Config, NewGroup, Sandbox};
use whatsapp_rust::request::InfoQuery;
use whatsapp_rust::wacore_binary::NodeContent;
use whatsapp_rust::{Jid, NodeBuilder, Server};

use crate::client::Device;

async fn seeded(seed: Option<u64>) -> Sandbox {
    Sandbox::start(Config { seed, ..Config::default() }).await.unwrap()
}

/// What a client gets for its requests in a server that has done these things.
#[derive(Debug, PartialEq)]
struct Told {
    addresses: Vec<String>,
    groups: Vec<String>,
    codes: Vec<String>,
    qr: String,
    keys: Vec<Vec<u8>>,
    call: String,
    message: String,
}

async fn told(seed: Option<u64>) -> Told {
    let sandbox = seeded(seed).await;
    let phones = ["boss", "shop", "mia"].map(|name| sandbox.add_phone(name));
    let addresses = phones.iter().map(|phone| phone.number().unwrap()).collect();
    let crew = sandbox.add_group(NewGroup::new("Crew").owner("boss").admin("shop").member("mia"));
    let town = sandbox.add_group(NewGroup::new("Town").owner("boss").community());
    let mut codes = vec![crew.invite_code(), town.invite_code()];
    crew.resets_invite();
    crew.sets_description("text");
    codes.extend([crew.invite_code(), crew.description_id().unwrap()]);

    let shop = Device::starts(&sandbox.ws_url()).await;
    let qr = shop.qr().await;
    sandbox.phone("shop").scans(&qr).await.unwrap();
    shop.connects().await;
    let boss: Jid =
        format!("{}@s.whatsapp.net", sandbox.phone("boss").number().unwrap()).parse().unwrap();
    let mut keys = keys(&shop, &boss).await;
    sandbox.phone("boss").reinstalls();
    keys.extend(self::keys(&shop, &boss).await);
    let call = sandbox.phone("boss").calls("shop", false).unwrap();
    let message = sandbox.phone("boss").sends("shop", "hello").await.unwrap();
    // The rest of it is the client's own.
    let qr = qr.split(',').next().unwrap().to_owned();
    Told { addresses, groups: vec![crew.gid(), town.gid()], codes, qr, keys, call, message }
}

/// What the phone of somebody shows of its keys.
async fn keys(by: &Device, phone: &Jid) -> Vec<Vec<u8>> {
    let user = NodeBuilder::new("user").attr("jid", phone).build();
    let content = NodeContent::Nodes(vec![NodeBuilder::new("key").children([user]).build()]);
    let query = InfoQuery::get("encrypt", Jid::new("", Server::Pn), Some(content));
    let answer = by.client.send_iq(query).await.unwrap().to_owned_node();
    let user = answer.get_optional_child_by_tag(&["list", "user"]).unwrap();
    let bytes = |path: &[&str]| match &user.get_optional_child_by_tag(path).unwrap().content {
        Some(NodeContent::Bytes(bytes)) => bytes.clone(),
        other => panic!("no bytes: {other:?}"),
    };
    let paths: [&[&str]; 4] =
        [&["registration"], &["identity"], &["skey", "value"], &["skey", "signature"]];
    paths.map(bytes).into()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seed_makes_numbers_keys_and_codes_the_same_in_every_run() {
    let (first, again) = tokio::join!(told(Some(7)), told(Some(7)));
    assert_eq!(first, again);
    assert_eq!(first.keys.len(), 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_seed_or_none_makes_other_keys_and_codes() {
    let all = tokio::join!(told(Some(7)), told(Some(8)), told(None), told(None));
    let all = [all.0, all.1, all.2, all.3];
    for (number, one) in all.iter().enumerate() {
        for other in &all[number + 1..] {
            // Numbers are given out in order in any case.
            assert_eq!((&one.addresses, &one.groups), (&other.addresses, &other.groups));
            assert!(one.codes.iter().zip(&other.codes).all(|(one, other)| one != other));
            assert!(one.keys[1] != other.keys[1] && one.keys[5] != other.keys[5]);
            assert!(one.qr != other.qr && one.call != other.call && one.message != other.message);
        }
        assert_ne!(one.keys[..4], one.keys[4..], "a phone that was set up anew");
    }
}
