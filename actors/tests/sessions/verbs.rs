//! What a caller may tell a session: stop, restart, log out, be gone.

use wharf_actors::{Error, FetchInvite, NewSession, RevokeInvite};
use wharf_sandbox::NewGroup;
use wharf_storage::{GroupJid, Reason, Status};

use crate::harbour::{DEADLINE, Harbour, sessions, until};

#[tokio::test]
async fn a_stopped_session_stays_linked_and_stopped_until_it_is_started() {
    let harbour = Harbour::opens().await;
    let session = harbour.links_a_session().await;
    for _ in 0..2 {
        let view = session.stop().await.unwrap().session;
        assert_eq!((view.status, view.status_reason), (Status::Stopped, None));
        harbour.hears(0).await;
    }
    harbour.sessions.shutdown().await;

    let sessions = sessions(&harbour.sandbox, &harbour.store).await;
    let session = sessions.find("acme", session.id()).unwrap();
    assert_eq!(session.status(), Status::Stopped);
    assert_eq!(sessions.census().wanted, 0);
    session.start().await.unwrap();
    session.reaches(Status::Working, DEADLINE).await.unwrap();
    assert_eq!(harbour.sandbox.phone("shop").devices().len(), 1);
    assert_eq!((sessions.census().wanted, sessions.census().working), (1, 1));
    sessions.shutdown().await;
}

#[tokio::test]
async fn a_restarted_session_works_again_over_one_new_connection() {
    let harbour = Harbour::opens().await;
    let session = harbour.links_a_session().await;
    for _ in 0..5 {
        let view = session.restart().await.unwrap().session;
        assert_eq!(view.status, Status::Starting);
        session.reaches(Status::Working, DEADLINE).await.unwrap();
        harbour.hears(1).await;
    }
    // However the words follow each other, the last one counts, and there is never a second connection.
    for _ in 0..10 {
        session.start().await.unwrap();
        let (stopped, restarted) = tokio::join!(session.stop(), session.restart());
        stopped.unwrap();
        restarted.unwrap();
        until("at most one connection", async || {
            (harbour.sandbox.connections() <= 1).then_some(())
        })
        .await;
    }
    session.reaches(Status::Working, DEADLINE).await.unwrap();
    assert_eq!(harbour.sandbox.phone("shop").devices().len(), 1);
    harbour.sessions.shutdown().await;
}

#[tokio::test]
async fn a_logout_unlinks_the_device_and_a_start_pairs_anew() {
    let harbour = Harbour::opens().await;
    let session = harbour.links_a_session().await;
    for _ in 0..2 {
        let view = session.logout().await.unwrap().session;
        assert_eq!(
            (view.status, view.status_reason),
            (Status::LoggedOut, Some(Reason::LoggedOutByUser))
        );
        assert_eq!(harbour.sandbox.phone("shop").devices(), []);
        harbour.hears(0).await;
    }
    assert_eq!(session.stop().await.unwrap().session.status, Status::LoggedOut);

    session.start().await.unwrap();
    let qr = until("a QR code", async || session.qr().await.ok()).await;
    harbour.sandbox.add_phone("till");
    harbour.sandbox.phone("till").scans(&qr.code).await.unwrap();
    session.reaches(Status::Working, DEADLINE).await.unwrap();
    let account = session.describe().await.unwrap().session.account.unwrap();
    let device = harbour.sandbox.phone("till").devices().remove(0).jid;
    assert_eq!(account.jid.split('@').next(), device.split(':').next());
    harbour.sessions.shutdown().await;
}

#[tokio::test]
async fn a_session_that_is_not_connected_is_logged_out_here() {
    let harbour = Harbour::opens().await;
    let session = harbour.links_a_session().await;
    session.stop().await.unwrap();
    let view = session.logout().await.unwrap().session;
    assert_eq!(view.status, Status::LoggedOut);
    assert_eq!(harbour.sandbox.phone("shop").devices().len(), 1, "nobody could tell the phone");
    harbour.sessions.shutdown().await;
}

#[tokio::test]
async fn pairing_ends_when_it_is_told_to_and_begins_again_with_a_new_code() {
    let harbour = Harbour::opens().await;
    let id = harbour.sessions.create(NewSession::begun("acme")).await.unwrap().session.id;
    let session = harbour.sessions.find("acme", id).unwrap();
    let first = until("a QR code", async || session.qr().await.ok()).await;
    assert_eq!(session.stop().await.unwrap().session.status, Status::Stopped);
    harbour.hears(0).await;
    let pending = session.qr().await;
    assert!(matches!(pending, Err(Error::QrPending { .. })), "{pending:?}");
    let second = until("another QR code", async || session.qr().await.ok()).await;
    assert_ne!(first.code, second.code);
    assert_eq!(session.logout().await.unwrap().session.status, Status::LoggedOut);
    harbour.sessions.shutdown().await;
}

#[tokio::test]
async fn a_removed_session_is_unlinked_and_leaves_nothing() {
    let harbour = Harbour::opens().await;
    harbour.sandbox.add_group(NewGroup::new("Crew").owner("boss").admin("shop"));
    let session = harbour.links_a_session().await;
    let neighbour = harbour.links_a_session().await;
    assert!(matches!(
        harbour.sessions.remove("other", session.id()).await,
        Err(Error::NotFound("session"))
    ));
    harbour.sessions.remove("acme", session.id()).await.unwrap();

    assert_eq!(harbour.sandbox.phone("shop").devices().len(), 1);
    harbour.hears(1).await;
    assert!(matches!(harbour.sessions.find("acme", session.id()), Err(Error::NotFound("session"))));
    assert!(matches!(session.start().await, Err(Error::NotFound("session"))));
    assert!(matches!(
        harbour.sessions.remove("acme", session.id()).await,
        Err(Error::NotFound("session"))
    ));
    assert!(harbour.store.session(session.id()).unwrap().is_none());
    assert!(harbour.store.groups(session.id(), None, 10).await.unwrap().is_empty());
    assert_eq!(harbour.store.groups(neighbour.id(), None, 10).await.unwrap().len(), 1);
    assert_eq!(neighbour.status(), Status::Working);
    assert_eq!(harbour.sessions.census().sessions, 1);
    harbour.sessions.shutdown().await;
}

#[tokio::test]
async fn a_revoked_link_is_replaced_by_a_new_one() {
    let harbour = Harbour::opens().await;
    let group = harbour.sandbox.add_group(NewGroup::new("Crew").owner("boss").admin("shop"));
    let gid: GroupJid = group.gid().parse().unwrap();
    let session = harbour.links_a_session().await;
    let old = session.fetch_invite(FetchInvite { group: gid.clone() }).await.unwrap();
    let new = session.revoke_invite(RevokeInvite { group: gid.clone() }).await.unwrap();
    assert!(new.starts_with("https://chat.whatsapp.com/") && new != old, "{old} -> {new}");
    assert_eq!(session.fetch_invite(FetchInvite { group: gid }).await.unwrap(), new);
    harbour.sessions.shutdown().await;
}
