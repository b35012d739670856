//! All figures as text. No label holds a phone number, an address at WhatsApp, an organization or an id: there would be
//! too many, and they are nobody's business.

use std::{collections::BTreeSet, fmt, sync::Arc};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, text},
    registry::{Registry, Unit},
};
use wharf_storage::Status;

use super::{
    page::{NONE, Page, exact},
    process,
};
use crate::{
    AppState,
    disk::Room,
    limits::{Connections, Limited},
};

/// Every status of a session, so that each has a line also when none is in it.
const STATUSES: [Status; 6] = [
    Status::Starting,
    Status::ScanQrCode,
    Status::Working,
    Status::Failed,
    Status::Stopped,
    Status::LoggedOut,
];

/// Where the figures come from.
pub(super) struct Figures {
    pub(super) state: AppState,
    pub(super) connections: Arc<Connections>,
}

impl fmt::Debug for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Figures").finish_non_exhaustive()
    }
}

impl Figures {
    /// The figures of this moment.
    pub(super) fn written(self: Arc<Self>) -> String {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(self));
        let mut written = String::new();
        text::encode(&mut written, &registry).expect("a string takes all that is written");
        written
    }

    fn http(&self, page: &mut Page<'_>) -> fmt::Result {
        let traffic = &self.state.traffic;
        let mut requests = Vec::new();
        for counted in traffic.counted() {
            let labels = |status: u16| {
                [
                    ("method", counted.method.to_owned()),
                    ("route", counted.route.to_owned()),
                    ("code", status.to_string()),
                ]
            };
            requests.extend(counted.by_status.iter().map(|(code, count)| (labels(*code), *count)));
        }
        page.counters(
            "wharf_http_requests",
            "Requests answered; those to no route have none",
            requests,
        )?;
        let took = traffic.counted().map(|counted| {
            let labels =
                [("method", counted.method.to_owned()), ("route", counted.route.to_owned())];
            (labels, counted.microseconds)
        });
        page.durations(
            "wharf_http_request_duration",
            "From the head of a request to its answer",
            took,
        )?;
        page.gauge(
            "wharf_http_requests_in_flight",
            "Requests under way",
            self.state.requests.len(),
        )?;
        page.gauge(
            "wharf_http_connections_open",
            "Connections that are open",
            self.connections.open(),
        )?;
        page.counters(
            "wharf_http_connections_closed",
            "Connections refused for the total or for their address, or closed because nothing came in time",
            self.connections.closed().map(|(reason, count)| ([("reason", reason)], count)),
        )?;
        page.counter(
            "wharf_auth_failures",
            "Requests without a credential that holds",
            self.state.limits.failures.total(),
        )
    }

    fn sessions(&self, page: &mut Page<'_>) -> fmt::Result {
        let figures = self.state.sessions.figures();
        let mut sessions = figures.sessions;
        let present: BTreeSet<_> = sessions.keys().map(|(status, _)| *status).collect();
        for status in STATUSES.map(Status::as_str).iter().filter(|one| !present.contains(*one)) {
            sessions.insert((status, None), 0);
        }
        page.gauges(
            "wharf_sessions",
            "Sessions by status and its reason",
            sessions.into_iter().map(|((status, reason), count)| {
                ([("status", status), ("reason", reason.unwrap_or_default())], count)
            }),
        )?;
        page.gauge(
            "wharf_whatsapp_clients",
            "Clients of the protocol library that are there",
            figures.clients,
        )?;
        page.counters(
            "wharf_whatsapp_dials",
            "Connections to WhatsApp that were tried, by outcome",
            figures.dials.into_iter().map(|(outcome, count)| ([("outcome", outcome)], count)),
        )?;
        page.counter(
            "wharf_whatsapp_reconnects",
            "Connections to WhatsApp that ended and are begun anew by themselves",
            figures.reconnects,
        )?;
        let connects = self.state.sessions.connects();
        page.gauges(
            "wharf_connects_waiting",
            "Sessions that wait for their turn to connect, by whose turn it is",
            connects.waiting.into_iter().map(|(turn, count)| ([("turn", turn)], count)),
        )?;
        page.gauge(
            "wharf_connects_under_way",
            "Sessions on their way from the dial to a login",
            connects.under_way,
        )?;
        page.durations(
            "wharf_connect_wait",
            "From asking for a turn to having it",
            [(NONE, connects.waited)],
        )?;
        page.durations(
            "wharf_whatsapp_operation_duration",
            "From a question to WhatsApp to its answer",
            figures
                .operations
                .into_iter()
                .map(|one| ([("kind", one.kind), ("outcome", one.outcome)], one.microseconds)),
        )
    }

    fn admission(&self, page: &mut Page<'_>) -> fmt::Result {
        let admission = &self.state.admission;
        let usages = Limited::ALL.map(|one| (one, admission.usage(one, &self.state.sessions)));
        let labelled = |limited: Limited, figure: Option<u64>| {
            let figure = usize::try_from(figure?).unwrap_or(usize::MAX);
            Some(([("limit", limited.as_str())], figure))
        };
        page.gauges(
            "wharf_admission_used",
            "What is used of what is limited",
            usages.into_iter().filter_map(|(one, usage)| labelled(one, usage.used)),
        )?;
        page.gauges(
            "wharf_admission_allowed",
            "What may be used before no more sessions are taken on",
            usages.into_iter().filter_map(|(one, usage)| labelled(one, usage.allowed)),
        )?;
        page.counters(
            "wharf_admission_refusals",
            "Sessions that were not made or started, by what there was too much of",
            Limited::ALL.map(|one| ([("reason", one.reason())], admission.refused(one))),
        )
    }

    fn store(&self, page: &mut Page<'_>) -> fmt::Result {
        let figures = self.state.store.figures();
        let disk = &self.state.disk;
        for (name, help, bytes) in [
            ("wharf_store_file", "The store's file", disk.store()),
            ("wharf_disk_free", "What is free on the disk of the data", disk.free()),
        ] {
            if let Some(bytes) = bytes {
                page.value(name, help, Some(&Unit::Bytes), exact(bytes))?;
            }
        }
        page.gauges(
            "wharf_disk_room",
            "1 for how much room the disk of the data has",
            [Room::Ample, Room::Low, Room::Exhausted]
                .map(|room| ([("room", room.as_str())], usize::from(disk.room() == room))),
        )?;
        page.gauge(
            "wharf_store_writable",
            "Whether the store takes writes",
            usize::from(figures.writable),
        )?;
        page.durations(
            "wharf_store_queue_wait",
            "What a write waited in the queue for its batch",
            [(NONE, figures.waits)],
        )?;
        page.gauge("wharf_store_queue_depth", "Writes that wait for the writer", figures.queued)?;
        page.counters(
            "wharf_store_batches",
            "Batches of writes, by outcome",
            [("committed", figures.commits), ("failed", figures.failures)]
                .map(|(outcome, count)| ([("outcome", outcome)], count)),
        )?;
        page.durations(
            "wharf_store_batch_duration",
            "What a batch took, its commit included",
            [(NONE, figures.microseconds)],
        )?;
        page.histograms(
            "wharf_store_batch_writes",
            "Writes of a batch",
            None,
            1.0,
            [(NONE, figures.writes)],
        )
    }

    fn process(&self, page: &mut Page<'_>) -> fmt::Result {
        let started = &self.state.started;
        let known = |value: Option<u64>| value.map(exact);
        let seconds = Some(&Unit::Seconds);
        for (name, help, unit, value) in [
            ("wharf_uptime", "Since the process started", seconds, Some(started.uptime())),
            ("process_start_time", "Since 1970", seconds, Some(started.at_seconds())),
            (
                "process_resident_memory",
                "Memory that the process occupies",
                Some(&Unit::Bytes),
                known(process::resident_bytes()),
            ),
            (
                "wharf_allocated",
                "Memory that is allocated",
                Some(&Unit::Bytes),
                known(process::allocated_bytes()),
            ),
            ("process_open_fds", "Open descriptors", None, known(process::open_descriptors())),
            ("process_max_fds", "The limit on them", None, known(process::most_descriptors())),
        ] {
            if let Some(value) = value {
                page.value(name, help, unit, value)?;
            }
        }
        let tasks = process::tasks(self.state.workers.as_ref());
        page.gauge("wharf_runtime_tasks", "Tasks of the async runtimes", tasks)?;
        if let Some(cpu) = process::cpu_seconds() {
            page.total("process_cpu", "CPU time, of all threads", seconds, cpu)?;
        }
        let build = [("version", env!("CARGO_PKG_VERSION"))];
        page.gauges("wharf_build_info", "What is running", [(build, 1)])
    }
}

impl Collector for Figures {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page::new(encoder);
        self.http(&mut page)?;
        self.sessions(&mut page)?;
        self.admission(&mut page)?;
        self.store(&mut page)?;
        self.process(&mut page)
    }
}
