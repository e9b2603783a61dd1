//! Chance that can be had again: the seed is printed, and may be given.

/// xorshift64*: enough to choose moments and victims.
pub struct Random(u64);

impl Random {
    /// From BGPWARDEN_SEED, else from the clock; says which.
    pub fn new() -> Self {
        let given = std::env::var("BGPWARDEN_SEED").ok().map(|text| text.parse().expect("BGPWARDEN_SEED is a number"));
        let seed = given.unwrap_or_else(|| jiff::Timestamp::now().as_microsecond() as u64);
        println!("chance: BGPWARDEN_SEED={seed}");
        Self(seed | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// 0 to `end`, without it.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() >> 32) as usize % end
    }

    /// From 0 to 1.
    pub fn part(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}
