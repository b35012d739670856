//! The log. It goes to standard error: standard output holds results only.

use std::{io, panic};

use tracing_subscriber::{EnvFilter, fmt};

use crate::config::LogFormat;

/// Keeps panics from standard error that are caught and told as damage of a file.
pub fn hush_damage() {
    let others = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        if wharf_storage::is_of_damage() {
            tracing::debug!("{panic}");
        } else {
            others(panic);
        }
    }));
}

/// Starts the log of this process; later calls change nothing.
pub fn start(format: LogFormat, filter: &str) {
    let builder = fmt().with_env_filter(EnvFilter::new(filter)).with_writer(io::stderr);
    // A log that was started before, by a test for one, stays as it is.
    let _ = match format {
        LogFormat::Json => builder
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .try_init(),
        LogFormat::Text => builder.with_ansi(io::IsTerminal::is_terminal(&io::stderr())).try_init(),
    };
}
