//! The answering side of the Noise handshake: XX for a first contact, IK for a client that knows the server's
//! key, and `XXfallback` for one that knows an old key.

use buffa::{Message, MessageField};
use serde::{Deserialize, Serialize};
use wacore_binary::consts::{NOISE_PATTERN_IK, NOISE_PATTERN_XX, NOISE_PATTERN_XXFALLBACK};
use wacore_libsignal::protocol::KeyPair;
use wacore_noise::{HandshakeError, NoiseCipher, NoiseHandshake};
use waproto::whatsapp::cert_chain::{NoiseCertificate, noise_certificate};
use waproto::whatsapp::handshake_message::{ClientFinish, ClientHello, ServerHello};
use waproto::whatsapp::{CertChain, HandshakeMessage};

use crate::data::form::{bytes, record};
use crate::random::Source;

/// Validity of both certificates in epoch seconds. A client resumes by IK only while it lasts.
const VALID: (u64, u64) = (1_700_000_000, 4_000_000_000);

/// Why a handshake failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("a handshake message does not parse")]
    Malformed(#[from] buffa::DecodeError),
    #[error("a handshake message lacks `{0}`")]
    Missing(&'static str),
    #[error(transparent)]
    Crypto(#[from] HandshakeError),
}

/// The server's static key with its certificates.
#[derive(Serialize, Deserialize)]
pub(crate) struct Identity {
    #[serde(with = "record")]
    key: KeyPair,
    #[serde(with = "bytes")]
    chain: Vec<u8>,
    #[serde(skip)]
    source: Source,
}

/// What the server knows once the handshake is through.
pub(crate) struct Session {
    /// From the client to the server.
    pub(crate) incoming: NoiseCipher,
    /// From the server to the client.
    pub(crate) outgoing: NoiseCipher,
    /// The client's static key: its credential.
    pub(crate) client: [u8; 32],
    /// The `ClientPayload`.
    pub(crate) payload: Vec<u8>,
}

/// The first answer, and what is still needed.
pub(crate) enum Answered {
    /// IK: the client has nothing more to say.
    Done(Vec<u8>, Box<Session>),
    /// XX and its fallback: the client finishes.
    Waiting(Vec<u8>, Box<Half>),
}

/// A handshake that waits for the client's last message.
pub(crate) struct Half {
    noise: NoiseHandshake,
    ephemeral: KeyPair,
    fallback: bool,
}

impl Identity {
    /// A fresh key, the one of this number. The certificates carry zero signatures: only the real root could sign them, so clients have to
    /// be built without that check.
    pub(crate) fn generate(source: Source, number: u64) -> Self {
        let mut random = source.stream("key of the server", &number.to_be_bytes());
        let key = KeyPair::generate(&mut random);
        let chain = chain(key.public_key.public_key_bytes());
        Self { key, chain, source }
    }

    /// The server's key for one handshake.
    fn ephemeral(&self, theirs: &[u8; 32]) -> KeyPair {
        KeyPair::generate(&mut self.source.stream("handshake", theirs))
    }

    /// Answers the client's first message. `prologue` is the header that it really sent.
    pub(crate) fn answer(&self, prologue: [u8; 4], message: &[u8]) -> Result<Answered, Error> {
        let hello = HandshakeMessage::decode_from_slice(message)?
            .client_hello
            .into_option()
            .ok_or(Error::Missing("clientHello"))?;
        let theirs = key(hello.ephemeral.as_deref(), "clientHello.ephemeral")?;
        if hello.r#static.is_none() {
            return self.full(NOISE_PATTERN_XX, &prologue, &theirs);
        }
        match self.resume(&prologue, &theirs, &hello) {
            // The client encrypted to a key that is not ours: an older one.
            Err(Error::Crypto(_)) => self.full(NOISE_PATTERN_XXFALLBACK, &prologue, &theirs),
            other => other,
        }
    }

    fn full(&self, pattern: &str, prologue: &[u8], theirs: &[u8; 32]) -> Result<Answered, Error> {
        let mut noise = NoiseHandshake::new(pattern, prologue)?;
        noise.authenticate(theirs);
        let ephemeral = self.ephemeral(theirs);
        noise.authenticate(ephemeral.public_key.public_key_bytes());
        noise.mix_shared_secret(ephemeral.private_key.serialize(), theirs)?;
        let fixed = noise.encrypt(self.key.public_key.public_key_bytes())?;
        noise.mix_shared_secret(self.key.private_key.serialize(), theirs)?;
        let payload = noise.encrypt(&self.chain)?;
        let reply = hello(&ephemeral, Some(fixed), payload);
        let fallback = pattern == NOISE_PATTERN_XXFALLBACK;
        Ok(Answered::Waiting(reply, Box::new(Half { noise, ephemeral, fallback })))
    }

    fn resume(
        &self,
        prologue: &[u8],
        theirs: &[u8; 32],
        message: &ClientHello,
    ) -> Result<Answered, Error> {
        let mut noise = NoiseHandshake::new(NOISE_PATTERN_IK, prologue)?;
        noise.authenticate(self.key.public_key.public_key_bytes());
        noise.authenticate(theirs);
        noise.mix_shared_secret(self.key.private_key.serialize(), theirs)?;
        let fixed = message.r#static.as_deref().ok_or(Error::Missing("clientHello.static"))?;
        let client = key(Some(&noise.decrypt(fixed)?), "clientHello.static")?;
        noise.mix_shared_secret(self.key.private_key.serialize(), &client)?;
        let sealed = message.payload.as_deref().ok_or(Error::Missing("clientHello.payload"))?;
        let payload = noise.decrypt(sealed)?;
        let ephemeral = self.ephemeral(theirs);
        noise.authenticate(ephemeral.public_key.public_key_bytes());
        noise.mix_shared_secret(ephemeral.private_key.serialize(), theirs)?;
        noise.mix_shared_secret(ephemeral.private_key.serialize(), &client)?;
        let reply = hello(&ephemeral, None, noise.encrypt(&self.chain)?);
        Ok(Answered::Done(reply, Box::new(session(noise, client, payload)?)))
    }
}

impl Half {
    /// Whether the client had begun with an older key of the server.
    pub(crate) fn is_fallback(&self) -> bool {
        self.fallback
    }

    /// Reads the client's last message.
    pub(crate) fn finish(mut self, message: &[u8]) -> Result<Session, Error> {
        let ClientFinish { r#static, payload, .. } = HandshakeMessage::decode_from_slice(message)?
            .client_finish
            .into_option()
            .ok_or(Error::Missing("clientFinish"))?;
        let fixed = r#static.ok_or(Error::Missing("clientFinish.static"))?;
        let client = key(Some(&self.noise.decrypt(&fixed)?), "clientFinish.static")?;
        self.noise.mix_shared_secret(self.ephemeral.private_key.serialize(), &client)?;
        let payload =
            self.noise.decrypt(&payload.ok_or(Error::Missing("clientFinish.payload"))?)?;
        session(self.noise, client, payload)
    }
}

fn session(noise: NoiseHandshake, client: [u8; 32], payload: Vec<u8>) -> Result<Session, Error> {
    let (incoming, outgoing) = noise.finish()?;
    Ok(Session { incoming, outgoing, client, payload })
}

fn key(bytes: Option<&[u8]>, name: &'static str) -> Result<[u8; 32], Error> {
    bytes.and_then(|bytes| bytes.try_into().ok()).ok_or(Error::Missing(name))
}

fn hello(ephemeral: &KeyPair, fixed: Option<Vec<u8>>, payload: Vec<u8>) -> Vec<u8> {
    let hello = ServerHello {
        ephemeral: Some(ephemeral.public_key.public_key_bytes().to_vec()),
        r#static: fixed,
        payload: Some(payload),
        ..Default::default()
    };
    HandshakeMessage { server_hello: MessageField::some(hello), ..Default::default() }
        .encode_to_vec()
}

/// An intermediate certificate (issued by serial 0, the root) and the server's own, issued by it.
fn chain(server: &[u8]) -> Vec<u8> {
    let certificate = |serial: u32, key: &[u8]| {
        let details = noise_certificate::Details {
            serial: Some(serial),
            issuer_serial: Some(serial - 1),
            key: Some(key.to_vec()),
            not_before: Some(VALID.0),
            not_after: Some(VALID.1),
        };
        MessageField::some(NoiseCertificate {
            details: Some(details.encode_to_vec()),
            signature: Some(vec![0; 64]),
        })
    };
    CertChain { intermediate: certificate(1, &[0xCC; 32]), leaf: certificate(2, server) }
        .encode_to_vec()
}

#[cfg(test)]
mod tests {
    use wacore_noise::{
        IkHandshakeState, IkServerHelloOutcome, XxFallbackHandshakeState, XxHandshakeState,
    };

    use super::*;
    use crate::random::Stream;

    const PROLOGUE: [u8; 4] = [b'W', b'A', 6, 3];

    fn waiting(answered: Answered) -> (Vec<u8>, Half) {
        match answered {
            Answered::Waiting(reply, half) => (reply, *half),
            Answered::Done(..) => panic!("expected to wait for the client"),
        }
    }

    fn assert_connected(server: &Session, client: &KeyPair, write: &NoiseCipher) {
        assert_eq!(server.client, client.public_key.public_key_bytes());
        assert_eq!(server.payload, b"payload");
        let mut sealed = write.encrypt_with_counter(0, b"stanza").expect("encrypts");
        server.incoming.decrypt_in_place_with_counter(0, &mut sealed).expect("the same key");
        assert_eq!(sealed, b"stanza");
    }

    #[test]
    fn a_first_contact_is_a_full_handshake() {
        let (server, client) =
            (Identity::generate(Source::default(), 1), KeyPair::generate(&mut Stream::default()));
        let mut state = XxHandshakeState::new(client.clone(), b"payload".to_vec(), &PROLOGUE)
            .expect("a client");
        let hello = state.build_client_hello().expect("a hello");
        let (reply, half) = waiting(server.answer(PROLOGUE, &hello).expect("an answer"));
        assert!(!half.is_fallback());
        // Without the certificate bypass the client stops at the signatures; the transcript is checked up to there.
        match state.read_server_hello_and_build_client_finish(&reply) {
            Ok(finish) => {
                let session = half.finish(&finish).expect("finished");
                assert_connected(&session, &client, &state.finish().expect("keys").write_cipher);
            }
            Err(error) => assert!(error.to_string().to_lowercase().contains("cert"), "{error}"),
        }
    }

    #[test]
    fn a_known_key_resumes_in_one_round_trip() {
        let (server, client) =
            (Identity::generate(Source::default(), 1), KeyPair::generate(&mut Stream::default()));
        let public: [u8; 32] =
            server.key.public_key.public_key_bytes().try_into().expect("32 bytes");
        let mut state =
            IkHandshakeState::new(client.clone(), public, b"payload".to_vec(), &PROLOGUE)
                .expect("a client");
        let hello = state.build_client_hello().expect("a hello");
        let Answered::Done(_, session) = server.answer(PROLOGUE, &hello).expect("an answer") else {
            panic!("expected a resumption");
        };
        assert_eq!(session.client, client.public_key.public_key_bytes());
        assert_eq!(session.payload, b"payload");
    }

    #[test]
    fn an_old_key_falls_back_to_a_full_handshake() {
        let (server, client) =
            (Identity::generate(Source::default(), 1), KeyPair::generate(&mut Stream::default()));
        let mut state =
            IkHandshakeState::new(client.clone(), [9; 32], b"payload".to_vec(), &PROLOGUE)
                .expect("a client");
        let hello = state.build_client_hello().expect("a hello");
        let (reply, half) = waiting(server.answer(PROLOGUE, &hello).expect("an answer"));
        assert!(half.is_fallback());
        let Ok(IkServerHelloOutcome::Fallback(inputs)) = state.read_server_hello(&reply) else {
            panic!("the client did not see a fallback");
        };
        let mut state =
            XxFallbackHandshakeState::from_ik_failure(*inputs, &PROLOGUE).expect("a client");
        match state.build_client_finish() {
            Ok(finish) => {
                let session = half.finish(&finish).expect("finished");
                assert_connected(&session, &client, &state.finish().expect("keys").write_cipher);
            }
            Err(error) => assert!(error.to_string().to_lowercase().contains("cert"), "{error}"),
        }
    }

    #[test]
    fn another_prologue_and_garbage_are_refused() {
        let (server, client) =
            (Identity::generate(Source::default(), 1), KeyPair::generate(&mut Stream::default()));
        let state = XxHandshakeState::new(client, Vec::new(), &PROLOGUE).expect("a client");
        let hello = state.build_client_hello().expect("a hello");
        let (reply, _) = waiting(server.answer(*b"WA\x06\x02", &hello).expect("an answer"));
        let mut state = state;
        assert!(state.read_server_hello_and_build_client_finish(&reply).is_err());
        assert!(server.answer(PROLOGUE, b"garbage").is_err());
    }

    #[test]
    fn a_seed_makes_the_same_keys_and_each_number_another_one() {
        let key = |seed, number| Identity::generate(Source::of(seed), number).key.public_key;
        assert_eq!(key(Some(7), 1), key(Some(7), 1));
        for other in [key(Some(7), 2), key(Some(8), 1), key(None, 1)] {
            assert_ne!(key(Some(7), 1), other);
        }
    }
}
