//! The threads of the sessions, apart from those that answer callers: when a whole fleet connects at once, a caller waits for
//! a thread and not behind a thousand sessions.

use tokio::runtime::{Builder, Handle, Runtime};

use crate::server::{Error, Result};

/// How much the threads of the sessions give way to the others of the process.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 5;

/// A runtime for the sessions. What runs on it is cut when this goes.
#[derive(Debug)]
pub(crate) struct Workers(Option<Runtime>);

impl Workers {
    /// As many threads as there are processors.
    pub(crate) fn start() -> Result<Self> {
        let mut builder = Builder::new_multi_thread();
        builder.thread_name("sessions").enable_all();
        #[cfg(target_os = "linux")]
        {
            let usual = niceness();
            builder.on_thread_start(move || give_way(usual));
        }
        let runtime = builder.build();
        Ok(Self(Some(runtime.map_err(Error::Threads)?)))
    }

    /// What starts tasks on it.
    pub(crate) fn handle(&self) -> &Handle {
        self.0.as_ref().expect("it is taken by the end alone").handle()
    }
}

/// The niceness that this process was started with.
#[cfg(target_os = "linux")]
fn niceness() -> i32 {
    rustix::process::getpriority_process(None).unwrap_or_default()
}

/// Whoever answers a caller goes first on a processor that is wanted by both. A thread begins as nice as the one that starts
/// it, so this sets what it is to be and adds nothing. Elsewhere than on Linux niceness is the whole process's, and is left alone.
#[cfg(target_os = "linux")]
fn give_way(usual: i32) {
    if let Err(error) = rustix::process::setpriority_process(None, usual + NICENESS) {
        tracing::debug!("the threads of the sessions have the priority of all others: {error}");
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            // What would block must not be waited for here: this is a thread of the other runtime.
            runtime.shutdown_background();
        }
    }
}
