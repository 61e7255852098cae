//! A lead's samples as a path of few points.

/// A point in units of the picture.
pub type Point = (i64, i64);

/// How a trace may be simplified.
#[derive(Clone, Copy)]
pub struct Detail {
    /// Samples within this many units of width become their extremes, in the order in which they
    /// come: no peak is lost.
    pub column: i64,
    /// Points that a straight line misses by no more than this many units are left out.
    pub tolerance: i64,
}

/// From the finest, on which nothing can be seen to lack, to ever coarser ones.
pub const DETAILS: [Detail; 12] = [
    Detail { column: 1, tolerance: 1 },
    Detail { column: 1, tolerance: 2 },
    Detail { column: 2, tolerance: 3 },
    Detail { column: 2, tolerance: 5 },
    Detail { column: 4, tolerance: 8 },
    Detail { column: 8, tolerance: 10 },
    Detail { column: 16, tolerance: 10 },
    Detail { column: 32, tolerance: 10 },
    Detail { column: 64, tolerance: 10 },
    Detail { column: 256, tolerance: 10 },
    Detail { column: 1_024, tolerance: 10 },
    Detail { column: 8_192, tolerance: 10 },
];

/// Adds the path of a row's points, from left to right, to `path`, as long as that stays under
/// `most` bytes: if not, false.
pub fn draw(
    points: impl Iterator<Item = Point>,
    detail: Detail,
    path: &mut String,
    most: usize,
) -> bool {
    let mut pen = Pen { path, at: None };
    let mut door = Door { tolerance: detail.tolerance, anchor: None };
    let mut columns = points.peekable();
    while let Some(first) = columns.next() {
        let column = first.0.div_euclid(detail.column);
        let (mut lowest, mut highest, mut last) = (first, first, first);
        while let Some(next) = columns.next_if(|next| next.0.div_euclid(detail.column) == column) {
            if next.1 < lowest.1 {
                lowest = next;
            }
            if next.1 > highest.1 {
                highest = next;
            }
            last = next;
        }
        let (early, late) =
            if lowest.0 <= highest.0 { (lowest, highest) } else { (highest, lowest) };
        // A column's first and last points keep the line to the columns beside it where it is.
        for point in [first, early, late, last] {
            door.pass(point, &mut pen);
        }
        if pen.path.len() > most {
            return false;
        }
    }
    door.close(&mut pen);
    pen.path.len() <= most
}

/// Leaves out points that lie on a line, one after the other: the swinging door (Bristol 1990).
struct Door {
    tolerance: i64,
    /// The last point drawn, and those after it that may be left out.
    anchor: Option<(Point, Option<Open>)>,
}

/// The last point seen, and the slopes, as (rise, run), of lines from the anchor that miss none of
/// those between by more than the tolerance.
#[derive(Clone, Copy)]
struct Open {
    last: Point,
    least: (i64, i64),
    most: (i64, i64),
}

impl Door {
    fn pass(&mut self, point: Point, pen: &mut Pen) {
        let Some((anchor, open)) = self.anchor else {
            pen.draw(point);
            self.anchor = Some((point, None));
            return;
        };
        let (run, rise) = (point.0 - anchor.0, point.1 - anchor.1);
        let (low, high) = ((rise - self.tolerance, run), (rise + self.tolerance, run));
        let fresh = Open { last: point, least: low, most: high };
        let less = |a: (i64, i64), b: (i64, i64)| a.0 * b.1 < b.0 * a.1;
        let next = match open {
            _ if run <= 0 => None,
            None => Some(fresh),
            Some(open) if less((rise, run), open.least) || less(open.most, (rise, run)) => None,
            Some(Open { least, most, .. }) => Some(Open {
                last: point,
                least: if less(least, low) { low } else { least },
                most: if less(high, most) { high } else { most },
            }),
        };
        if next.is_some() {
            self.anchor = Some((anchor, next));
        } else if let Some(open) = open {
            pen.draw(open.last);
            self.anchor = Some((open.last, None));
            self.pass(point, pen);
        } else {
            pen.draw(point);
            self.anchor = Some((point, None));
        }
    }

    fn close(self, pen: &mut Pen) {
        if let Some((_, Some(open))) = self.anchor {
            pen.draw(open.last);
        }
    }
}

/// Writes a path: its first point absolute, the others as relative lines.
struct Pen<'a> {
    path: &'a mut String,
    at: Option<Point>,
}

impl Pen<'_> {
    fn draw(&mut self, (x, y): Point) {
        let (from, right, down) = match self.at {
            None => ("M", x, y),
            Some(at) if at == (x, y) => return,
            Some(at) => ("l", x - at.0, y - at.1),
        };
        let gap = if down < 0 { "" } else { " " };
        self.path.push_str(from);
        self.path.push_str(&right.to_string());
        self.path.push_str(gap);
        self.path.push_str(&down.to_string());
        self.at = Some((x, y));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The points of a path.
    fn points(path: &str) -> Vec<Point> {
        let mut at = (0, 0);
        let path = path.replace('-', " -").replace(['M', 'l'], "\n");
        let lines = path.lines().skip(1).map(|line| {
            let numbers: Vec<i64> = line.split_whitespace().map(|n| n.parse().unwrap()).collect();
            at = (at.0 + numbers[0], at.1 + numbers[1]);
            at
        });
        lines.collect()
    }

    #[test]
    fn a_straight_line_has_two_points() {
        let mut path = String::new();
        assert!(draw((0..100).map(|x| (x, 3 * x)), DETAILS[0], &mut path, 1_000));
        assert_eq!(path, "M0 0l99 297");
    }

    proptest! {
        #[test]
        fn no_point_is_missed_by_more_than_the_tolerance(
            heights in prop::collection::vec(prop_oneof![-5_i64..5, -400_i64..400], 1..200),
            tolerance in 0_i64..20,
        ) {
            let row: Vec<Point> = (0..).zip(heights.iter().copied()).collect();
            let mut path = String::new();
            draw(row.iter().copied(), Detail { column: 1, tolerance }, &mut path, usize::MAX);
            let drawn = points(&path);
            for (x, y) in row {
                let near = drawn.windows(2).filter(|w| w[0].0 <= x && x <= w[1].0).any(|w| {
                    let run = w[1].0 - w[0].0;
                    let on = w[0].1 * run + (w[1].1 - w[0].1) * (x - w[0].0);
                    (on - y * run).abs() <= tolerance * run
                });
                prop_assert!(near || drawn.contains(&(x, y)));
            }
        }

        #[test]
        fn a_column_keeps_its_extremes(heights in prop::collection::vec(-400_i64..400, 1..500)) {
            let row = || (0..).zip(heights.iter().copied());
            let mut path = String::new();
            draw(row(), Detail { column: 50, tolerance: 0 }, &mut path, usize::MAX);
            let drawn: Vec<i64> = points(&path).iter().map(|point| point.1).collect();
            prop_assert_eq!(drawn.iter().max(), heights.iter().max());
            prop_assert_eq!(drawn.iter().min(), heights.iter().min());
        }
    }
}
