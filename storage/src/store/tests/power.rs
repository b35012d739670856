//! The power fails: of what was written after the last sync, any part may be lost, a part of one write too.

use super::{
    dice::{Dice, rounds},
    medium::{Action, Medium},
    *,
};
use crate::store::Durability::{Relaxed, Strict};

/// What a disk syncs in one piece, in bytes.
const SECTOR: usize = 512;
/// Writes of one run; each follows the one before, and every third is strict.
const WRITES: u32 = 300;

/// A write that was acknowledged: its number, whether it was strict, and how much had been done to the disk by then.
struct Acknowledged {
    number: u32,
    strict: bool,
    actions: usize,
}

/// Rows that grow, shrink and are written over, in one order.
async fn written(medium: &Medium, dice: &mut Dice) -> Vec<Acknowledged> {
    let store = medium.store(1 << 20, Patience::default()).unwrap();
    let mut acknowledged = Vec::new();
    for number in 0..WRITES {
        let strict = number % 3 == 2;
        let text = [&number.to_be_bytes()[..], &vec![7; dice.below(3_000)]].concat();
        let last = op(b"last", Some(&number.to_be_bytes()));
        let row = op(&number.to_be_bytes(), Some(&text));
        let over = op(&[b'r', u8::try_from(dice.below(9)).unwrap()], Some(&text));
        let durability = if strict { Strict } else { Relaxed };
        store.put_all(vec![row, over, last], durability).await.unwrap();
        acknowledged.push(Acknowledged { number, strict, actions: medium.actions() });
    }
    store.close().await.unwrap();
    acknowledged
}

/// What is on the disk when the power fails after so much was done.
fn left(history: &[Action], point: usize, dice: &mut Dice) -> Vec<u8> {
    let synced = history[..point].iter().rposition(|action| matches!(action, Action::Sync));
    let synced = synced.map_or(0, |last| last + 1);
    let mut bytes = Vec::new();
    history[..synced].iter().for_each(|action| action.apply(&mut bytes));
    for action in &history[synced..point] {
        match action {
            // Where it is lost, what is written beyond the end makes the file longer all the same.
            Action::Length(_) if dice.below(2) == 0 => {}
            Action::Length(_) => action.apply(&mut bytes),
            Action::Write(at, data) => {
                let (all, none) = (dice.below(3) == 0, dice.below(3) == 0);
                for (number, sector) in data.chunks(SECTOR).enumerate() {
                    if all || (!none && dice.below(2) == 0) {
                        Action::Write(at + number * SECTOR, sector.to_vec()).apply(&mut bytes);
                    }
                }
            }
            Action::Sync => {}
        }
    }
    bytes
}

#[tokio::test]
async fn a_loss_of_power_leaves_a_prefix_of_what_was_written_with_all_that_was_acknowledged_as_durable()
 {
    let mut dice = Dice::new();
    let points = rounds(200);
    let mut done = 0;
    while done < points {
        let medium = Medium::default();
        let acknowledged = written(&medium, &mut dice).await;
        let history = medium.history();
        for _ in 0..points.min(200) {
            // Never before the first row: a file that is being made has a name only when it is whole.
            let first = acknowledged[2].actions;
            let point = first + dice.below(history.len() - first);
            let after = Medium::holding(left(&history, point, &mut dice));
            let store = after.store(1 << 20, Patience::default());
            let store = store.unwrap_or_else(|error| panic!("at {point}: {error}"));
            let kept = prefix(&store, point);
            let durable = acknowledged.iter().filter(|one| one.strict && one.actions <= point);
            let durable = durable.map(|one| one.number).max();
            assert!(durable <= kept, "at {point}: {kept:?} is left, {durable:?} was durable");
            store.close().await.unwrap();
            done += 1;
        }
    }
}

/// The last write of which there is anything. Nothing is there of later ones, and all of it and of those before.
fn prefix(store: &Store, point: usize) -> Option<u32> {
    let rows = store.scan(WA_SENT_MESSAGES, &[]).unwrap();
    let number = |key: &[u8]| key.try_into().map(u32::from_be_bytes).ok();
    let last = rows.iter().find(|(key, _)| key == b"last");
    let last = last.and_then(|(_, value)| number(value));
    let numbered: Vec<_> = rows
        .iter()
        .filter(|(key, _)| key != b"last")
        .filter_map(|(key, value)| number(key).map(|number| (number, value)))
        .collect();
    let wanted: Vec<u32> = last.map_or(Vec::new(), |last| (0..=last).collect());
    let found: Vec<u32> = numbered.iter().map(|(number, _)| *number).collect();
    assert_eq!(found, wanted, "at {point}");
    for (number, value) in numbered {
        assert_eq!(value[..4], number.to_be_bytes(), "at {point}");
    }
    last
}
