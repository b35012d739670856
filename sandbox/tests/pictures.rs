//! Profile and group pictures, as a real client sees them.

use reqwest::Method;
use serde_json::{Value, json};
use wharf_sandbox::{NewGroup, Sandbox};
use whatsapp_rust::Jid;
use whatsapp_rust::PictureType;
use whatsapp_rust::types::events::Event;
use whatsapp_rust::wacore::iq::contacts::{ProfilePictureSpec, SetProfilePictureSpec};

use crate::client::{Device, refusal};
use crate::control::{Control, error};
use crate::groups::{crew, links, subject};
use crate::media::Host;

/// The beginning of a JPEG, and something to tell it by.
fn jpeg(mark: u8) -> Vec<u8> {
    vec![0xFF, 0xD8, 0xFF, 0xE0, mark]
}

/// The phone number of an account.
fn number(sandbox: &Sandbox, phone: &str) -> Jid {
    Jid::pn(sandbox.phone(phone).number().unwrap())
}

/// The bytes behind an address.
async fn fetched(sandbox: &Sandbox, url: &str) -> (u16, Vec<u8>) {
    let answer = Host::of(sandbox).get(url.strip_prefix(&sandbox.media_url()).unwrap(), None).await;
    (answer.status, answer.body)
}

/// A picture that changed: whose, by whom, and its id if there still is one.
async fn hears(device: &Device) -> (Jid, Option<Jid>, Option<String>) {
    device
        .sees(|event| match event {
            Event::PictureUpdate(update) => {
                assert_eq!(update.removed, update.picture_id.is_none());
                Some((update.jid.clone(), update.author.clone(), update.picture_id.clone()))
            }
            _ => None,
        })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_is_set_seen_by_others_and_removed() {
    let (sandbox, _) = crew().await;
    let (shop, mia) = (links(&sandbox, "shop").await, links(&sandbox, "mia").await);
    let of_shop = number(&sandbox, "shop");
    let contacts = mia.client.contacts();
    assert!(contacts.get_profile_picture(&of_shop, false).await.unwrap().is_none());

    let set = shop.client.profile().set_profile_picture(jpeg(1)).await.unwrap();
    assert_eq!(hears(&mia).await, (of_shop.clone(), None, Some(set.id.clone())));
    let lid: Jid = sandbox.phone("shop").devices()[0].lid.parse().unwrap();
    for (jid, preview) in [(&of_shop, false), (&of_shop, true), (&lid.to_non_ad(), false)] {
        let seen = contacts.get_profile_picture(jid, preview).await.unwrap().unwrap();
        assert_eq!(seen.id, set.id);
        assert!(seen.url.contains(seen.direct_path.as_deref().unwrap()));
        assert_eq!(fetched(&sandbox, &seen.url).await, (200, jpeg(1)));
    }
    assert_eq!(sandbox.phone("shop").picture(), Some(jpeg(1)));

    shop.client.profile().remove_profile_picture().await.unwrap();
    assert_eq!(hears(&mia).await, (of_shop.clone(), None, None));
    assert!(contacts.get_profile_picture(&of_shop, false).await.unwrap().is_none());
    let journal = sandbox.journal();
    let entries: Vec<_> = journal.iter().filter(|one| one.operation == "account.picture").collect();
    assert_eq!(entries.len(), 2);
    assert_eq!(entries[0].detail["id"].to_string(), set.id);
    assert_eq!((entries[1].account.as_str(), &entries[1].detail["id"]), ("shop", &Value::Null));
    assert_eq!(sandbox.unknown_iqs(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_accounts_other_device_hears_of_it_and_the_one_that_did_it_does_not() {
    let (sandbox, gid) = crew().await;
    let (first, second) = (links(&sandbox, "shop").await, links(&sandbox, "shop").await);
    first.client.profile().set_profile_picture(jpeg(1)).await.unwrap();
    assert_eq!(hears(&second).await.0, number(&sandbox, "shop"));
    // The next that the first device hears is what came after it.
    sandbox.group(&gid.to_string()).sets_subject("Later");
    let next = first.sees(|event| match event {
        Event::PictureUpdate(_) => Some("picture"),
        Event::GroupUpdate(_) => Some("group"),
        _ => None,
    });
    assert_eq!(next.await, "group");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_that_the_client_has_is_not_told_again() {
    let (sandbox, _) = crew().await;
    let mia = links(&sandbox, "mia").await;
    sandbox.phone("shop").sets_picture(&jpeg(1));
    let mut spec = ProfilePictureSpec::full(&number(&sandbox, "shop"));
    let seen = mia.client.execute(spec.clone()).await.unwrap().unwrap();
    spec.existing_id = Some(seen.id.clone());
    assert!(mia.client.execute(spec.clone()).await.unwrap().is_none());

    sandbox.phone("shop").sets_picture(&jpeg(2));
    let newer = mia.client.execute(spec).await.unwrap().unwrap();
    assert_ne!(newer.id, seen.id);
    assert_eq!(fetched(&sandbox, &newer.url).await, (200, jpeg(2)));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_see_a_picture_gets_401_and_where_there_is_none_404() {
    let (sandbox, _) = crew().await;
    let (shop, mia) = (links(&sandbox, "shop").await, links(&sandbox, "mia").await);
    let of_shop = ProfilePictureSpec::full(&number(&sandbox, "shop"));
    let asks = async |spec: &ProfilePictureSpec| {
        let answer = mia.client.execute(spec.clone()).await;
        answer.map(|picture| picture.is_some()).map_err(|failure| refusal(&failure).unwrap())
    };
    assert_eq!(asks(&of_shop).await, Err(404));
    assert_eq!(asks(&ProfilePictureSpec::full(&Jid::pn("15559999999"))).await, Err(404));
    assert_eq!(asks(&ProfilePictureSpec::full(&Jid::group("9"))).await, Err(404));

    sandbox.phone("shop").sets_picture(&jpeg(1));
    sandbox.phone("shop").sets_privacy("profile", "none");
    assert_eq!(asks(&of_shop).await, Err(401));
    assert!(shop.client.execute(of_shop.clone()).await.unwrap().is_some());
    sandbox.phone("shop").sets_privacy("profile", "all");
    assert_eq!(asks(&of_shop).await, Ok(true));
    sandbox.phone("shop").blocks("mia", true);
    assert_eq!(asks(&of_shop).await, Err(401));

    let others = sandbox.add_group(NewGroup::new("Others").owner("boss"));
    others.sets_picture(&jpeg(2));
    assert_eq!(asks(&ProfilePictureSpec::full(&others.gid().parse().unwrap())).await, Err(401));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_image_or_not_ones_own_is_refused() {
    let (sandbox, _) = crew().await;
    let shop = links(&sandbox, "shop").await;
    let failed = shop.client.profile().set_profile_picture(b"\x89PNG".to_vec()).await.unwrap_err();
    assert_eq!(refusal(&failed), Some(406));
    let mut of_mia = SetProfilePictureSpec::set_own(jpeg(1));
    of_mia.target = Some(number(&sandbox, "mia"));
    assert_eq!(refusal(&shop.client.execute(of_mia).await.unwrap_err()), Some(403));
    let mut own = SetProfilePictureSpec::set_own(jpeg(1));
    own.target = Some(number(&sandbox, "shop"));
    shop.client.execute(own).await.unwrap();
    assert_eq!(sandbox.phone("mia").picture(), None);
    assert_eq!(sandbox.phone("shop").picture(), Some(jpeg(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_groups_picture_is_set_by_those_who_may_and_its_members_hear_by_whom() {
    let (sandbox, gid) = crew().await;
    let (shop, mia) = (links(&sandbox, "shop").await, links(&sandbox, "mia").await);
    let lever = sandbox.group(&gid.to_string());
    let set = mia.client.groups().set_profile_picture(&gid, jpeg(1)).await.unwrap();
    let author: Jid = sandbox.phone("mia").devices()[0].lid.parse().unwrap();
    let author = author.to_non_ad();
    assert_eq!(hears(&shop).await, (gid.clone(), Some(author), Some(set.id.clone())));
    assert_eq!(lever.picture(), Some(jpeg(1)));

    lever.sets_locked(true);
    let groups = mia.client.groups();
    let locked = groups.set_profile_picture(&gid, jpeg(2)).await.unwrap_err();
    assert_eq!(refusal(&locked), Some(403));
    assert_eq!(refusal(&groups.remove_profile_picture(&gid).await.unwrap_err()), Some(403));
    let seen = mia.client.contacts().get_profile_picture(&gid, true).await.unwrap().unwrap();
    assert_eq!(fetched(&sandbox, &seen.url).await, (200, jpeg(1)));

    shop.client.groups().remove_profile_picture(&gid).await.unwrap();
    let (of, by, id) = hears(&mia).await;
    assert!(of == gid && by.is_some() && id.is_none());
    assert_eq!(lever.picture(), None);

    lever.removes("mia");
    let gone = groups.set_profile_picture(&gid, jpeg(3)).await.unwrap_err();
    assert_eq!(refusal(&gone), Some(403));
    let unknown = groups.set_profile_picture(&Jid::group("9"), jpeg(3)).await.unwrap_err();
    assert_eq!(refusal(&unknown), Some(404));
    groups.set_subject(&gid, subject("No")).await.unwrap_err();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pictures_of_many_groups_are_read_at_once() {
    let (sandbox, gid) = crew().await;
    let mia = links(&sandbox, "mia").await;
    sandbox.group(&gid.to_string()).sets_picture(&jpeg(1));
    let bare = sandbox.add_group(NewGroup::new("Bare").owner("mia")).gid().parse().unwrap();
    let foreign = sandbox.add_group(NewGroup::new("Foreign").owner("boss"));
    foreign.sets_picture(&jpeg(2));
    let foreign: Jid = foreign.gid().parse().unwrap();
    let asked = [gid.clone(), bare, foreign, Jid::group("9")];
    let groups = mia.client.groups();
    let read = groups.get_profile_pictures(asked.to_vec(), PictureType::Image).await.unwrap();
    assert_eq!(read.iter().map(|one| &one.group_jid).collect::<Vec<_>>(), asked.each_ref());
    assert_eq!(fetched(&sandbox, read[0].url.as_deref().unwrap()).await, (200, jpeg(1)));
    assert!(read[0].photo_id.is_some() && read[0].direct_path.is_some());
    assert!(read[1..].iter().all(|one| one.url.is_none() && one.photo_id.is_none()));
    let none = groups.get_profile_pictures(Vec::new(), PictureType::Preview).await.unwrap_err();
    assert_eq!(refusal(&none), Some(400));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_outlives_its_address() {
    let (sandbox, _) = crew().await;
    let mia = links(&sandbox, "mia").await;
    sandbox.phone("shop").sets_picture(&jpeg(1));
    let of_shop = number(&sandbox, "shop");
    let contacts = mia.client.contacts();
    let seen = contacts.get_profile_picture(&of_shop, false).await.unwrap().unwrap();
    sandbox.expires_media(seen.direct_path.as_deref().unwrap());
    assert_eq!(fetched(&sandbox, &seen.url).await.0, 410);
    let again = contacts.get_profile_picture(&of_shop, false).await.unwrap().unwrap();
    assert_eq!(again.id, seen.id);
    assert_eq!(fetched(&sandbox, &again.url).await, (200, jpeg(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_are_set_over_http() {
    let control = Control::start().await;
    let gid = control.crew().await;
    let put = async |path: &str, body: Vec<u8>| {
        let response = control.request(Method::PUT, path).body(body).send().await.unwrap();
        (response.status().as_u16(), response.json::<Value>().await.unwrap())
    };
    let group = format!("/admin/groups/{gid}/picture");
    for path in ["/admin/phones/shop/picture", &format!("{group}?by=mia"), group.as_str()] {
        let (status, set) = put(path, jpeg(1)).await;
        assert!(status == 200 && set["id"].is_u64(), "{set}");
        let read = control.request(Method::GET, path).send().await.unwrap();
        assert_eq!(read.bytes().await.unwrap(), jpeg(1));
    }
    for path in ["/admin/phones/shop/picture", &group] {
        assert_eq!(control.send(Method::DELETE, path, json!({})).await.1, json!({ "id": null }));
        assert_eq!(control.get(path).await.0, 404);
    }

    control.sandbox.group(&gid).sets_locked(true);
    for (path, body, status, named) in [
        ("/admin/phones/shop/picture", &b"PNG"[..], 400, "picture"),
        ("/admin/phones/shop/picture", b"", 400, "body"),
        ("/admin/phones/nobody/picture", &jpeg(1), 404, "name"),
        (&format!("{group}?by=mia"), &jpeg(1), 403, "picture"),
        (&format!("{group}?by=nobody"), &jpeg(1), 404, "by"),
        ("/admin/groups/9@g.us/picture", &jpeg(1), 404, "9@g.us"),
    ] {
        let (refused, answer) = put(path, body.to_vec()).await;
        assert_eq!(refused, status, "{path}: {answer}");
        assert!(error(&answer).contains(named), "{path}: {answer}");
    }
}
