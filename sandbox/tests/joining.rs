//! Coming into a group: by its link, with an admin's leave, invited by name; and what else its settings say.

use whatsapp_rust::types::events::Event;
use whatsapp_rust::wacore::stanza::groups::GroupNotificationAction as Action;
use whatsapp_rust::{
    BatchGroupResult, Jid, JoinGroupResult, MemberAddMode, MembershipApprovalMode,
};

use crate::client::{Device, refusal};
use crate::groups::{crew, links};

async fn hears<T>(device: &Device, pick: impl Fn(&Action) -> Option<T>) -> T {
    device
        .sees(|event| match event {
            Event::GroupUpdate(update) => pick(&update.action),
            _ => None,
        })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_shows_the_group_and_leads_into_it() {
    let (sandbox, gid) = crew().await;
    let group = sandbox.group(&gid.to_string());
    sandbox.add_phone("bob");
    let (shop, bob) = (links(&sandbox, "shop").await, links(&sandbox, "bob").await);
    let code = group.invite_code();
    let shown = bob.client.groups().get_invite_info(&code).await.unwrap();
    assert_eq!((shown.id, shown.subject.as_str()), (gid.clone(), "Crew"));
    let joined = bob.client.groups().join_with_invite_code(&code).await.unwrap();
    assert!(matches!(joined, JoinGroupResult::Joined(at) if at == gid));
    let who = hears(&shop, |action| match action {
        Action::Add { participants, reason } => Some((participants[0].jid.clone(), reason.clone())),
        _ => None,
    });
    assert_eq!(who.await, (bob.lid(), Some("invite".to_owned())));
    let again = bob.client.groups().join_with_invite_code(&code).await.unwrap_err();
    assert_eq!(refusal(&again), Some(409));
    let sent = shop.client.send_text(gid, "welcome").await.unwrap();
    assert_eq!(shop.answered(&sent.message_id).await, None);
    assert_eq!(bob.reads().await.text, "welcome");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_was_revoked_or_never_was_leads_nowhere() {
    let (sandbox, gid) = crew().await;
    let group = sandbox.group(&gid.to_string());
    sandbox.add_phone("bob");
    let bob = links(&sandbox, "bob").await;
    let old = group.invite_code();
    group.resets_invite();
    for (code, expected) in [(old.as_str(), 410), ("AAAAAAAAAAAAAAAAAAAAAA", 401)] {
        let shown = bob.client.groups().get_invite_info(code).await.unwrap_err();
        assert_eq!(refusal(&shown), Some(expected));
        let joined = bob.client.groups().join_with_invite_code(code).await.unwrap_err();
        assert_eq!(refusal(&joined), Some(expected));
    }
    assert!(group.members().iter().all(|(name, _)| name != "bob"));
}

#[tokio::test(flavor = "multi_thread")]
async fn with_approval_on_admins_hear_who_asks_and_let_them_in_or_not() {
    let (sandbox, gid) = crew().await;
    let group = sandbox.group(&gid.to_string());
    sandbox.add_phone("bob");
    sandbox.add_phone("eve");
    let (shop, mia) = (links(&sandbox, "shop").await, links(&sandbox, "mia").await);
    let (bob, eve) = (links(&sandbox, "bob").await, links(&sandbox, "eve").await);
    let groups = shop.client.groups();
    groups.set_membership_approval(gid.clone(), MembershipApprovalMode::On).await.unwrap();
    for asker in [&bob, &eve] {
        let asked = asker.client.groups().join_with_invite_code(&group.invite_code()).await;
        assert!(matches!(asked.unwrap(), JoinGroupResult::PendingApproval(at) if at == gid));
        let who = hears(&shop, |action| match action {
            Action::CreatedMembershipRequests { requests, .. } => Some(requests[0].jid.clone()),
            _ => None,
        });
        assert_eq!(who.await, asker.lid());
    }
    let again = bob.client.groups().join_with_invite_code(&group.invite_code()).await;
    assert_eq!(refusal(&again.unwrap_err()), Some(409));
    let asking = groups.get_membership_requests(gid.clone()).await.unwrap();
    assert_eq!(asking.iter().map(|one| &one.jid).collect::<Vec<_>>(), [&bob.lid(), &eve.lid()]);
    let denied = mia.client.groups().get_membership_requests(gid.clone()).await.unwrap_err();
    assert_eq!(refusal(&denied), Some(403));

    let stranger = mia.lid();
    let fates = groups.approve_membership_requests(gid.clone(), &[bob.lid(), stranger]).await;
    let errors: Vec<_> = fates.unwrap().into_iter().map(|fate| fate.error).collect();
    assert_eq!(errors, [None, Some("404".to_owned())]);
    groups.reject_membership_requests(gid.clone(), &[eve.lid()]).await.unwrap();
    let gone = hears(&eve, |action| match action {
        Action::RevokedMembershipRequests { participants } => Some(participants.clone()),
        _ => None,
    });
    assert_eq!(gone.await, [eve.lid()]);
    assert!(group.requests().is_empty());
    let names: Vec<String> = group.members().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["boss", "shop", "mia", "bob"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_lets_nobody_add_them_is_invited_by_name() {
    let (sandbox, gid) = crew().await;
    let group = sandbox.group(&gid.to_string());
    sandbox.add_phone("bob");
    sandbox.add_phone("eve");
    sandbox.phone("bob").sets_privacy("groupadd", "none");
    let (shop, bob) = (links(&sandbox, "shop").await, links(&sandbox, "bob").await);
    let eve = links(&sandbox, "eve").await;
    let fates = shop.client.groups().add_participants(gid.clone(), &[bob.lid()]).await.unwrap();
    let invited = fates[0].add_request.clone().expect("an invitation");
    assert_eq!(fates[0].error.as_deref(), Some("403"));
    assert!(group.members().iter().all(|(name, _)| name != "bob"));

    let (admin, until) = (shop.lid(), i64::try_from(invited.expiration).unwrap());
    let code = invited.code.as_str();
    for (who, code, admin) in
        [(&eve, code, &admin), (&bob, "AAAA", &admin), (&bob, code, &eve.lid())]
    {
        let groups = who.client.groups();
        let refused = groups.join_with_invite_v4(gid.clone(), code, until, admin).await;
        assert_eq!(refusal(&refused.unwrap_err()), Some(401));
    }
    let joined = bob.client.groups().join_with_invite_v4(gid.clone(), code, until, &admin).await;
    assert!(matches!(joined.unwrap(), JoinGroupResult::Joined(at) if at == gid));
    let used = bob.client.groups().join_with_invite_v4(gid.clone(), code, until, &admin).await;
    assert_eq!(refusal(&used.unwrap_err()), Some(401));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_is_gone_with_the_rights_of_who_invited() {
    let (sandbox, gid) = crew().await;
    let group = sandbox.group(&gid.to_string());
    sandbox.add_phone("bob");
    sandbox.phone("bob").sets_privacy("groupadd", "none");
    let (shop, bob) = (links(&sandbox, "shop").await, links(&sandbox, "bob").await);
    let fates = shop.client.groups().add_participants(gid.clone(), &[bob.lid()]).await.unwrap();
    let invited = fates[0].add_request.clone().expect("an invitation");
    let (admin, until) = (shop.lid(), i64::try_from(invited.expiration).unwrap());
    let accepts = async || {
        let groups = bob.client.groups();
        groups.join_with_invite_v4(gid.clone(), &invited.code, until, &admin).await
    };
    group.demotes("shop");
    assert_eq!(refusal(&accepts().await.unwrap_err()), Some(410));
    group.promotes("shop");
    group.removes("shop");
    assert_eq!(refusal(&accepts().await.unwrap_err()), Some(410));
    // A plain member's word is enough where all may add.
    group.adds("shop");
    group.lets_all_add(true);
    accepts().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn members_add_others_only_where_they_may() {
    let (sandbox, gid) = crew().await;
    sandbox.add_phone("bob");
    let (shop, mia) = (links(&sandbox, "shop").await, links(&sandbox, "mia").await);
    let bob = [Jid::pn(sandbox.phone("bob").number().unwrap())];
    let groups = mia.client.groups();
    let denied = groups.add_participants(gid.clone(), &bob).await.unwrap_err();
    assert_eq!(refusal(&denied), Some(403));
    let all = MemberAddMode::AllMemberAdd;
    shop.client.groups().set_member_add_mode(gid.clone(), all).await.unwrap();
    let heard = hears(&mia, |action| match action {
        Action::MemberAddMode { mode } => Some(mode.clone()),
        _ => None,
    });
    assert_eq!(heard.await, "all_member_add");
    assert_eq!(groups.add_participants(gid.clone(), &bob).await.unwrap()[0].error, None);
    let denied = groups.set_member_add_mode(gid.clone(), MemberAddMode::AdminAdd).await;
    assert_eq!(refusal(&denied.unwrap_err()), Some(403));
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_set_to_disappear_and_everybody_hears_of_it() {
    let (sandbox, gid) = crew().await;
    let (shop, mia) = (links(&sandbox, "shop").await, links(&sandbox, "mia").await);
    shop.client.groups().set_ephemeral(gid.clone(), 86_400).await.unwrap();
    let span = |action: &Action| match action {
        Action::Ephemeral { expiration, .. } => Some(*expiration),
        _ => None,
    };
    assert_eq!(hears(&mia, span).await, 86_400);
    let group = mia.client.groups().get_metadata(&gid).await.unwrap();
    assert_eq!(group.ephemeral.and_then(|timer| timer.expiration), Some(86_400));
    sandbox.group(&gid.to_string()).sets_ephemeral(0);
    assert_eq!(hears(&mia, span).await, 0);
    sandbox.group(&gid.to_string()).sets_locked(true);
    let denied = mia.client.groups().set_ephemeral(gid.clone(), 86_400).await.unwrap_err();
    assert_eq!(refusal(&denied), Some(403));
}

#[tokio::test(flavor = "multi_thread")]
async fn several_groups_are_read_at_once() {
    let (sandbox, gid) = crew().await;
    let others = sandbox.add_group(wharf_sandbox::NewGroup::new("Others").owner("boss"));
    let shop = links(&sandbox, "shop").await;
    let unknown = Jid::group("120363999999999999");
    let asked = vec![gid.clone(), others.gid().parse().unwrap(), unknown];
    let read = shop.client.groups().batch_get_info(asked).await.unwrap();
    assert!(matches!(&read[0], BatchGroupResult::Full(group) if group.subject == "Crew"));
    assert!(matches!(&read[1], BatchGroupResult::Forbidden(_)));
    assert!(matches!(&read[2], BatchGroupResult::NotFound(_)));
}
