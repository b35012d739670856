//! What must not pass for a login token: each with the status, and with how often the issuer was asked on its account.

use ring::hmac;
use serde_json::{Value, json};

use super::{
    door, gateway,
    issuer::{Behaviour, Issuer, claims, now},
    list,
    signer::{Signer, message, token},
    with_headers,
};
use crate::app::{Answer, Running};

const SESSIONS: &str = "/api/v1/sessions";

/// Asserts that the token is refused as no credential at all.
#[track_caller]
fn refused(name: &str, answer: Answer) {
    assert_eq!(answer.header("www-authenticate"), Some("Bearer"), "{name}: {}", answer.body);
    answer.error(401, "unauthorized");
}

/// A gateway that has an issuer's three keys, one of each algorithm.
async fn loaded() -> (Running, Issuer, [Signer; 3]) {
    let signers = [Signer::ed25519("ed"), Signer::p256("ec"), Signer::rsa("rsa")];
    let issuer = Issuer::of(&[&signers[0], &signers[1], &signers[2]]).await;
    let gateway = gateway(issuer.settings()).await;
    list(&gateway, &signers[0].mint(&claims(&json!({})))).await.expect(200);
    assert_eq!(issuer.fetches(), 1);
    (gateway, issuer, signers)
}

/// The signer's header with these fields in place of its own; null leaves one out.
fn header(signer: &Signer, change: &Value) -> Value {
    let mut header = signer.header();
    let fields = header.as_object_mut().unwrap();
    for (name, value) in change.as_object().unwrap() {
        match value {
            Value::Null => fields.remove(name),
            _ => fields.insert(name.clone(), value.clone()),
        };
    }
    header
}

#[tokio::test]
async fn an_algorithm_that_the_key_does_not_have_is_refused_without_a_fetch() {
    let (gateway, issuer, signers) = loaded().await;
    let good = claims(&json!({"orgRole": "owner"}));
    for signer in &signers {
        for algorithm in ["none", "None", "nOnE", ""] {
            let message = message(&header(signer, &json!({"alg": algorithm})), &good);
            refused(algorithm, list(&gateway, &token(&message, b"")).await);
        }
        // The public key is known to everybody, so as a secret it is none.
        let jwk = signer.jwk().to_string().into_bytes();
        let secrets = [signer.public(), jwk, Vec::new()];
        for secret in secrets {
            for (algorithm, form) in [
                ("HS256", hmac::HMAC_SHA256),
                ("HS384", hmac::HMAC_SHA384),
                ("HS512", hmac::HMAC_SHA512),
            ] {
                // Nor is the issuer asked for a key that no algorithm of ours could use.
                for kid in [&signer.header()["kid"], &json!("unknown")] {
                    let wrong = header(signer, &json!({"alg": algorithm, "kid": kid}));
                    let message = message(&wrong, &good);
                    let tag = hmac::sign(&hmac::Key::new(form, &secret), message.as_bytes());
                    refused(algorithm, list(&gateway, &token(&message, tag.as_ref())).await);
                }
            }
        }
        // Signed as the key signs, but said to be something else.
        for algorithm in ["EdDSA", "ES256", "RS256", "RS512", "PS256", "ES384", "Ed25519"] {
            if algorithm != signer.algorithm() {
                let wrong = header(signer, &json!({"alg": algorithm}));
                refused(algorithm, list(&gateway, &signer.mint_with(&wrong, &good)).await);
            }
        }
        // Signed well by one key, in the name of another.
        for other in signers.iter().filter(|other| other.algorithm() != signer.algorithm()) {
            for header in [other.header(), header(signer, &json!({"kid": other.header()["kid"]}))] {
                let name = header.to_string();
                refused(&name, list(&gateway, &signer.mint_with(&header, &good)).await);
            }
        }
    }
    assert_eq!(issuer.asked(), ["/jwks"]);
}

