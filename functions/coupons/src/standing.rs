//! One more redemption: what the ledger says before it, whose slots it takes over, and the one
//! transaction that it comes to.

use rand::seq::SliceRandom;
use shared::answer::Answer;
use shared::audit::Access;
use shared::auth::Caller;
use shared::problem::Problem;
use shared::store::{Change, Counters, Otherwise, Partitions, Store, Table};
use shared::values::Timestamp;

use crate::coupon::{Coupon, Usage};
use crate::ledger::{
    Deltas, OrderRow, Row, customer_key, hour, order_key, read, redemption_key, subject, totals_key,
};
use crate::redemption::{Redemption, State};
use crate::table::coupon_key;
use crate::usage::{lapsing, used};

/// How many of the reservations that expired first one is chosen from, so that callers at the same
/// time seldom choose the same.
const CANDIDATES: usize = 25;
/// How many slots one redemption takes over: as many as a lowered limit asks for, within what one
/// transaction holds.
const MOST_RECLAIMED: usize = 15;
/// Empty hours that one redemption clears away.
const HOURS_CLEARED: usize = 2;

/// What the ledger says of a coupon, an order and a customer before one more redemption.
pub struct Standing {
    hours: Vec<Counters>,
    totals: Option<Counters>,
    customer_live: i64,
    /// What is used at the time, were all taken over that has expired.
    used: Usage,
    /// The order's last redemption.
    pub last: Option<Redemption>,
    /// More reservations of the customer expired than are taken over.
    more_of_customer: bool,
    /// Expired reservations whose slots the new one takes over.
    reclaimed: Vec<Redemption>,
}

impl Standing {
    /// Reads it, and chooses whose slots could be taken over.
    pub async fn read(
        store: &Store,
        coupon: &Coupon,
        order_id: &str,
        customer_id: &str,
        now: Timestamp,
    ) -> Result<Self, Problem> {
        let (order_key, customer_key) =
            (order_key(coupon.id, order_id), customer_key(coupon.id, customer_id));
        let ((usage, hours, totals), order, customer) = futures_util::try_join!(
            used(store, coupon.id, now),
            store.get::<OrderRow>(Table::Coupons, &order_key),
            store.counters(Table::Coupons, std::slice::from_ref(&customer_key)),
        )?;
        let last = match order {
            Some(order) => Some(read(store, coupon.id, order.redemption_id).await?),
            None => None,
        };
        let customer_live = customer.first().map_or(0, |customer| customer.count("live"));
        let mut standing = Self {
            hours,
            totals,
            customer_live,
            used: usage,
            last,
            more_of_customer: false,
            reclaimed: Vec::new(),
        };
        if standing.last.as_ref().is_some_and(|last| last.is_live(now)) {
            return Ok(standing);
        }
        // The order's own reservation that expired has to give way to the new one.
        standing.reclaimed.extend(standing.lapsed_of_order());
        let most = coupon.terms.max_redemptions_per_customer;
        let missing = most.map_or(0, |most| standing.customer_slots(customer_id) - most + 1);
        if missing > 0 {
            let of_customer = lapsing("lapsing_of", "open_of", customer_key.pk, now);
            standing.more_of_customer = standing.reclaim(store, of_customer, missing).await?;
        }
        // One is taken over even where no slot is missing, so that they don't pile up.
        let Usage { redeemed, reserved } = standing.usage();
        let missing = coupon.terms.max_redemptions.map_or(0, |most| redeemed + reserved - most + 1);
        if usage.reserved < reserved && (missing > 0 || standing.reclaimed.is_empty()) {
            let of_coupon = lapsing("lapsing", "open_in", coupon.id.to_string(), now);
            standing.reclaim(store, of_coupon, missing).await?;
        }
        Ok(standing)
    }

    /// The order's last redemption, where it is a reservation that expired with its slot.
    fn lapsed_of_order(&self) -> Option<Redemption> {
        self.last.clone().filter(|last| last.state == State::Reserved)
    }

    /// Chooses among the reservations that expired first, as many as are missing and one transaction
    /// holds. No order twice: an index that is behind may still have its former reservation. Gives
    /// whether there are more.
    async fn reclaim(
        &mut self,
        store: &Store,
        lapsing: Partitions,
        missing: i64,
    ) -> Result<bool, Problem> {
        let page = store.page(&lapsing, None, CANDIDATES, Some::<Redemption>).await?;
        let mut candidates = page.items;
        candidates.shuffle(&mut rand::rng());
        candidates.retain(|new| self.reclaimed.iter().all(|known| known.order_id != new.order_id));
        let room = MOST_RECLAIMED.saturating_sub(self.reclaimed.len());
        let taken = usize::try_from(missing).unwrap_or(0).max(1).min(room).min(candidates.len());
        let more = candidates.split_off(taken);
        self.reclaimed.extend(candidates);
        Ok(!more.is_empty())
    }

