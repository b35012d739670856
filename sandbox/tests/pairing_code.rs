//! Linking a device by a code that is typed into the phone, as a real client goes through it.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use wharf_sandbox::{Config, Error, Fault, Phone, Sandbox};
use whatsapp_rust::pair_code::{PairCodeOptions, PairCodeRejection, PairError};
use whatsapp_rust::types::events::Event;

use crate::client::Device;
use crate::control::{Control, error};

/// A phone, and a client that is linked to nothing yet.
pub(crate) async fn unlinked() -> (Sandbox, Phone, Device) {
    let sandbox = Sandbox::start(Config::default()).await.unwrap();
    let phone = sandbox.add_phone("shop");
    let device = Device::starts(&sandbox.ws_url()).await;
    device.qr().await;
    (sandbox, phone, device)
}

async fn asks(device: &Device, number: &str) -> Result<String, PairError> {
    let options = PairCodeOptions { phone_number: number.to_owned(), ..Default::default() };
    device.client.pair_with_code(options).await
}

/// The code that a client shows for a phone.
pub(crate) async fn shows(device: &Device, phone: &Phone) -> String {
    asks(device, &phone.number().unwrap()).await.unwrap()
}

/// A code of the same form, and not this one.
fn other_than(code: &str) -> String {
    let last = if code.ends_with('A') { "B" } else { "A" };
    format!("{}{last}", &code[..code.len() - 1])
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entered_code_links_the_client_and_it_logs_in() {
    let (sandbox, phone, device) = unlinked().await;
    let code = shows(&device, &phone).await;
    // As people copy it from a screen.
    let typed = format!("{}-{}", &code[..4].to_lowercase(), &code[4..]);
    let linked = phone.enters_code(&typed).await.unwrap();
    assert_eq!(phone.devices(), std::slice::from_ref(&linked));
    let paired = device
        .sees(|event| match event {
            Event::PairSuccess(pair) => Some(pair.id.to_string()),
            _ => None,
        })
        .await;
    assert_eq!(paired, linked.jid);
    device.connects().await;
    assert_eq!(sandbox.unknown_iqs(), 0);
    assert!(matches!(phone.enters_code(&code).await, Err(Error::NoPairingCode(_))));

    // What it was linked with it can log in with.
    let again = Device::stored_in(device.saved().await, &sandbox.ws_url()).await;
    again.connects().await;
    assert_eq!(phone.devices().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_code_opens_nothing_and_the_right_one_still_does() {
    let (_sandbox, phone, device) = unlinked().await;
    let code = shows(&device, &phone).await;
    let refused = phone.enters_code(&other_than(&code)).await;
    assert!(matches!(refused, Err(Error::WrongPairingCode)), "{refused:?}");
    assert!(phone.devices().is_empty());
    phone.enters_code(&code).await.unwrap();
    device.connects().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_needs_a_client_that_shows_it_for_this_phone() {
    let (sandbox, phone, device) = unlinked().await;
    let mia = sandbox.add_phone("mia");
    for nonsense in ["", "ABCD123", "ABCD12345", "ABCD-123O", "ÄBCD1234"] {
        let refused = phone.enters_code(nonsense).await;
        assert!(matches!(refused, Err(Error::InvalidPairingCode)), "{nonsense}: {refused:?}");
    }
    let nobody = sandbox.phone("nobody");
    assert!(matches!(nobody.enters_code("ABCD1234").await, Err(Error::NoSuchPhone(_))));
    assert!(matches!(nobody.number(), Err(Error::NoSuchPhone(_))));
    assert!(matches!(phone.enters_code("ABCD1234").await, Err(Error::NoPairingCode(_))));
    assert!(matches!(phone.expires_code(false), Err(Error::NoPairingCode(_))));
    let code = shows(&device, &phone).await;
    assert!(matches!(mia.enters_code(&code).await, Err(Error::NoPairingCode(_))));
    sandbox.refuses_connections(true);
    sandbox.drops_connections().await;
    assert!(matches!(phone.enters_code(&code).await, Err(Error::NoPairingCode(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_code_cannot_be_entered_and_the_client_is_asked_for_another() {
    let (_sandbox, phone, device) = unlinked().await;
    for by_hand in [false, true] {
        let code = shows(&device, &phone).await;
        phone.expires_code(by_hand).unwrap();
        let asked = device.sees(|event| match event {
            Event::PairingCodeRefresh(refresh) => Some(refresh.force_manual),
            _ => None,
        });
        assert_eq!(asked.await, by_hand);
        assert!(matches!(phone.enters_code(&code).await, Err(Error::PairingCodeExpired)));
        assert!(matches!(phone.expires_code(by_hand), Err(Error::PairingCodeExpired)));
    }
    let code = shows(&device, &phone).await;
    phone.enters_code(&code).await.unwrap();
    device.connects().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_for_a_code_is_refused_with_the_numbers_that_clients_know() {
    let (sandbox, phone, device) = unlinked().await;
    for (code, expected) in [
        (400, PairCodeRejection::BadRequest),
        (403, PairCodeRejection::Forbidden),
        (429, PairCodeRejection::RateOverlimit),
        (452, PairCodeRejection::FeatureNotAvailable),
        (500, PairCodeRejection::InternalServerError),
    ] {
        sandbox.fails_next("pairing.code", 1, Fault::code(code).backoff(9));
        let refused = asks(&device, &phone.number().unwrap()).await.unwrap_err();
        assert_eq!(refused.rejection(), Some(expected));
        assert_eq!(refused.backoff().map(|time| time.as_secs()), Some(9));
    }
    shows(&device, &phone).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_without_an_account_is_a_bad_request() {
    let (_sandbox, _phone, device) = unlinked().await;
    let refused = asks(&device, "15559999999").await.unwrap_err();
    assert_eq!(refused.rejection(), Some(PairCodeRejection::BadRequest));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_finish_ends_the_code_at_the_client() {
    let (sandbox, phone, device) = unlinked().await;
    let code = shows(&device, &phone).await;
    sandbox.fails_next("pairing.finish", 1, Fault::code(500));
    let rejection = async {
        device
            .sees(|event| match event {
                Event::PairingCodeError(error) => Some(error.rejection),
                _ => None,
            })
            .await
    };
    tokio::select! {
        linked = phone.enters_code(&code) => panic!("{linked:?}"),
        rejection = rejection => {
            assert_eq!(rejection, Some(PairCodeRejection::InternalServerError));
        }
    }
    assert!(phone.devices().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_that_asked_last_gets_what_the_phone_enters() {
    let (sandbox, phone, first) = unlinked().await;
    let second = Device::starts(&sandbox.ws_url()).await;
    second.qr().await;
    let older = shows(&first, &phone).await;
    let newer = shows(&second, &phone).await;
    assert!(matches!(phone.enters_code(&older).await, Err(Error::WrongPairingCode)));
    phone.enters_code(&newer).await.unwrap();
    second.connects().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_entered_over_http() {
    let control = Control::start().await;
    let phone = control.sandbox.add_phone("shop");
    let device = Device::starts(&control.sandbox.ws_url()).await;
    device.qr().await;
    let enter = async |phone: &str, code: &str| -> (StatusCode, Value) {
        let path = format!("/admin/mock-phone/enter-code?phone={phone}");
        let request = control.request(Method::POST, &path).body(code.to_owned());
        let response = request.send().await.unwrap();
        (response.status(), response.json().await.unwrap())
    };
    let expire = "/admin/phones/shop/expire-code";
    let expired = shows(&device, &phone).await;
    assert_eq!(control.post(expire, json!({})).await.1, json!({ "expired": true }));
    device.sees(|event| matches!(event, Event::PairingCodeRefresh(_)).then_some(())).await;
    assert_eq!(enter("shop", &expired).await.0, 409);
    assert_eq!(control.post(expire, json!({ "byHand": 1 })).await.0, 400);

    let code = shows(&device, &phone).await;
    for (whose, typed, status, field) in [
        ("shop", "hello", 400, "code"),
        ("nobody", code.as_str(), 404, "phone"),
        ("shop", &other_than(&code), 409, "code"),
    ] {
        let (got, refused) = enter(whose, typed).await;
        assert_eq!(got, status, "{refused}");
        assert!(error(&refused).contains(field), "{refused}");
    }
    let (status, linked) = enter("shop", &code).await;
    assert_eq!(status, 200, "{linked}");
    assert_eq!(linked["jid"], phone.devices()[0].jid);
    device.connects().await;
    assert_eq!(enter("shop", &code).await.0, 404);
    assert_eq!(control.post("/admin/phones/nobody/expire-code", json!({})).await.0, 404);
}