#[tokio::test]
async fn a_key_that_only_the_token_names_is_not_used_and_nothing_is_fetched_from_where_it_points() {
    let (gateway, issuer, [signer, ..]) = loaded().await;
    let attacker = Signer::ed25519("ed");
    let elsewhere = Issuer::of(&[&attacker]).await;
    let url = elsewhere.url();
    let pointers = [
        json!({}),
        json!({"jku": url}),
        json!({"x5u": url}),
        json!({"jwk": attacker.jwk()}),
        json!({"x5c": ["MIIB"]}),
        json!({"jku": url, "x5u": url, "jwk": attacker.jwk()}),
    ];
    for pointer in pointers {
        let header = header(&signer, &pointer);
        let forged = attacker.mint_with(&header, &claims(&json!({})));
        refused(&pointer.to_string(), list(&gateway, &forged).await);
        // A pointer beside a good signature changes nothing either.
        let good = signer.mint_with(&header, &claims(&json!({})));
        list(&gateway, &good).await.expect(200);
    }
    assert_eq!((issuer.fetches(), elsewhere.fetches()), (1, 0));
}

#[tokio::test]
async fn a_token_that_names_no_key_is_refused_without_a_fetch() {
    let (gateway, issuer, [signer, ..]) = loaded().await;
    for kid in [json!(null), json!(""), json!(7), json!(["ed"]), json!("k".repeat(257))] {
        let header = header(&signer, &json!({"kid": kid}));
        let token = signer.mint_with(&header, &claims(&json!({})));
        refused(&kid.to_string(), list(&gateway, &token).await);
    }
    let extended = header(&signer, &json!({"crit": ["exp"]}));
    let token = signer.mint_with(&extended, &claims(&json!({})));
    refused("crit", list(&gateway, &token).await);
    assert_eq!(issuer.asked(), ["/jwks"]);
}

#[tokio::test]
async fn the_name_of_a_key_is_never_a_path() {
    let (gateway, issuer, [signer, ..]) = loaded().await;
    for kid in ["../../etc/passwd", "/dev/null", "http://127.0.0.1/", "ed\0", "ed' OR 1=1", "%65d"]
    {
        let header = header(&signer, &json!({"kid": kid}));
        refused(kid, list(&gateway, &signer.mint_with(&header, &claims(&json!({})))).await);
    }
    // The first of them was a name like any other that is not known; the rest came within a minute of it.
    assert_eq!(issuer.asked(), ["/jwks", "/jwks"]);
}

#[tokio::test]
async fn claims_that_do_not_hold_are_refused_though_the_signature_does() {
    let (gateway, issuer, signers) = loaded().await;
    let changes = [
        json!({"iss": "https://evil.example"}),
        json!({"iss": null}),
        json!({"iss": ["https://front.example"]}),
        json!({"aud": "another"}),
        json!({"aud": ["another"]}),
        json!({"aud": null}),
        json!({"exp": now() - 60}),
        json!({"exp": null}),
        json!({"exp": "never"}),
        json!({"exp": -1}),
        json!({"nbf": now() + 120}),
        json!({"nbf": "soon"}),
        json!({"iat": now() + 120}),
        json!({"iat": "soon"}),
        json!({"sub": null}),
        json!({"sub": ""}),
        json!({"sub": 7}),
    ];
    for signer in &signers {
        for change in &changes {
            let token = signer.mint(&claims(change));
            refused(&change.to_string(), list(&gateway, &token).await);
        }
        // Within the leeway, and an audience among others.
        for change in [
            json!({"exp": now() - 10}),
            json!({"nbf": now() + 10, "iat": now() + 10}),
            json!({"iat": null}),
            json!({"aud": ["another", "wharf"]}),
        ] {
            list(&gateway, &signer.mint(&claims(&change))).await.expect(200);
        }
    }
    assert_eq!(issuer.fetches(), 1);
}

