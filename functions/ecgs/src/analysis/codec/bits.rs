//! Bits in bytes, the highest first.

/// A number takes at most this many 7-bit groups.
const GROUPS: u32 = 10;

/// Puts bits behind each other.
pub struct Writer {
    bytes: Vec<u8>,
    /// The last bits, in the lowest places, and how many: under 32.
    last: u64,
    filled: u32,
}

impl Writer {
    /// Goes on after `bytes` with a count, in 7-bit groups.
    pub fn after(mut bytes: Vec<u8>, count: usize) -> Self {
        let mut rest = count;
        loop {
            let group = u8::try_from(rest & 0x7f).unwrap_or(0);
            rest >>= 7;
            bytes.push(if rest == 0 { group } else { group | 0x80 });
            if rest == 0 {
                return Self { bytes, last: 0, filled: 0 };
            }
        }
    }

    /// Puts the lowest `count` bits, up to 63; the others are zero.
    #[inline]
    pub fn put(&mut self, bits: u64, count: u32) {
        if count > u32::BITS {
            let low = count - u32::BITS;
            self.put(bits >> low, u32::BITS);
            return self.put(bits & ((1 << low) - 1), low);
        }
        self.last = (self.last << count) | bits;
        self.filled += count;
        if self.filled >= u32::BITS {
            self.filled -= u32::BITS;
            // What lies above was written before.
            let [.., a, b, c, d] = (self.last >> self.filled).to_be_bytes();
            self.bytes.extend_from_slice(&[a, b, c, d]);
        }
    }

    /// The bytes, the last filled with zeros.
    pub fn finish(mut self) -> Vec<u8> {
        let rest = self.filled.div_ceil(8) as usize;
        let [.., a, b, c, d] = (self.last << (u32::BITS - self.filled)).to_be_bytes();
        self.bytes.extend([a, b, c, d].into_iter().take(rest));
        self.bytes
    }
}

/// Takes bits one behind the other.
pub struct Reader<'a> {
    bytes: &'a [u8],
    /// The next bits, in the highest places, and how many are surely there.
    next: u64,
    filled: u32,
}

impl<'a> Reader<'a> {
    /// A reader of what follows a count, in 7-bit groups, and the count.
    pub fn with_count(mut bytes: &'a [u8]) -> Option<(Self, u64)> {
        let mut count = 0;
        for group in 0..GROUPS {
            let (&byte, rest) = bytes.split_first()?;
            bytes = rest;
            let part = u64::from(byte & 0x7f);
            // Bits that don't fit, and needless groups, are refused: a count has one form.
            let shifted =
                part.checked_shl(7 * group).filter(|shifted| shifted >> (7 * group) == part)?;
            count |= shifted;
            if byte < 0x80 {
                let plain = byte != 0 || group == 0;
                return plain.then_some((Self { bytes, next: 0, filled: 0 }, count));
            }
        }
        None
    }

    /// Bits left, those that fill the last byte included.
    pub fn bits(&self) -> u64 {
        self.bytes.len() as u64 * 8 + u64::from(self.filled)
    }

    /// Whether nothing is left but zeros that fill a byte.
    pub fn is_done(&self) -> bool {
        self.bits() < 8 && self.next == 0
    }

    /// The next `count` bits, up to 32.
    #[inline]
    pub fn take(&mut self, count: u32) -> Option<u32> {
        self.fill();
        let bits = u32::try_from((self.next >> 1) >> (63 - count)).ok()?;
        self.skip(count)?;
        Some(bits)
    }

    /// The number of ones before the next zero, which is taken too; or `most`, taken alone, if
    /// there are as many.
    #[inline]
    pub fn take_ones(&mut self, most: u32) -> Option<u32> {
        self.fill();
        let ones = self.next.leading_ones().min(most);
        self.skip(if ones < most { ones + 1 } else { most })?;
        Some(ones)
    }

    /// Fills up to at least 32 bits, or to what there is.
    #[inline]
    fn fill(&mut self) {
        if self.filled >= u32::BITS {
            return;
        }
        if let Some((&four, rest)) = self.bytes.split_first_chunk() {
            self.next |= u64::from(u32::from_be_bytes(four)) << (u32::BITS - self.filled);
            self.filled += u32::BITS;
            self.bytes = rest;
            return;
        }
        while let Some((&byte, rest)) = self.bytes.split_first() {
            self.next |= u64::from(byte) << (56 - self.filled);
            self.filled += 8;
            self.bytes = rest;
        }
    }

    #[inline]
    fn skip(&mut self, count: u32) -> Option<()> {
        self.filled = self.filled.checked_sub(count)?;
        self.next <<= count;
        Some(())
    }
}
