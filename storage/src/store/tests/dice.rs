//! Chance that can be repeated.

/// Numbers that follow from a seed.
pub(super) struct Dice(u64);

impl Dice {
    /// Takes the seed from `SEED`, or makes one, and prints it.
    #[expect(clippy::print_stdout, reason = "a failure is shown with its seed")]
    pub(super) fn new() -> Self {
        let seed = std::env::var("SEED").map_or_else(
            |_| getrandom::u64().unwrap(),
            |seed| seed.parse().expect("`SEED` is a number"),
        );
        println!("SEED={seed}");
        Self(seed)
    }

    /// A number below `bound`: splitmix64.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        usize::try_from(mixed % u64::try_from(bound).unwrap()).unwrap()
    }
}

/// How often a test repeats what may go wrong at another point each time: `ROUNDS`, for long runs.
pub(super) fn rounds(default: usize) -> usize {
    std::env::var("ROUNDS").map_or(default, |rounds| rounds.parse().expect("`ROUNDS` is a number"))
}
