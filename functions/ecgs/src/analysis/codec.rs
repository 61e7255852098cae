//! A lossless and compact form of samples.
//!
//! In blocks of 128 samples each is told from the ones before by a polynomial of the order that
//! suits the block best (Robinson, "Shorten", 1994), and what is left is written in a Rice code
//! (Rice & Plaunt 1971). All arithmetic wraps, so that any samples come back.
//!
//! The form: a version byte; the number of samples in 7-bit groups, the lowest first, bit 8 of all
//! but the last set; then a stream of bits, highest first, for each block 2 bits of order, 5 of the
//! code's parameter `k`, and the samples. A remainder, its sign in the lowest bit, is `r >> k` ones,
//! a zero and the `k` low bits of `r`; or 20 ones and its 32 bits. With `k` 31 all are zero and
//! nothing follows. Zeros fill the last byte.

mod bits;

use bits::{Reader, Writer};

const VERSION: u8 = 1;
const BLOCK: usize = 128;
const ORDERS: u32 = 4;
/// The parameter that stands for a block of zeros.
const ZEROS: u32 = 31;
/// The largest other one.
const MOST: u32 = 30;
/// This many ones say that the remainder follows as it is.
const ESCAPE: u32 = 20;
const ORDER_BITS: u32 = 2;
const PARAMETER_BITS: u32 = 5;

/// The samples in fewer bytes: 4 to 8 bits each in an electrocardiogram, 33 in what has no order.
pub fn encode(samples: &[i32]) -> Vec<u8> {
    let mut writer = Writer::after(vec![VERSION], samples.len());
    let mut past = Past::default();
    for block in samples.chunks(BLOCK) {
        let (order, remainders, next) = best(past, block);
        let k = parameter(remainders.get(..block.len()).unwrap_or_default());
        writer.put(u64::from(order << PARAMETER_BITS | k), ORDER_BITS + PARAMETER_BITS);
        if k != ZEROS {
            for &remainder in remainders.iter().take(block.len()) {
                put(&mut writer, remainder, k);
            }
        }
        past = next;
    }
    writer.finish()
}

/// The samples of an [`encode`]d form; none of what isn't one. Takes no more memory than 512 bytes
/// for each byte given.
pub fn decode(bytes: &[u8]) -> Option<Vec<i32>> {
    let (&VERSION, rest) = bytes.split_first()? else { return None };
    let (mut reader, count) = Reader::with_count(rest)?;
    let count = usize::try_from(count).ok()?;
    // A block takes 7 bits at least.
    let block_bits = u64::from(ORDER_BITS + PARAMETER_BITS);
    if count.div_ceil(BLOCK) as u64 > reader.bits() / block_bits {
        return None;
    }
    let mut samples = Vec::with_capacity(count);
    let mut past = Past::default();
    while samples.len() < count {
        let length = BLOCK.min(count - samples.len());
        let order = reader.take(ORDER_BITS)?;
        let k = reader.take(PARAMETER_BITS)?;
        for _ in 0..length {
            let remainder = if k == ZEROS { 0 } else { take(&mut reader, k)? };
            let sample = past.guess(order).wrapping_add(unfolded(remainder));
            past.push(sample);
            samples.push(sample);
        }
    }
    reader.is_done().then_some(samples)
}

/// The three samples before, the last first.
#[derive(Clone, Copy, Default)]
struct Past(i32, i32, i32);

impl Past {
    /// The next sample if a polynomial of the order less one went through those before.
    #[inline]
    fn guess(self, order: u32) -> i32 {
        let Self(a, b, c) = self;
        match order {
            0 => 0,
            1 => a,
            2 => a.wrapping_mul(2).wrapping_sub(b),
            _ => a.wrapping_sub(b).wrapping_mul(3).wrapping_add(c),
        }
    }

    #[inline]
    fn push(&mut self, sample: i32) {
        *self = Self(sample, self.0, self.1);
    }
}

/// The order that leaves least, what it leaves, and the past after the block.
fn best(past: Past, block: &[i32]) -> (u32, [u32; BLOCK], Past) {
    let mut least = (u64::MAX, 0, [0; BLOCK]);
    for order in 0..ORDERS {
        let (mut remainders, mut sum, mut past) = ([0; BLOCK], 0, past);
        for (remainder, &sample) in remainders.iter_mut().zip(block) {
            *remainder = folded(sample.wrapping_sub(past.guess(order)));
            sum += u64::from(*remainder);
            past.push(sample);
        }
        if sum < least.0 {
            least = (sum, order, remainders);
        }
    }
    let mut next = past;
    for &sample in block {
        next.push(sample);
    }
    (least.1, least.2, next)
}

