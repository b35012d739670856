//! The sandbox, driven by a real client.
#![expect(
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it should be"
)]

mod accounts;
mod addressing;
mod app_state;
mod app_state_control;
mod baileys;
mod calls;
mod client;
mod clock;
mod communities;
mod community_control;
mod control;
mod data;
mod deliveries;
mod devices;
mod disturb;
mod faults;
mod groups;
mod half_open;
mod history;
mod joining;
mod keys;
mod latency;
mod limits;
mod linking;
mod logins;
mod media;
mod media_refusals;
mod media_retry;
mod members;
mod messages;
mod network;
mod newsletter_messages;
mod newsletter_phones;
mod newsletters;
mod numbers;
mod offline;
mod openapi;
mod pairing_code;
mod peer_data;
mod phone_control;
mod phone_groups;
mod phone_kinds;
mod phone_retries;
mod phones;
mod pictures;
mod presence;
mod privacy;
mod profile;
mod receipts;
mod refusals;
mod restarts;
mod seed;
mod streams;
mod strictness;
mod texts;
mod tls;
mod tokens;
mod tokens_control;
mod tokens_delivery;
mod transport;
mod websocket;
