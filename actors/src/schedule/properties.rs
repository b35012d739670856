//! Whoever comes, goes and fails in whatever order, the schedule keeps its promises.

use std::{
    collections::{HashMap, HashSet},
    num::NonZeroU32,
    time::Duration,
};

use proptest::prelude::*;
use tokio::time::Instant;

use super::{Budget, Claim, PATIENCE, Schedule, Turn};

/// What may happen.
#[derive(Debug, Clone)]
enum Step {
    Join {
        organization: u8,
        turn: Turn,
        failures: u32,
        heard_at: i64,
    },
    /// One of those that wait leaves.
    Leave(prop::sample::Index),
    /// One of those that have a place gives it back.
    Free(prop::sample::Index),
    /// Time passes, in milliseconds.
    Pass(u64),
    Admit,
}

fn step() -> impl Strategy<Value = Step> {
    let turn = prop::sample::select(Turn::ALL.to_vec());
    let join =
        (0..4_u8, turn, 0..4_u32, 0..5_i64).prop_map(|(organization, turn, failures, heard_at)| {
            Step::Join { organization, turn, failures, heard_at }
        });
    prop_oneof![
        6 => join,
        1 => any::<prop::sample::Index>().prop_map(Step::Leave),
        5 => any::<prop::sample::Index>().prop_map(Step::Free),
        3 => (0..400_u64).prop_map(Step::Pass),
        8 => Just(Step::Admit),
    ]
}

/// Whether `claim`, under `ticket`, had the right to go first among those of its turn and organization.
fn is_first(ticket: u64, claim: &Claim, waiting: &HashMap<u64, Claim>) -> bool {
    let key = |ticket: u64, claim: &Claim| (claim.failures, -claim.heard_at, ticket);
    waiting
        .iter()
        .filter(|(_, other)| (other.turn, &other.organization) == (claim.turn, &claim.organization))
        .all(|(other, of_other)| key(ticket, claim) < key(*other, of_other))
}

proptest! {
    #[test]
    fn the_budget_holds_nobody_is_lost_and_the_order_is_kept(
        rate in 1..50_u32,
        places in 1..6_usize,
        steps in prop::collection::vec(step(), 1..300),
    ) {
        let start = Instant::now();
        let mut now = start;
        let budget = Budget { rate: NonZeroU32::new(rate).unwrap(), places };
        let mut schedule = Schedule::new(budget, now);
        let mut waiting: HashMap<u64, Claim> = HashMap::new();
        let mut placed: Vec<Turn> = Vec::new();
        let mut began: Vec<Instant> = Vec::new();
        let mut tickets = 0;
        for step in steps {
            match step {
                Step::Join { organization, turn, failures, heard_at } => {
                    let organization = organization.to_string().as_str().into();
                    let claim = Claim { organization, turn, failures, heard_at };
                    schedule.join(tickets, &claim);
                    waiting.insert(tickets, claim);
                    tickets += 1;
                }
                Step::Leave(which) => {
                    let mut all: Vec<u64> = waiting.keys().copied().collect();
                    all.sort_unstable();
                    if !all.is_empty() {
                        let ticket = all[which.index(all.len())];
                        schedule.leave(ticket);
                        waiting.remove(&ticket);
                    }
                }
                Step::Free(which) => {
                    if !placed.is_empty() {
                        schedule.free(placed.swap_remove(which.index(placed.len())));
                    }
                }
                Step::Pass(milliseconds) => now += Duration::from_millis(milliseconds),
                Step::Admit => {
                    let promised = schedule.next_at(now);
                    let admitted = schedule.admit(now);
                    prop_assert_eq!(admitted.is_some(), promised.is_some_and(|at| at <= now));
                    if let Some((ticket, turn)) = admitted {
                        let claim = waiting.remove(&ticket);
                        prop_assert!(claim.is_some(), "{} did not wait", ticket);
                        let claim = claim.unwrap();
                        prop_assert_eq!(claim.turn, turn);
                        prop_assert!(is_first(ticket, &claim, &waiting));
                        placed.push(turn);
                        began.push(now);
                    }
                }
            }
            prop_assert!(placed.len() <= places);
            prop_assert_eq!(schedule.under_way(), placed.len());
            let counted: usize = Turn::ALL.into_iter().map(|turn| schedule.waiting(turn)).sum();
            prop_assert_eq!(counted, waiting.len());
        }
        // Never more than the rate and a tenth of a second's worth beside it, in whatever span.
        for (first, from) in began.iter().enumerate() {
            for (last, to) in began.iter().enumerate().skip(first) {
                let span = (*to - *from).as_secs_f64();
                let most = f64::from(rate) * (span + 0.1) + 1.0 + 1e-6;
                let count = u32::try_from(last - first + 1).unwrap();
                prop_assert!(f64::from(count) <= most, "{count} in {span} s");
            }
        }
    }

    #[test]
    fn everybody_has_a_turn_and_no_organization_has_two_before_another_has_one(
        sizes in prop::collection::vec(1..40_u64, 1..6),
        turns in prop::collection::vec(prop::sample::select(Turn::ALL.to_vec()), 200),
    ) {
        let now = Instant::now();
        let rate = NonZeroU32::new(1_000_000).unwrap();
        let mut schedule = Schedule::new(Budget { rate, places: 1 }, now);
        let mut claims = Vec::new();
        for (organization, size) in sizes.iter().enumerate() {
            for _ in 0..*size {
                let organization = organization.to_string().as_str().into();
                let turn = turns[claims.len()];
                claims.push(Claim { organization, turn, failures: 0, heard_at: 0 });
            }
        }
        for (ticket, claim) in (0..).zip(&claims) {
            schedule.join(ticket, claim);
        }
        let mut order = Vec::new();
        while let Some((ticket, turn)) = schedule.admit(now) {
            schedule.free(turn);
            order.push(claims[usize::try_from(ticket).unwrap()].clone());
        }
        prop_assert_eq!(order.len(), claims.len());
        for turn in Turn::ALL {
            // Between two of one organization, every other of which somebody still waits has one.
            let of_turn: Vec<_> = order.iter().filter(|claim| claim.turn == turn).collect();
            for (first, claim) in of_turn.iter().enumerate() {
                let rest = &of_turn[first + 1..];
                let again = rest.iter().position(|other| other.organization == claim.organization);
                let Some(again) = again else { continue };
                let between: HashSet<_> =
                    rest[..again].iter().map(|other| &other.organization).collect();
                let after: HashSet<_> =
                    rest[again..].iter().map(|other| &other.organization).collect();
                prop_assert!(after.iter().all(
                    |other| **other == claim.organization || between.contains(*other)
                ));
            }
        }
        // Nobody whose turn is later is passed over for longer than patience lasts.
        let last_waits = |from: usize, turn: Turn| order[from..].iter().any(|one| one.turn == turn);
        for turn in [Turn::Fleet, Turn::Failing] {
            let mut passed = 0;
            for (place, claim) in order.iter().enumerate() {
                passed = if claim.turn == turn { 0 } else { passed + 1 };
                prop_assert!(passed <= PATIENCE + 1 || !last_waits(place, turn));
            }
        }
    }
}
