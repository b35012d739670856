//! Panics that are answers: redb panics about some of what it finds in a damaged file.

use std::{
    any::Any,
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind},
};

thread_local! {
    /// Whether this thread is in a [`caught`].
    static CAUGHT: Cell<bool> = const { Cell::new(false) };
}

/// Whether a panic of this thread, which is under way, is caught and told as damage of a file: for a panic hook, which need not
/// tell it too.
pub fn is_of_damage() -> bool {
    CAUGHT.get()
}

/// Runs what may panic about a damaged file; the error says so, with what the panic said.
pub(crate) fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    let before = CAUGHT.replace(true);
    let outcome = catch_unwind(AssertUnwindSafe(work));
    CAUGHT.set(before);
    outcome.map_err(|panic| words(&*panic))
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    format!("a page is not what was written ({})", text.unwrap_or("reading it failed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_one_of_damage_where_it_is_caught_and_nowhere_else() {
        assert!(!is_of_damage());
        assert!(caught(is_of_damage).unwrap());
        let words = caught(|| {
            assert!(caught(|| panic!("inner")).unwrap_err().contains("(inner)"));
            assert!(is_of_damage());
            panic!("page {} is not one", 7)
        });
        let words: Result<(), String> = words;
        assert_eq!(words.unwrap_err(), "a page is not what was written (page 7 is not one)");
        assert!(!is_of_damage());
    }
}
