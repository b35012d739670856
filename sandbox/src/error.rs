//! What can go wrong when the sandbox is driven.

use std::io;
use std::path::PathBuf;

/// The result of a lever.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a lever did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The address cannot be listened on.
    #[error("cannot listen on `{address}`")]
    Listen {
        /// The address of the configuration.
        address: std::net::SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The name of the media host is none that a certificate can have.
    #[error("`{0}` is not the name of a host")]
    InvalidHost(String),
    /// The directory that keeps the state, or a file in it, cannot be used.
    #[error("`{}` {problem}", path.display())]
    Data {
        /// What cannot be used.
        path: PathBuf,
        /// Why not.
        problem: String,
    },
    /// No account has this name.
    #[error("there is no phone `{0}`")]
    NoSuchPhone(String),
    /// An account of this name is already there.
    #[error("there is already a phone `{0}`")]
    PhoneExists(String),
    /// The text is not a linking code.
    #[error("not a linking code: {0}")]
    InvalidQr(&'static str),
    /// The code is well-formed, but no connected client shows it (any more).
    #[error("no connected client shows this linking code")]
    StaleQr,
    /// The text is not a pairing code.
    #[error("not a pairing code: it has eight letters and digits, without 0, I, O and U")]
    InvalidPairingCode,
    /// No connected client shows a pairing code for this account.
    #[error("no connected client shows a pairing code for `{0}`")]
    NoPairingCode(String),
    /// The client's pairing code can no longer be entered.
    #[error("the pairing code has expired")]
    PairingCodeExpired,
    /// What the client sealed with its code does not open with the one that was typed in.
    #[error("the pairing code is not the one that the client shows")]
    WrongPairingCode,
    /// The account has as many devices as it may have.
    #[error("`{0}` has no room for another device")]
    TooManyDevices(String),
    /// A push name or a lever asks for a kind of account that there is not.
    #[error("`{text}` is no scenario: {why}")]
    InvalidScenario {
        /// The flags, or the whole push name.
        text: String,
        /// What is wrong with them.
        why: String,
    },
    /// The client answered the phone's proof with an error.
    #[error("the client refused to be linked: {0}")]
    LinkRefused(String),
    /// The client went away before it was linked.
    #[error("the client disconnected before it was linked")]
    LinkInterrupted,
    /// No phone, number, group or newsletter is called that.
    #[error("there is no phone, number, group or newsletter `{0}`")]
    NoSuchChat(String),
    /// Nobody calls themselves.
    #[error("`{0}` is the phone's own number")]
    OwnNumber(String),
    /// The phone has neither received nor sent such a message, or has forgotten it.
    #[error("the phone knows no message `{0}`")]
    NoSuchMessage(String),
    /// Only who wrote a message may do this to it.
    #[error("message `{0}` is somebody else's")]
    NotOwnMessage(String),
    /// The phone could not encrypt a message.
    #[error("the phone could not encrypt its message: {0}")]
    Unsealed(String),
    /// The server has not taken the phone's message.
    #[error("the server refused the message with {0}")]
    MessageRefused(u16),
    /// The text is not a phone number.
    #[error("`{0}` is not a phone number: it has 7 to 15 digits, the first of which is no 0")]
    InvalidNumber(String),
    /// Another account has the number, or is to get it.
    #[error("the number `{0}` is taken")]
    NumberTaken(String),
    /// The server does not let the phone follow a newsletter, or go.
    #[error("the newsletter refused it with {0}")]
    NewsletterRefused(u16),
    /// What a test waits for has not come.
    #[error("`{0}` has not received it in time")]
    NotReceived(String),
    /// There is no such action among those of shared settings.
    #[error("there is no action `{0}`")]
    NoSuchAction(String),
    /// The index of a setting does not have the parts that its action wants.
    #[error("`{action}` wants {wanted} arguments")]
    SettingArguments {
        /// The action.
        action: String,
        /// How many it wants.
        wanted: usize,
    },
    /// The phone's own field takes no such name for its owner.
    #[error("a name that others see has 1 to 25 characters, and not only blanks")]
    PushName,
    /// The phone has no such setting.
    #[error("the phone has no setting {0:?}")]
    NoSuchSetting(Vec<String>),
    /// The phone's change of a setting was not taken.
    #[error("the setting was not changed: {0}")]
    SettingRefused(String),
    /// The client did not answer in time.
    #[error("the client did not answer the phone in time")]
    LinkTimeout,
}
