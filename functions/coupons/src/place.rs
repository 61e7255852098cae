//! Places on the Earth: distances, and the cells of a Z-order curve that an index can be asked for.

use std::f64::consts::PI;

use shared::fields::Wrong;
use shared::values::plain;

/// The mean radius of the Earth (IUGG), km.
const EARTH_KM: f64 = 6_371.008_8;
/// Bits of a coordinate in a key: cells of the last level are under a centimetre wide.
const BITS: u32 = 32;
/// The level whose cells are the index's partitions: 313 km from south to north.
const PARTITION_LEVEL: u32 = 6;
const STEPS: f64 = 4_294_967_296.0;

/// Degrees.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place {
    pub lat: f64,
    pub long: f64,
}

impl Place {
    /// `lat,long` in degrees.
    pub fn parse(text: &str) -> Result<Self, Wrong> {
        const FORM: &str = "This must be lat,long in degrees, such as 51.5,-0.12.";
        let (lat, long) = text.split_once(',').ok_or(Wrong::invalid(FORM))?;
        let lat = plain(-90.0..=90.0, FORM)(lat.trim())?;
        let long = plain(-180.0..=180.0, FORM)(long.trim())?;
        Ok(Self { lat, long })
    }

    /// The cell of the last level that the place lies in.
    pub fn cell(self) -> Cell {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a float's cast saturates"
        )]
        let step = |part: f64| (part * STEPS) as u32;
        Cell {
            level: BITS,
            x: step((self.long + 180.0) / 360.0),
            y: step((self.lat + 90.0) / 180.0),
        }
    }

    /// Great-circle distance, km: Vincenty's formula on a sphere, exact where haversine's isn't, at
    /// the antipode, which the bounds of cells need.
    pub fn distance_km(self, other: Self) -> f64 {
        let (a, b) = (self.lat.to_radians(), other.lat.to_radians());
        let apart = (other.long - self.long).to_radians();
        let across = b.cos() * apart.sin();
        let along = a.cos() * b.sin() - a.sin() * b.cos() * apart.cos();
        let towards = a.sin() * b.sin() + a.cos() * b.cos() * apart.cos();
        EARTH_KM * across.hypot(along).atan2(towards)
    }

    fn antipode(self) -> Self {
        Self {
            lat: -self.lat,
            long: if self.long > 0.0 { self.long - 180.0 } else { self.long + 180.0 },
        }
    }
}

/// A rectangle of the curve: `x` and `y` have `level` bits, from the west and from the south.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell {
    pub level: u32,
    x: u32,
    y: u32,
}

impl Cell {
    pub const EARTH: Self = Self { level: 0, x: 0, y: 0 };

    /// Whether it lies within one partition; a larger one can't be read.
    pub fn has_partition(self) -> bool {
        self.level >= PARTITION_LEVEL
    }

    /// The four cells that it is made of, in the curve's order; none at the last level.
    pub fn children(self) -> Vec<Self> {
        let child = |(x, y)| Self { level: self.level + 1, x: self.x * 2 + x, y: self.y * 2 + y };
        let inner = self.level < BITS;
        [(0, 0), (0, 1), (1, 0), (1, 1)].into_iter().filter(|_| inner).map(child).collect()
    }

    /// The partition in the index of a cell that has one.
    pub fn partition(self) -> String {
        let up = self.level - PARTITION_LEVEL;
        format!("{:02}-{:02}", self.x >> up, self.y >> up)
    }

    /// The first and the last key within the cell: 64 bits, those of x and y by turns, in hex.
    pub fn keys(self) -> (String, String) {
        let spare = 2 * (BITS - self.level);
        let first = (spread(self.x) << 1 | spread(self.y)).checked_shl(spare).unwrap_or(0);
        let last = first | 1_u64.checked_shl(spare).unwrap_or(0).wrapping_sub(1);
        (format!("{first:016x}"), format!("{last:016x}"))
    }

    /// The middle, which stands for every place in a cell of the last level.
    pub fn middle(self) -> Place {
        let (south, west, north, east) = self.edges();
        Place { lat: f64::midpoint(south, north), long: f64::midpoint(west, east) }
    }

    /// South, west, north, east in degrees.
    fn edges(self) -> (f64, f64, f64, f64) {
        let side = f64::from(self.level).exp2();
        let lat = |y: f64| y / side * 180.0 - 90.0;
        let long = |x: f64| x / side * 360.0 - 180.0;
        let (x, y) = (f64::from(self.x), f64::from(self.y));
        (lat(y), long(x), lat(y + 1.0), long(x + 1.0))
    }

