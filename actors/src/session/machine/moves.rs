//! The moves from status to status: the table that `docs/sessions.md` shows.

use wharf_storage::{
    Reason::{
        self, Banned, ClientOutdated, Connect, CrashLoop, Dns, Internal, LoggedOutByPhone,
        LoggedOutByUser, PairingTimeout, QrExpired, Replaced, Tls,
    },
    Status::{self, Failed, LoggedOut, ScanQrCode, Starting, Stopped, Working},
};

/// Who makes a move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// Somebody asked for it.
    Caller,
    /// It comes from what happened.
    Session,
}

/// A move from one status to another, or to another reason of the same one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Move {
    from: Status,
    to: Status,
    /// The reasons that the new status may have; none: it has none.
    reasons: &'static [Reason],
    by: &'static [By],
}

const fn step(from: Status, to: Status, reasons: &'static [Reason], by: &'static [By]) -> Move {
    Move { from, to, reasons, by }
}

const CALLER: &[By] = &[By::Caller];
const SESSION: &[By] = &[By::Session];
const BOTH: &[By] = &[By::Caller, By::Session];

/// Every move that there is.
pub(super) const MOVES: &[Move] = &[
    step(Stopped, Starting, &[], CALLER),
    step(Stopped, LoggedOut, &[LoggedOutByUser], CALLER),
    step(Starting, Starting, &[], BOTH),
    step(Starting, Starting, &[Dns, Tls, Connect], SESSION),
    step(Starting, ScanQrCode, &[], SESSION),
    step(Starting, Working, &[], SESSION),
    step(
        Starting,
        Failed,
        &[
            QrExpired,
            PairingTimeout,
            Dns,
            Tls,
            Connect,
            Replaced,
            Banned,
            ClientOutdated,
            CrashLoop,
            Internal,
        ],
        SESSION,
    ),
    step(Starting, LoggedOut, &[LoggedOutByPhone], SESSION),
    step(Starting, LoggedOut, &[LoggedOutByUser], CALLER),
    step(Starting, Stopped, &[], CALLER),
    step(ScanQrCode, Starting, &[], BOTH),
    step(
        ScanQrCode,
        Failed,
        &[QrExpired, PairingTimeout, Replaced, Banned, ClientOutdated, Internal],
        SESSION,
    ),
    step(ScanQrCode, LoggedOut, &[LoggedOutByPhone], SESSION),
    step(ScanQrCode, LoggedOut, &[LoggedOutByUser], CALLER),
    step(ScanQrCode, Stopped, &[], CALLER),
    step(Working, Starting, &[], BOTH),
    step(Working, Failed, &[Replaced, Banned, ClientOutdated, Internal], SESSION),
    step(Working, LoggedOut, &[LoggedOutByPhone], SESSION),
    step(Working, LoggedOut, &[LoggedOutByUser], CALLER),
    step(Working, Stopped, &[], CALLER),
    step(Failed, Starting, &[], CALLER),
    step(Failed, LoggedOut, &[LoggedOutByUser], CALLER),
    step(Failed, Stopped, &[], CALLER),
    step(LoggedOut, Starting, &[], CALLER),
];

/// Whether the table has the move.
pub(super) fn is_legal(from: Status, to: Status, reason: Option<Reason>, by: By) -> bool {
    MOVES.iter().any(|step| {
        (step.from, step.to) == (from, to)
            && step.by.contains(&by)
            && reason.map_or(step.reasons.is_empty(), |reason| step.reasons.contains(&reason))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const DOCUMENT: &str = include_str!("../../../../docs/sessions.md");

    /// The cells of the rows of the table below a heading.
    fn rows(heading: &str) -> Vec<Vec<String>> {
        let (_, below) = DOCUMENT.split_once(heading).expect("the document has the heading");
        let table = below.lines().skip_while(|line| !line.starts_with('|'));
        table
            .take_while(|line| line.starts_with('|'))
            .skip(2)
            .map(|line| {
                let cells = line.trim_matches('|').split('|');
                cells.map(|cell| cell.trim().replace('`', "")).collect()
            })
            .collect()
    }

    fn listed<T>(all: &[T], name: impl Fn(&T) -> &'static str) -> String {
        let mut names: Vec<&str> = all.iter().map(name).collect();
        names.sort_unstable();
        names.join(", ")
    }

    #[test]
    fn the_documented_table_is_the_table() {
        let in_code: BTreeSet<Vec<String>> = MOVES
            .iter()
            .map(|step| {
                let by = |by: &By| match by {
                    By::Caller => "caller",
                    By::Session => "session",
                };
                vec![
                    step.from.as_str().to_owned(),
                    step.to.as_str().to_owned(),
                    listed(step.reasons, |reason| reason.as_str()),
                    listed(step.by, by),
                ]
            })
            .collect();
        let documented: BTreeSet<Vec<String>> = rows("## Moves")
            .into_iter()
            .map(|mut cells| {
                assert_eq!(cells.len(), 5, "{cells:?}");
                cells.truncate(4);
                let mut reasons: Vec<&str> = cells[2].split(", ").collect();
                reasons.sort_unstable();
                cells[2] = reasons.join(", ");
                cells
            })
            .collect();
        assert_eq!(documented, in_code);
    }

    #[test]
    fn the_diagram_draws_every_move_between_two_statuses() {
        let (_, diagram) = DOCUMENT.split_once("stateDiagram-v2").expect("there is a diagram");
        let (diagram, _) = diagram.split_once("```").expect("the diagram ends");
        let drawn: BTreeSet<(&str, &str)> = diagram
            .lines()
            .filter_map(|line| line.split_once("-->"))
            .filter_map(|(from, to)| Some((from.trim(), to.split(':').next()?.trim())))
            .filter(|(from, to)| *from != "[*]" && *to != "[*]")
            .collect();
        let in_code: BTreeSet<(&str, &str)> = MOVES
            .iter()
            .map(|step| (step.from.as_str(), step.to.as_str()))
            .filter(|(from, to)| from != to)
            .collect();
        assert_eq!(drawn, in_code);
    }

    #[test]
    fn every_reason_of_the_table_is_explained() {
        let explained: BTreeSet<String> = rows("## Reasons")
            .into_iter()
            .flat_map(|cells| cells[0].split(", ").map(str::to_owned).collect::<Vec<_>>())
            .collect();
        let used: BTreeSet<String> = MOVES
            .iter()
            .flat_map(|step| step.reasons)
            .map(|reason| reason.as_str().to_owned())
            .collect();
        assert_eq!(explained, used);
    }

    #[test]
    fn a_session_at_rest_moves_at_a_callers_word_alone() {
        for step in MOVES {
            if matches!(step.from, Stopped | Failed | LoggedOut) {
                assert_eq!(step.by, CALLER, "{step:?}");
            }
        }
    }
}
