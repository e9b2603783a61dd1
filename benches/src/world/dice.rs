//! Numbers that are the same on every machine.

/// A generator of numbers (splitmix64).
#[derive(Clone, Debug)]
pub struct Dice(pub u64);

impl Dice {
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        finish(self.0)
    }

    /// Below `sides`, which is not 0.
    pub fn roll(&mut self, sides: usize) -> usize {
        below(self.number(), sides)
    }

    /// True once in `of` times.
    pub fn once_in(&mut self, of: usize) -> bool {
        self.roll(of) == 0
    }

    /// From 0 to below 1.
    pub fn fraction(&mut self) -> f64 {
        (self.number() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Below `sides`, small ones much more often the larger `power` is.
    pub fn skewed(&mut self, sides: usize, power: i32) -> usize {
        ((self.fraction().powi(power) * sides as f64) as usize).min(sides - 1)
    }
}

/// The same number for the same three, and no pattern in it.
pub fn mix(a: u64, b: u64, c: u64) -> u64 {
    let folded = a.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ b.rotate_left(24).wrapping_mul(0xc2b2_ae3d_27d4_eb4f);
    finish(folded ^ c.rotate_left(47).wrapping_mul(0x1656_67b1_9e37_79f9))
}

/// Spreads `number` evenly over `0..sides`.
pub fn below(number: u64, sides: usize) -> usize {
    ((u128::from(number) * sides as u128) >> 64) as usize
}

fn finish(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