    /// No place in the cell is nearer than this, km. A cell of the last level is its middle.
    pub fn least_km(self, from: Place) -> f64 {
        if self.level == BITS {
            return from.distance_km(self.middle());
        }
        let (south, west, north, east) = self.edges();
        if (west..=east).contains(&from.long) {
            let away = (south - from.lat).max(from.lat - north).max(0.0);
            return under(away.to_radians() * EARTH_KM);
        }
        // On a meridian the distance falls up to the latitude next to the place, and rises behind.
        let least = [west, east].map(|long| {
            let lat = from.lat.to_radians();
            let apart = (long - from.long).to_radians();
            let next_to = lat.sin().atan2(lat.cos() * apart.cos()).to_degrees();
            let ends = [south, north, next_to.clamp(south, north)];
            ends.map(|lat| from.distance_km(Place { lat, long }))
                .into_iter()
                .fold(f64::MAX, f64::min)
        });
        under(least[0].min(least[1]))
    }

    /// No place in the cell is farther than this, km.
    pub fn most_km(self, from: Place) -> f64 {
        if self.level == BITS {
            return from.distance_km(self.middle());
        }
        PI * EARTH_KM - self.least_km(from.antipode()) + 1e-6
    }
}

/// A bound that no rounding takes it over: a millimetre less.
fn under(km: f64) -> f64 {
    (km - 1e-6).max(0.0)
}

/// The bits of `part`, each with a zero before it.
fn spread(part: u32) -> u64 {
    (0..BITS).fold(0, |spread, bit| spread | (u64::from(part) >> bit & 1) << (2 * bit))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn place() -> impl Strategy<Value = Place> {
        let lat = prop_oneof![-90.0..=90.0, 89.9..=90.0, -90.0..=-89.9, Just(0.0)];
        let long = prop_oneof![-180.0..=180.0, 179.9..=180.0, -180.0..=-179.9, Just(0.0)];
        (lat, long).prop_map(|(lat, long)| Place { lat, long })
    }

    /// The cell of a level that a place lies in.
    fn above(place: Place, level: u32) -> Cell {
        let Cell { x, y, .. } = place.cell();
        let up = |part: u32| part.checked_shr(BITS - level).unwrap_or(0);
        Cell { level, x: up(x), y: up(y) }
    }

    #[test]
    fn known_distances() {
        let (london, paris) =
            (Place { lat: 51.5074, long: -0.1278 }, Place { lat: 48.8566, long: 2.3522 });
        assert!((london.distance_km(paris) - 343.56).abs() < 0.1);
        let (west, east) = (Place { lat: 0.0, long: 179.5 }, Place { lat: 0.0, long: -179.5 });
        assert!((west.distance_km(east) - 111.195).abs() < 0.01);
        assert!(
            (Place { lat: 90.0, long: 0.0 }).distance_km(Place { lat: 90.0, long: 123.0 }) < 1e-6
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn a_cell_s_bounds_hold_for_every_place_in_it(from in place(), to in place(), level in 0..=32_u32) {
            let cell = above(to, level);
            let distance = from.distance_km(to.cell().middle());
            prop_assert!(cell.least_km(from) <= distance + 1e-9, "{} > {distance}", cell.least_km(from));
            prop_assert!(cell.most_km(from) >= distance - 1e-9, "{} < {distance}", cell.most_km(from));
        }

        #[test]
        fn a_place_s_key_is_within_those_of_each_cell_above_it(place in place(), level in PARTITION_LEVEL..=32) {
            let (key, last) = place.cell().keys();
            prop_assert_eq!(&key, &last);
            let cell = above(place, level);
            let (first, last) = cell.keys();
            prop_assert!(first <= key && key <= last);
            prop_assert_eq!(cell.partition(), place.cell().partition());
            let holding = cell.children().into_iter().filter(|child| { let (first, last) = child.keys(); first <= key && key <= last });
            prop_assert_eq!(holding.count(), usize::from(level < 32));
        }

        #[test]
        fn any_text_is_a_place_or_refused(text in "\\PC{0,20}") {
            let _ = Place::parse(&text);
        }
    }

    #[test]
    fn what_is_no_place_is_refused() {
        for text in ["", ",", "1", "1,", "1,2,3", "a,b", "inf,0", "nan,0", "1e1,0", "91,0", "0,181"]
        {
            assert!(Place::parse(text).is_err(), "{text}");
        }
        assert_eq!(Place::parse("51.5, -0.12").ok(), Some(Place { lat: 51.5, long: -0.12 }));
    }
}