#[tokio::test]
async fn a_token_that_was_touched_is_refused() {
    let (gateway, issuer, signers) = loaded().await;
    for signer in &signers {
        let good = signer.mint(&claims(&json!({})));
        let other = signer.mint(&claims(&json!({"orgRole": "owner"})));
        let parts: Vec<&str> = good.split('.').collect();
        let others: Vec<&str> = other.split('.').collect();
        let [header, payload, signature] = parts[..] else { panic!("three parts") };
        let touched = [
            format!("{header}.{}.{signature}", others[1]),
            format!("{header}.{payload}.{}", others[2]),
            format!("{header}.{payload}."),
            format!("{header}.{payload}.{}", &signature[..signature.len() - 4]),
            format!("{header}.{payload}.{signature}AAAA"),
            format!("{header}.{payload}.{signature}=="),
            format!("{header}..{signature}"),
            format!(".{payload}.{signature}"),
            format!("{header}.{payload}"),
            format!("{header}.{payload}.{signature}.{signature}"),
            format!("{header}.{payload}.{signature}.."),
            "..".to_owned(),
            "a.b.c".to_owned(),
        ];
        for token in touched {
            refused(&token, list(&gateway, &token).await);
        }
    }
    assert_eq!(issuer.fetches(), 1);
}

#[tokio::test]
async fn a_token_that_is_too_large_is_refused_before_any_work() {
    let (gateway, issuer, [signer, ..]) = loaded().await;
    let padded = |length: usize| signer.mint(&claims(&json!({"padding": "x".repeat(length)})));
    let fits = padded(5000);
    assert!(fits.len() < 8 << 10);
    list(&gateway, &fits).await.expect(200);
    for length in [8 << 10, 64 << 10] {
        refused("padding", list(&gateway, &padded(length)).await);
    }
    // Not even the name of its key was read: an unknown one would have been asked for.
    let header = header(&signer, &json!({"kid": "unknown"}));
    let large = claims(&json!({"padding": "x".repeat(8 << 10)}));
    refused("unknown", list(&gateway, &signer.mint_with(&header, &large)).await);
    assert_eq!(issuer.fetches(), 1);
}

#[tokio::test]
async fn a_token_comes_as_bearer_alone() {
    let (gateway, _issuer, signer) = door().await;
    let token = signer.mint(&claims(&json!({})));
    let bearer = format!("Bearer {token}");
    let key = gateway.key_for("default", wharf::keys::all_capabilities()).await;
    with_headers(&gateway, SESSIONS, &[("authorization", &bearer)]).await.expect(200);
    for headers in [
        &[("x-api-key", token.as_str())][..],
        &[("authorization", &bearer), ("x-api-key", &key)],
        &[("authorization", &bearer), ("x-api-key", "")],
        &[("authorization", &bearer), ("authorization", &bearer)],
        &[("authorization", &token)],
        &[("cookie", &token)],
    ] {
        refused(headers[0].0, with_headers(&gateway, SESSIONS, headers).await);
    }
    for name in ["token", "access_token", "jwt", "authorization"] {
        let path = format!("{SESSIONS}?{name}={token}");
        refused(name, with_headers(&gateway, &path, &[]).await);
    }
}

#[tokio::test]
async fn keys_of_a_set_that_are_not_for_signatures_verify_nothing() {
    let signers = [
        Signer::ed25519("enc"),
        Signer::p256("other"),
        Signer::rsa("secret"),
        Signer::ed25519("good"),
    ];
    let mut listed: Vec<Value> = signers.iter().map(Signer::jwk).collect();
    listed[0]["use"] = json!("enc");
    listed[1]["alg"] = json!("ES384");
    listed[2] = json!({"kty": "oct", "kid": "secret", "k": "c2VjcmV0", "alg": "HS256"});
    let issuer = Issuer::start(Behaviour::Keys(listed)).await;
    let gateway = gateway(issuer.settings()).await;
    list(&gateway, &signers[3].mint(&claims(&json!({})))).await.expect(200);
    for signer in &signers[..3] {
        refused(signer.algorithm(), list(&gateway, &signer.mint(&claims(&json!({})))).await);
    }
    let message = message(&json!({"alg": "HS256", "kid": "secret"}), &claims(&json!({})));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, b"secret"), message.as_bytes());
    refused("HS256", list(&gateway, &token(&message, tag.as_ref())).await);
    assert_eq!(issuer.fetches(), 2);
}
