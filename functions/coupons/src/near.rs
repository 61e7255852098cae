//! The coupons nearest to a place: best first over cells of the index, which are divided where
//! they are dense.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use futures_util::future::try_join_all;
use shared::problem::Problem;
use shared::store::{Looked, Order, Page, Partitions, Store, Table};
use uuid::Uuid;

use crate::coupon::Coupon;
use crate::place::{Cell, Place};

/// How much of a cell is read at once, and how many cells side by side. A cell that holds more is
/// divided, so that little is read of what turns out to be far away.
const OF_A_CELL: usize = 16;
const CELLS_AT_ONCE: usize = 8;
/// Cells that a search begins with: enough to come down to the circle's size without a read.
const FIRST_CELLS: usize = 12;

/// What is asked for.
pub struct Search {
    pub from: Place,
    pub radius_km: f64,
}

/// A coupon and how far it is.
pub struct Found {
    pub coupon: Coupon,
    pub distance_km: f64,
}

/// How far a list has come: everything up to here was in it. Ties are by id.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
struct Reached {
    km: f64,
    id: Uuid,
}

impl Reached {
    /// Hex of a float that isn't negative has its order; the id behind.
    fn parse(text: &str) -> Option<Self> {
        let (km, id) = text.split_once('#')?;
        let km = f64::from_bits(u64::from_str_radix(km, 16).ok()?);
        Some(Self { km, id: Uuid::try_parse(id).ok()? })
    }

    fn shown(self) -> String {
        format!("{:016x}#{}", self.km.to_bits(), self.id)
    }
}

/// Something that is still to be looked at: nothing in it comes before `at`.
struct Ahead {
    at: Reached,
    what: What,
}

enum What {
    Coupon(Box<Coupon>),
    /// A cell, as far as it wasn't read yet.
    Cell {
        cell: Cell,
        after: Option<String>,
    },
}

impl Ord for Ahead {
    /// The nearest is the greatest, as a heap wants it.
    fn cmp(&self, other: &Self) -> Ordering {
        let is_coupon = |ahead: &Self| matches!(ahead.what, What::Coupon(_));
        other
            .at
            .km
            .total_cmp(&self.at.km)
            .then(other.at.id.cmp(&self.at.id))
            .then(is_coupon(other).cmp(&is_coupon(self)))
    }
}

impl PartialOrd for Ahead {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ahead {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Ahead {}

impl Search {
    /// A page of the coupons within the radius that `keep` takes, nearest first.
    pub async fn page(
        &self,
        store: &Store,
        after: Option<String>,
        limit: usize,
        keep: impl Fn(&Coupon) -> bool,
    ) -> Result<Page<Found>, Problem> {
        let begun = match after {
            Some(after) => Some(Reached::parse(&after).ok_or(Problem::INVALID_CURSOR)?),
            None => None,
        };
        let mut ahead: BinaryHeap<Ahead> =
            self.cover().into_iter().map(|cell| self.cell(cell, None, begun)).collect();
        let mut page = Page { items: Vec::new(), next: None };
        let mut looked = Looked::default();
        let mut reached = begun;
        loop {
            let mut cells = Vec::new();
            while let Some(Ahead { what: What::Cell { .. }, .. }) = ahead.peek()
                && cells.len() < CELLS_AT_ONCE
            {
                cells.extend(ahead.pop());
            }
            // Cells that the list has come past hold nothing new.
            let new = |cell: &Cell| begun.is_none_or(|begun| cell.most_km(self.from) >= begun.km);
            let reads = cells.into_iter().filter_map(|ahead| match ahead.what {
                What::Cell { cell, after } if new(&cell) => Some(read(store, cell, after)),
                What::Cell { .. } | What::Coupon(_) => None,
            });
            let mut has_read = false;
            for (cell, read, one) in try_join_all(reads).await? {
                has_read = true;
                looked += one;
                let place = one_place(&read.items);
                ahead
                    .extend(read.items.into_iter().filter_map(|coupon| self.coupon(coupon, begun)));
                ahead.extend(
                    read.next.into_iter().flat_map(|last| self.rest(cell, place, &last, begun)),
                );
            }
            if has_read {
                continue;
            }
            // A page goes on until it is farther than the one before, however dense it is here.
            let full = page.items.len() == limit || (looked.is_enough() && reached != begun);
            match ahead.peek() {
                None => return Ok(page),
                Some(_) if full => {
                    page.next = reached.map(Reached::shown);
                    return Ok(page);
                }
                Some(Ahead { what: What::Cell { .. }, .. }) => {}
                Some(_) => {
                    if let Some(Ahead { at, what: What::Coupon(coupon) }) = ahead.pop() {
                        reached = Some(at);
                        if keep(&coupon) {
                            page.items.push(Found { coupon: *coupon, distance_km: at.km });
                        }
                    }
                }
            }
        }
    }

