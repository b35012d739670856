//! What the demonstration shows: performed by itself, or as lines for a shell.

use std::{fmt::Write as _, time::Instant};

use reqwest::Method;
use serde_json::{Value, json};

use super::{
    show,
    stage::{Answer, Stage},
};
use crate::server::{Error, Result};

/// A group that WhatsApp does not know.
const UNKNOWN_GROUP: &str = "120363999999999999@g.us";

/// The subject that the demonstration gives.
const NEW_SUBJECT: &str = "Harbour crew, night shift";

/// Whose credential a request carries.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Who {
    /// The key.
    Key,
    /// A person who is a plain member of the organization.
    Member,
}

/// What must hold for a body, in words and as a check.
type Promise = (&'static str, fn(&Stage, &Value) -> bool);

/// A request, and what is promised for it.
struct Exchange {
    title: &'static str,
    who: Who,
    method: Method,
    path: String,
    body: Option<Value>,
    status: u16,
    promise: Promise,
}

const NOTHING: Promise = ("no body", |_, body| body.is_null());

/// An exchange with the key.
fn ask(
    title: &'static str,
    method: Method,
    path: String,
    body: Option<Value>,
    status: u16,
    promise: Promise,
) -> Exchange {
    Exchange { title, who: Who::Key, method, path, body, status, promise }
}

fn exchanges(stage: &Stage) -> Vec<Exchange> {
    let mut all = with_key(stage);
    all.extend(with_login(stage));
    all
}

/// What a person may do who is a plain member, and what not.
fn with_login(stage: &Stage) -> [Exchange; 2] {
    let login = |exchange| Exchange { who: Who::Member, ..exchange };
    [
        login(ask(
            "A person who is a member reads, with a login token",
            Method::GET,
            stage.path(""),
            None,
            200,
            ("a working session", |_, body| body["status"] == "working"),
        )),
        login(ask(
            "And does not manage",
            Method::POST,
            "/api/v1/sessions".to_owned(),
            Some(json!({})),
            403,
            ("the capability that is missing", |_, body| {
                body["error"]["details"]["reason"] == "capability"
            }),
        )),
    ]
}

fn with_key(stage: &Stage) -> Vec<Exchange> {
    let admin = stage.path(&format!("/groups/{}", stage.admin_group));
    let member = stage.path(&format!("/groups/{}", stage.member_group));
    let subject = || Some(json!({"subject": NEW_SUBJECT}));
    vec![
        ask(
            "The session is linked and works",
            Method::GET,
            stage.path(""),
            None,
            200,
            ("a working session", |_, body| body["status"] == "working"),
        ),
        ask(
            "Both groups are stored",
            Method::GET,
            stage.path("/groups"),
            None,
            200,
            ("both groups", |stage, body| {
                let listed = |jid: &str| {
                    body["data"]
                        .as_array()
                        .is_some_and(|all| all.iter().any(|one| one["groupJid"] == jid))
                };
                listed(&stage.admin_group) && listed(&stage.member_group)
            }),
        ),
        ask("An admin changes a subject", Method::PATCH, admin.clone(), subject(), 204, NOTHING),
        ask(
            "The stored group has it",
            Method::GET,
            admin.clone(),
            None,
            200,
            ("the new subject", |_, body| body["subject"] == NEW_SUBJECT),
        ),
        ask(
            "A plain member may not",
            Method::PATCH,
            member.clone(),
            subject(),
            403,
            ("WhatsApp's refusal", |_, body| {
                body["error"]["code"] == "forbidden"
                    && body["error"]["details"]["reason"] == "whatsapp"
            }),
        ),
        ask(
            "Nor make the group the admins' alone",
            Method::PATCH,
            member,
            Some(json!({"announce": true})),
            403,
            ("WhatsApp's refusal", |_, body| {
                body["error"]["code"] == "forbidden"
                    && body["error"]["details"]["failed"] == "announce"
            }),
        ),
        ask(
            "A group that WhatsApp does not know",
            Method::PATCH,
            stage.path(&format!("/groups/{UNKNOWN_GROUP}")),
            subject(),
            404,
            ("not found", |_, body| body["error"]["code"] == "not_found"),
        ),
        ask(
            "The invite of the admin's group",
            Method::GET,
            format!("{admin}/invite"),
            None,
            200,
            ("a link", |_, body| {
                body["invite"]
                    .as_str()
                    .is_some_and(|link| link.starts_with("https://chat.whatsapp.com/"))
            }),
        ),
    ]
}

/// Performs and prints every exchange.
pub(super) async fn perform(stage: &Stage) -> Result<()> {
    let mut broken = 0;
    for exchange in exchanges(stage) {
        let begun = Instant::now();
        let credential = match exchange.who {
            Who::Key => &stage.key,
            Who::Member => &stage.member_token,
        };
        let (method, body) = (exchange.method.clone(), exchange.body.clone());
        let answer = stage.ask_with(credential, method, &exchange.path, body).await?;
        let held =
            answer.status.as_u16() == exchange.status && (exchange.promise.1)(stage, &answer.body);
        broken += usize::from(!held);
        show(&describe(&exchange, &answer, held, begun.elapsed().as_millis()))?;
    }
    match broken {
        0 => show("Every answer is as promised.\n"),
        _ => Err(Error::Demo(format!("{broken} answers are not as promised"))),
    }
}

fn describe(exchange: &Exchange, answer: &Answer, held: bool, milliseconds: u128) -> String {
    let mut text = format!("# {}\n{} {}", exchange.title, exchange.method, exchange.path);
    if let Some(body) = &exchange.body {
        let _ = write!(text, " {body}");
    }
    let _ = write!(text, "\n  -> {} ({milliseconds} ms)", answer.status);
    if !answer.body.is_null() {
        let _ = write!(text, " {}", answer.body);
    }
    if !held {
        let _ =
            write!(text, "\n  BROKEN: promised {} with {}", exchange.status, exchange.promise.0);
    }
    text.push_str("\n\n");
    text
}

/// The exchanges as lines for a shell.
pub(super) fn guide(stage: &Stage, sandbox_url: &str) -> String {
    let mut text = format!(
        "Wharf listens on {}\n\n  key           {}\n  session       {}\n  admin group   {}\n  member group  {}\n  \
         login issuer  {} (mints login tokens, in place of a front end)\n  \
         sandbox       {sandbox_url} (the WhatsApp server of this demonstration)\n\nPaste into another shell:\n",
        stage.base_url,
        stage.key,
        stage.session,
        stage.admin_group,
        stage.member_group,
        stage.issuer,
    );
    let mut minted = false;
    for exchange in exchanges(stage) {
        let credential = match exchange.who {
            Who::Key => format!("'Authorization: Bearer {}'", stage.key),
            Who::Member => {
                if !std::mem::replace(&mut minted, true) {
                    text.push_str(&minting(stage));
                }
                "\"Authorization: Bearer $TOKEN\"".to_owned()
            }
        };
        let _ = write!(text, "\n# {}: {}\ncurl -i", exchange.title, exchange.status);
        if exchange.method != Method::GET {
            let _ = write!(text, " -X {}", exchange.method);
        }
        let _ = write!(text, " -H {credential}");
        if let Some(body) = &exchange.body {
            let _ = write!(text, " -H 'Content-Type: application/json' -d '{body}'");
        }
        let _ = writeln!(text, " '{}{}'", stage.base_url, exchange.path);
    }
    text.push_str("\nCtrl-C ends it.\n");
    text
}

/// The line that fetches a login token.
fn minting(stage: &Stage) -> String {
    format!(
        "\n# A login token for an hour; the role is owner, admin, member or super_admin\n\
         TOKEN=$(curl -s -d subject=anna -d organization=default -d role=member '{}/token')\n",
        stage.issuer
    )
}