    /// Whether the limits refuse only because more has expired than one transaction can take over,
    /// or than the indexes show yet.
    pub fn is_behind(&self, coupon: &Coupon, customer_id: &str) -> bool {
        let most = coupon.terms.max_redemptions_per_customer;
        let refuses_customer = most.is_some_and(|most| self.customer_slots(customer_id) >= most);
        let exhausted = self.usage().exhausts(&coupon.terms);
        (exhausted && !self.used.exhausts(&coupon.terms))
            || (refuses_customer && self.more_of_customer)
    }

    /// Takes over what one transaction holds, for no redemption yet.
    pub fn catch_up(&self) -> Result<Change, Problem> {
        let mut deltas = Deltas::default();
        let change = self.take_over(Change::step(), &mut deltas, None)?;
        Ok(deltas.into_change(change))
    }

    fn take_over(
        &self,
        mut change: Change,
        deltas: &mut Deltas,
        order_id: Option<&str>,
    ) -> Result<Change, Problem> {
        for lapsed in &self.reclaimed {
            deltas.ended(lapsed, "expired");
            let (key, next) = (redemption_key(lapsed.coupon_id, lapsed.id), lapsed.reclaimed());
            change = change.replace(Table::Coupons, &key, &Row::of(&next), lapsed.version)?;
            if order_id != Some(&lapsed.order_id) {
                change =
                    change.remove(Table::Coupons, &order_key(lapsed.coupon_id, &lapsed.order_id));
            }
        }
        Ok(change)
    }

    /// How often the coupon is used once what can be taken over is. Reservations that expired and
    /// aren't taken over keep their slots that long.
    pub fn usage(&self) -> Usage {
        let count = |name| self.totals.as_ref().map_or(0, |totals| totals.count(name));
        Usage { redeemed: count("redeemed"), reserved: count("open") - self.taken_over(|_| true) }
    }

    /// The slots that the customer has, in the same way.
    pub fn customer_slots(&self, customer_id: &str) -> i64 {
        self.customer_live - self.taken_over(|lapsed| lapsed.customer_id == customer_id)
    }

    fn taken_over(&self, which: impl Fn(&&Redemption) -> bool) -> i64 {
        i64::try_from(self.reclaimed.iter().filter(which).count()).unwrap_or(i64::MAX)
    }

    /// One more redemption, its limits conditions of the transaction itself.
    pub fn redeem(
        &self,
        caller: &Caller,
        coupon: &Coupon,
        new: &Redemption,
        answer: Answer,
        now: Timestamp,
    ) -> Result<Change, Problem> {
        let key = redemption_key(new.coupon_id, new.id);
        let of_order = order_key(new.coupon_id, &new.order_id);
        let row = OrderRow { redemption_id: new.id };
        let mut changed = vec!["customer_id", "order_id", "order_amount", "currency"];
        changed.extend(new.expires_at.map(|_| "reserve_for_s"));
        let mut change = Change::new(caller, Access::Create, subject(new.id), &changed, answer)
            .check(Table::Coupons, &coupon_key(coupon.id), coupon.version)
            .insert(Table::Coupons, &key, &Row::of(new), Otherwise::DecideAnew)?;
        let mut deltas = Deltas::default();
        deltas.live(new, 1);
        change = self.take_over(change, &mut deltas, Some(&new.order_id))?;
        // The order's row goes with its reservation that expired, which guards it; else there is none.
        change = match self.lapsed_of_order() {
            Some(_) => change.put(Table::Coupons, &of_order, &row)?,
            None => change.insert(Table::Coupons, &of_order, &row, Otherwise::DecideAnew)?,
        };
        // Counters still hold what is taken over at this very moment.
        deltas.of(totals_key(coupon.id)).below =
            coupon.terms.max_redemptions.map(|most| ("live", most + self.taken_over(|_| true)));
        let of_customer = self.taken_over(|lapsed| lapsed.customer_id == new.customer_id);
        deltas.of(customer_key(coupon.id, &new.customer_id)).below =
            coupon.terms.max_redemptions_per_customer.map(|most| ("live", most + of_customer));
        let this_hour = format!("hour#{}", hour(now));
        let empty = self.hours.iter().filter(|hour| {
            *hour.key.sk < *this_hour && hour.count("n") == 0 && !deltas.has(&hour.key)
        });
        for hour in empty.take(HOURS_CLEARED) {
            change = change.delete_at_zero(Table::Coupons, &hour.key, "n");
        }
        Ok(deltas.into_change(change))
    }
}
