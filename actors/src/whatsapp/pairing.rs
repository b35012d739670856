//! Codes that are typed on the phone.

use std::time::Duration;

use tokio::time::Instant;
use whatsapp_rust::{
    ErrorChainExt,
    pair_code::{PairCodeError, PairCodeOptions, PairError},
    wacore::pair_code::PairCodeUtils,
};

use super::{Failure, Link, refusal::refusal};
use crate::error::Refusal;

/// A code to type. It opens the account to whoever pairs with it, so it is not shown in a log.
pub(crate) struct MintedCode {
    pub(crate) code: String,
    /// How long it holds from now on.
    pub(crate) valid: Duration,
}

impl Link {
    /// Has WhatsApp link this device to the number that the phone of `number` will have typed this code on. An older code
    /// is void.
    pub(crate) async fn mint_pairing_code(&self, number: String) -> Result<MintedCode, Failure> {
        let begun = Instant::now();
        let lifetime = PairCodeUtils::code_validity();
        if self.inner.wait_for_socket(lifetime).await.is_err() {
            return Err(Failure::Timeout);
        }
        self.inner.cancel_pair_code().await;
        let options = PairCodeOptions { phone_number: number, ..PairCodeOptions::default() };
        let code = self.inner.pair_with_code(options).await.map_err(|error| failure(&error))?;
        Ok(MintedCode { code, valid: lifetime.saturating_sub(begun.elapsed()) })
    }
}

/// WhatsApp's answer in our terms. It says 400 when it limits how often a code is made for one number, and 452 when the
/// account cannot be linked in this way.
fn failure(error: &PairError) -> Failure {
    if let Some(rejection) = error.server_rejection() {
        return Failure::Refused(match rejection.code {
            400 => Refusal::RateLimited { code: 400, retry_after: error.backoff() },
            452 => Refusal::Forbidden { code: 452 },
            code => refusal(code, rejection.text, rejection.backoff),
        });
    }
    if matches!(error, PairError::PairCode(PairCodeError::Cancelled))
        || error.is_transport_unavailable()
    {
        return Failure::Disconnected;
    }
    if error.is_timeout() { Failure::Timeout } else { Failure::Broken(error.to_string()) }
}