/// The Rice code's parameter that takes fewest bits: near the mean's logarithm, found by trying.
fn parameter(remainders: &[u32]) -> u32 {
    let sum: u64 = remainders.iter().copied().map(u64::from).sum();
    if sum == 0 {
        return ZEROS;
    }
    let mean = sum / remainders.len().max(1) as u64;
    let near = (u64::BITS - mean.leading_zeros()).min(MOST);
    let bits = |&k: &u32| remainders.iter().map(|&r| u64::from(length(r, k))).sum::<u64>();
    (near.saturating_sub(2)..=near).min_by_key(bits).unwrap_or(near)
}

/// Bits that a remainder takes.
fn length(remainder: u32, k: u32) -> u32 {
    let ones = remainder >> k;
    if ones < ESCAPE { ones + 1 + k } else { ESCAPE + u32::BITS }
}

#[inline]
fn put(writer: &mut Writer, remainder: u32, k: u32) {
    let ones = remainder >> k;
    if ones < ESCAPE {
        let low = u64::from(remainder) & ((1 << k) - 1);
        writer.put((((1 << ones) - 1) << (k + 1)) | low, ones + 1 + k);
    } else {
        writer.put((((1 << ESCAPE) - 1) << u32::BITS) | u64::from(remainder), ESCAPE + u32::BITS);
    }
}

#[inline]
fn take(reader: &mut Reader, k: u32) -> Option<u32> {
    let ones = reader.take_ones(ESCAPE)?;
    if ones == ESCAPE {
        return reader.take(u32::BITS);
    }
    Some((ones << k) | reader.take(k)?)
}

/// Small whichever the sign: 0, -1, 1, -2, ... become 0, 1, 2, 3, ...
#[inline]
fn folded(value: i32) -> u32 {
    ((value << 1) ^ (value >> 31)).cast_unsigned()
}

#[inline]
fn unfolded(value: u32) -> i32 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::analysis::synthetic::Model;

    fn there_and_back(samples: &[i32]) -> usize {
        let bytes = encode(samples);
        assert!(decode(&bytes).as_deref() == Some(samples));
        bytes.len()
    }

    #[test]
    fn twelve_leads_of_ten_seconds_are_small() {
        let model = Model { noise_mv: 0.03, wander_mv: 0.3, ..Model::default() };
        let bytes =
            model.twelve_leads().iter().map(|(_, signal)| there_and_back(signal)).sum::<usize>();
        assert!(bytes < 65_000, "{bytes}");
    }

    #[test]
    fn edges_come_back() {
        assert_eq!(there_and_back(&[]), 2);
        there_and_back(&[i32::MIN]);
        there_and_back(&[i32::MIN, i32::MAX].repeat(500));
        there_and_back(&[0, 0, 0, i32::MAX, 0, 0, -1]);
        assert!(there_and_back(&vec![77; 100_000]) < 800);
        assert!(there_and_back(&(0..100_000).collect::<Vec<_>>()) < 800);
    }

    #[test]
    fn a_large_count_takes_no_memory() {
        assert!(decode(&[VERSION, 0xff, 0xff, 0xff, 0xff, 0x7f]).is_none());
        assert!(decode(&[VERSION, 0xff, 0xff, 0xff, 0xff, 0x7f, 31, 31, 31]).is_none());
    }

    #[test]
    fn what_is_cut_or_longer_is_none() {
        let bytes = encode(&Model::default().lead(&crate::analysis::synthetic::LEAD_II, 0));
        for length in 0..bytes.len() {
            assert!(decode(&bytes[..length]).is_none());
        }
        assert!(decode(&[&bytes[..], &[0]].concat()).is_none());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]
        #[test]
        fn any_samples_come_back(samples in prop_oneof![
            prop::collection::vec(any::<i32>(), 0..600),
            prop::collection::vec(-3..3, 0..600),
            prop::collection::vec(prop_oneof![Just(i32::MIN), Just(i32::MAX), -100..100], 0..600),
        ]) {
            let bytes = encode(&samples);
            prop_assert_eq!(decode(&bytes), Some(samples.clone()));
            prop_assert!(bytes.len() <= 16 + samples.len() * 4 * 104 / 100);
        }

        #[test]
        fn any_bytes_are_samples_or_none(mut bytes in prop::collection::vec(any::<u8>(), 0..300), count in 0_u8..128) {
            let _ = decode(&bytes);
            bytes.splice(0..0, [VERSION, 0x80 | count, count / 8]);
            let _ = decode(&bytes);
        }
    }
}
