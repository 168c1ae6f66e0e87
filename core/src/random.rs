//! Random numbers come from named streams; there is no other source of
//! randomness.
//!
//! A stream is keyed by (seed, purpose, shard, epoch, user ...), never by a
//! position in a global sequence, so that removing a record leaves every other
//! record's draws as they were (exactness rules 1 and 4). Seeds are constants
//! of the deployment and never depend on data.

use rand_chacha::ChaCha8Rng;
use rand_core::{RngCore, SeedableRng};

/// The key of every hash and stream, derived from the deployment's seed.
#[derive(Clone, PartialEq, Eq)]
pub struct Key([u8; 32]);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(..)")
    }
}

impl Key {
    /// Derives the key of a deployment from its seed.
    pub fn from_seed(seed: u64) -> Self {
        Self(blake3::derive_key("eemu 2026 deployment seed v1", &seed.to_le_bytes()))
    }

    /// Derives a key for one purpose. It may be published, which the
    /// deployment's own key may not.
    #[must_use]
    pub fn derived(&self, purpose: &str) -> Self {
        Self(self.hash("derived key", &[purpose.as_bytes()]))
    }

    /// A key from its bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The key's bytes; only for keys that may be published.
    pub fn to_bytes(&self) -> [u8; 32] {
        self.0
    }

    /// A keyed hash of length-prefixed parts; the domain names the purpose.
    pub fn hash(&self, domain: &str, parts: &[&[u8]]) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        for part in std::iter::once(domain.as_bytes()).chain(parts.iter().copied()) {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        *hasher.finalize().as_bytes()
    }

    /// The first eight bytes of [`Key::hash`] as a number.
    pub fn number(&self, domain: &str, parts: &[&[u8]]) -> u64 {
        let hash = self.hash(domain, parts);
        u64::from_le_bytes([hash[0], hash[1], hash[2], hash[3], hash[4], hash[5], hash[6], hash[7]])
    }

    /// The random stream of one purpose.
    pub fn stream(&self, domain: &str, parts: &[&[u8]]) -> Stream {
        Stream(ChaCha8Rng::from_seed(self.hash(domain, parts)))
    }
}

/// A portable stream of random numbers: the same on every machine.
pub struct Stream(ChaCha8Rng);

impl Stream {
    /// Uniform in `0..bound`, without bias. `bound` must not be 0.
    pub fn below(&mut self, bound: usize) -> usize {
        let bound = bound as u64;
        // Lemire's method: reject the few low products that would be biased.
        let threshold = bound.wrapping_neg() % bound;
        loop {
            let product = u128::from(self.0.next_u64()) * u128::from(bound);
            if product as u64 >= threshold {
                return (product >> 64) as usize;
            }
        }
    }

    /// A uniform draw from `0..bound` outside a sorted list, for a negative
    /// item; `None` if the list excludes everything.
    pub(crate) fn below_outside(&mut self, bound: usize, excluded: &[u32]) -> Option<u32> {
        if excluded.len() >= bound {
            return None;
        }
        for _ in 0..16 {
            let drawn = self.below(bound) as u32;
            if excluded.binary_search(&drawn).is_err() {
                return Some(drawn);
            }
        }
        // Nearly everything is excluded: draw n and find the n-th value outside
        // the list.
        let mut drawn = self.below(bound - excluded.len()) as u32;
        for &one in excluded {
            drawn += u32::from(one <= drawn);
        }
        Some(drawn)
    }

    /// Uniform in [0, 1) with 53 bits.
    pub fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Uniform in [-bound, bound).
    pub fn symmetric(&mut self, bound: f64) -> f32 {
        ((self.unit() * 2.0 - 1.0) * bound) as f32
    }

    /// Standard normal (Box-Muller; one value for each pair, so that a draw
    /// does not depend on how many were taken before).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }

    /// A dropout mask: each value becomes 0 with this probability (rounded to
    /// 1/256), otherwise the factor that keeps the mean at 1.
    pub fn keep(&mut self, values: &mut [f32], dropout: f32) {
        let threshold = (dropout * 256.0).round().clamp(0.0, 255.0) as u32;
        let kept = 256.0 / (256 - threshold) as f32;
        for values in values.chunks_mut(8) {
            let bytes = self.0.next_u64().to_le_bytes();
            for (value, byte) in values.iter_mut().zip(bytes) {
                *value = if u32::from(byte) < threshold { 0.0 } else { kept };
            }
        }
    }

    /// Shuffles in place (Fisher-Yates).
    pub fn shuffle<T>(&mut self, values: &mut [T]) {
        for last in (1..values.len()).rev() {
            values.swap(last, self.below(last + 1));
        }
    }

    /// Moves `count` values, drawn without replacement, to the front.
    pub fn choose<T>(&mut self, values: &mut [T], count: usize) {
        for place in 0..count.min(values.len()) {
            let other = place + self.below(values.len() - place);
            values.swap(place, other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_length_prefixed() {
        let key = Key::from_seed(1);
        assert_ne!(key.hash("d", &[b"ab", b"c"]), key.hash("d", &[b"a", b"bc"]));
        assert_ne!(key.hash("d", &[b"ab"]), key.hash("e", &[b"ab"]));
        assert_ne!(key.hash("d", &[b"ab"]), Key::from_seed(2).hash("d", &[b"ab"]));
    }

    #[test]
    fn below_is_uniform() {
        let mut stream = Key::from_seed(3).stream("test", &[]);
        let mut counts = [0u32; 7];
        for _ in 0..70_000 {
            counts[stream.below(7)] += 1;
        }
        assert!(counts.iter().all(|&c| (9_600..10_400).contains(&c)), "{counts:?}");
    }

    #[test]
    fn draws_are_uniform_outside_the_list() {
        let mut stream = Key::from_seed(1).stream("test", &[]);
        let excluded = [0, 1, 2, 4, 5, 6, 7, 8, 9];
        assert!((0..50).all(|_| stream.below_outside(11, &excluded).is_some_and(|i| i == 3 || i == 10)));
        let tens = (0..2000).filter(|_| stream.below_outside(11, &excluded) == Some(10)).count();
        assert!((880..1120).contains(&tens), "{tens}");
        assert_eq!(stream.below_outside(2, &[0, 1]), None);
    }

    #[test]
    fn normal_has_unit_moments() {
        let mut stream = Key::from_seed(4).stream("test", &[]);
        let draws: Vec<f64> = (0..100_000).map(|_| stream.normal()).collect();
        let mean = draws.iter().sum::<f64>() / 1e5;
        let variance = draws.iter().map(|d| d * d).sum::<f64>() / 1e5;
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.02, "{mean} {variance}");
    }

    #[test]
    fn streams_are_portable() {
        // A constant of the format: changing it changes every model.
        let mut stream = Key::from_seed(1).stream("portable", &[b"x"]);
        let first: Vec<usize> = (0..4).map(|_| stream.below(1_000_000)).collect();
        assert_eq!(first, [933_558, 671_701, 189_580, 228_036]);
    }
}
