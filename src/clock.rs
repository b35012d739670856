//! The wall clock, which is the sessions' own: one process has one time.

pub(crate) use wharf_actors::now_ms;