    /// Whether a cell has a part in the circle.
    fn meets(&self, cell: &Cell) -> bool {
        cell.least_km(self.from) <= self.radius_km
    }

    /// Cells that hold the whole circle, few and not much larger than it.
    fn cover(&self) -> Vec<Cell> {
        let mut cells = vec![Cell::EARTH];
        loop {
            let smaller: Vec<_> = cells
                .iter()
                .flat_map(|cell| cell.children())
                .filter(|cell| self.meets(cell))
                .collect();
            let enough = smaller.is_empty() || smaller.len() > FIRST_CELLS;
            if enough && cells.iter().all(|cell| cell.has_partition()) {
                return cells;
            }
            cells = smaller;
        }
    }

    /// `after`: the last key of it that was read.
    fn cell(&self, cell: Cell, after: Option<String>, begun: Option<Reached>) -> Ahead {
        let km = cell.least_km(self.from);
        if !cell.children().is_empty() {
            let at = Reached { km, id: Uuid::nil() };
            return Ahead { at, what: What::Cell { cell, after } };
        }
        // Where all is at one place, the ids say how far it was read, and how far the list has come.
        let read_to = after.as_deref().and_then(|after| after.split_once('#'));
        let read_to = read_to.and_then(|(_, id)| Uuid::try_parse(id).ok());
        let come_to = begun.filter(|begun| begun.km.total_cmp(&km).is_eq()).map(|begun| begun.id);
        let id = read_to.max(come_to);
        let after = id.map(|id| format!("{}#{id}", cell.keys().0));
        let at = Reached { km, id: id.unwrap_or_default() };
        Ahead { at, what: What::Cell { cell, after } }
    }

    fn coupon(&self, coupon: Coupon, begun: Option<Reached>) -> Option<Ahead> {
        let km = self.from.distance_km(coupon.terms.place()?.cell().middle());
        let at = Reached { km, id: coupon.id };
        let new = km <= self.radius_km && begun.is_none_or(|begun| at > begun);
        new.then(|| Ahead { at, what: What::Coupon(Box::new(coupon)) })
    }

    /// What of a cell lies behind the last key that was read, as its children; the cell itself at
    /// the last level. `place`: where all is that was read.
    fn rest(
        &self,
        cell: Cell,
        place: Option<Cell>,
        last: &str,
        begun: Option<Reached>,
    ) -> Vec<Ahead> {
        let children = cell.children();
        let read = || Some(last.to_owned());
        let left: Vec<_> = match place {
            _ if children.is_empty() => vec![(cell, read())],
            // A cell can be divided twenty times over before what lies at one place is alone in it.
            Some(place) => vec![(place, read()), (cell, Some(format!("{}#~", place.keys().1)))],
            None => {
                let z = last.split('#').next().unwrap_or_default();
                let behind = children.into_iter().filter(|child| *child.keys().1 >= *z);
                behind.map(|child| (child, read().filter(|_| *child.keys().0 <= *z))).collect()
            }
        };
        let left = left.into_iter().filter(|(cell, _)| self.meets(cell));
        left.map(|(cell, after)| self.cell(cell, after, begun)).collect()
    }
}

/// The place that all of these have, as a cell of the last level.
fn one_place(coupons: &[Coupon]) -> Option<Cell> {
    let mut cells = coupons.iter().map(|coupon| coupon.terms.place().map(Place::cell));
    let first = cells.next()??;
    cells.all(|cell| cell == Some(first)).then_some(first)
}

async fn read(
    store: &Store,
    cell: Cell,
    after: Option<String>,
) -> Result<(Cell, Page<Coupon>, Looked), Problem> {
    let (first, last) = cell.keys();
    let partitions = Partitions {
        table: Table::Coupons,
        index: Some("place"),
        attribute: "place_cell",
        values: vec![cell.partition()],
        sort: "place",
        order: Order::Ascending,
        until: Some(format!("{last}#~")),
    };
    let mut looked = Looked::default();
    let page = store
        .search(&partitions, after.or(Some(first)), OF_A_CELL, false, &mut looked, Some)
        .await?;
    Ok((cell, page, looked))
}
