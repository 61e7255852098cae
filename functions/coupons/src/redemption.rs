//! One use of a coupon by one order: reserved and then confirmed, or redeemed at once.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use shared::fields::{Members, Object};
use shared::problem::Problem;
use shared::values::{Timestamp, integer, string, text};
use uuid::Uuid;

use crate::money::{Currency, amount};
use crate::rules::Order;

/// The longest reservation: a week. Seconds.
const LONGEST_RESERVATION_S: i64 = 604_800;

const RESERVATION_EXPIRED: Problem =
    Problem::new(409, "reservation_expired", "The reservation ended before it was confirmed.");
const REDEMPTION_CANCELLED: Problem =
    Problem::new(409, "redemption_cancelled", "The redemption was cancelled.");

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum State {
    Reserved,
    Redeemed,
    Cancelled,
    Expired,
}

/// The body of `POST /coupons/{id}/redemptions`.
#[derive(Debug, Clone, PartialEq)]
pub struct NewRedemption {
    pub customer_id: String,
    pub order_id: String,
    pub order: Order,
    reserve_for_s: Option<i64>,
}

/// The body of `POST /coupons/{id}/evaluations`.
#[derive(Debug, Clone)]
pub struct Question {
    pub customer_id: Option<String>,
    pub order: Order,
    pub at: Option<Timestamp>,
}

impl NewRedemption {
    pub const MEMBERS: Members = Members {
        writable: &["customer_id", "order_id", "order_amount", "currency", "reserve_for_s"],
        read_only: &[
            "id",
            "coupon_id",
            "discount_amount",
            "state",
            "expires_at",
            "redeemed_at",
            "created_at",
        ],
    };

    pub fn read(body: &mut Object) -> Option<Self> {
        let customer_id = body.required("customer_id", string(text::<128>));
        let order_id = body.required("order_id", string(text::<128>));
        let order = Order::read(body);
        let reserve_for_s = body.optional("reserve_for_s", integer(1..=LONGEST_RESERVATION_S));
        Some(Self { customer_id: customer_id?, order_id: order_id?, order: order?, reserve_for_s })
    }
}

impl Question {
    pub const MEMBERS: Members =
        Members { writable: &["customer_id", "order_amount", "currency", "at"], read_only: &[] };

    pub fn read(body: &mut Object) -> Option<Self> {
        let customer_id = body.optional("customer_id", string(text::<128>));
        let order = Order::read(body);
        let at = body.optional("at", string(Timestamp::parse));
        Some(Self { customer_id, order: order?, at })
    }
}

impl Order {
    /// The currency first: it says how many decimals the amount has.
    fn read(body: &mut Object) -> Option<Self> {
        let currency = body.required("currency", string(Currency::parse));
        let amount = body.required("order_amount", amount(currency));
        Some(Self { amount: amount?, currency: currency? })
    }
}

/// A redemption that is stored, or about to be. Its state is that of the last change; whether a
/// reservation has expired is judged by the time.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Redemption {
    pub id: Uuid,
    pub coupon_id: Uuid,
    pub customer_id: String,
    pub order_id: String,
    order_amount: Decimal,
    pub currency: Currency,
    pub discount_amount: Decimal,
    pub state: State,
    pub expires_at: Option<Timestamp>,
    pub redeemed_at: Option<Timestamp>,
    pub created_at: Timestamp,
    reserve_for_s: Option<i64>,
    pub version: u64,
}

impl Redemption {
    pub fn new(
        coupon_id: Uuid,
        new: &NewRedemption,
        discount_amount: Decimal,
        now: Timestamp,
    ) -> Option<Self> {
        let expires_at = match new.reserve_for_s {
            Some(seconds) => Some(Timestamp::from_ms(now.ms() + seconds * 1_000)?),
            None => None,
        };
        Some(Self {
            id: Uuid::now_v7(),
            coupon_id,
            customer_id: new.customer_id.clone(),
            order_id: new.order_id.clone(),
            order_amount: new.order.amount,
            currency: new.order.currency,
            discount_amount,
            state: if expires_at.is_some() { State::Reserved } else { State::Redeemed },
            expires_at,
            redeemed_at: expires_at.is_none().then_some(now),
            created_at: now,
            reserve_for_s: new.reserve_for_s,
            version: 1,
        })
    }

    /// The state at a time.
    pub fn state_at(&self, at: Timestamp) -> State {
        match (self.state, self.expires_at) {
            (State::Reserved, Some(expires_at)) if expires_at <= at => State::Expired,
            (state, _) => state,
        }
    }

    /// It holds a slot of its coupon.
    pub fn is_live(&self, at: Timestamp) -> bool {
        matches!(self.state_at(at), State::Reserved | State::Redeemed)
    }

    /// Whether a request asks for what this is already.
    pub fn is_asked_for_by(&self, new: &NewRedemption) -> bool {
        self.customer_id == new.customer_id
            && self.order_amount == new.order.amount
            && self.currency == new.order.currency
            && self.reserve_for_s == new.reserve_for_s
    }

    /// The next version once confirmed; None where it is redeemed already.
    pub fn confirmed(&self, now: Timestamp) -> Result<Option<Self>, Problem> {
        match self.state_at(now) {
            State::Redeemed => Ok(None),
            State::Cancelled => Err(REDEMPTION_CANCELLED),
            State::Expired => Err(RESERVATION_EXPIRED),
            State::Reserved => {
                Ok(Some(Self { redeemed_at: Some(now), ..self.next(State::Redeemed) }))
            }
        }
    }

    /// The next version once cancelled; None where there is nothing to cancel.
    #[expect(clippy::unnecessary_wraps, reason = "as confirmed, which may be refused")]
    pub fn cancelled(&self, now: Timestamp) -> Result<Option<Self>, Problem> {
        Ok(self.is_live(now).then(|| self.next(State::Cancelled)))
    }

    /// The next version once its slot is given to another.
    pub fn reclaimed(&self) -> Self {
        self.next(State::Expired)
    }

    fn next(&self, state: State) -> Self {
        Self { state, version: self.version + 1, ..self.clone() }
    }

    /// What callers see at a time.
    pub fn seen_at(&self, at: Timestamp) -> Seen<'_> {
        Seen {
            id: self.id,
            coupon_id: self.coupon_id,
            customer_id: &self.customer_id,
            order_id: &self.order_id,
            order_amount: self.order_amount,
            currency: self.currency,
            discount_amount: self.discount_amount,
            state: self.state_at(at),
            expires_at: self.expires_at,
            redeemed_at: self.redeemed_at,
            created_at: self.created_at,
        }
    }
}

#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Seen<'a> {
    id: Uuid,
    coupon_id: Uuid,
    customer_id: &'a str,
    order_id: &'a str,
    order_amount: Decimal,
    currency: Currency,
    discount_amount: Decimal,
    state: State,
    expires_at: Option<Timestamp>,
    redeemed_at: Option<Timestamp>,
    created_at: Timestamp,
}
