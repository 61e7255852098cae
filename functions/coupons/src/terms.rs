//! The terms of a coupon: all of it that can be written, and what makes them valid.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use shared::fields::{Members, Object, Wrong};
use shared::json::{Node, Value};
use shared::values::{Timestamp, boolean, integer, lines, number, string, text, word};

use crate::money::{Currency, amount, percent};
use crate::place::Place;

/// The largest integer that every JSON reader keeps exact.
const MOST_REDEMPTIONS: i64 = 9_007_199_254_740_991;

pub const MEMBERS: Members = Members {
    writable: &[
        "category",
        "couponcode",
        "description",
        "merchant",
        "title",
        "store",
        "published_at",
        "expire_at",
        "discount",
        "min_order_amount",
        "max_redemptions",
        "max_redemptions_per_customer",
        "disabled",
    ],
    read_only: &[
        "id",
        "valid",
        "status",
        "times_redeemed",
        "times_reserved",
        "version",
        "created_at",
        "updated_at",
        "distance_km",
    ],
};

pub const STORE: Members = Members {
    writable: &["lat", "long", "city", "phone", "state", "street", "zip"],
    read_only: &[],
};

pub const DISCOUNT: Members =
    Members { writable: &["type", "value", "currency", "max_amount"], read_only: &[] };

/// All of a coupon that can be written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Terms {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    pub couponcode: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    pub merchant: String,
    title: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    store: Option<Venue>,
    pub published_at: Timestamp,
    pub expire_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discount: Option<Discount>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_order_amount: Option<Decimal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_redemptions: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_redemptions_per_customer: Option<i64>,
    #[serde(default)]
    pub disabled: bool,
}

/// The store that takes the coupon. Degrees, both or neither.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
struct Venue {
    #[serde(skip_serializing_if = "Option::is_none")]
    lat: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    long: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    city: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    phone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    street: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    zip: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Discount {
    #[serde(rename = "type")]
    pub kind: Kind,
    /// Percent of the order, or an amount in `currency`.
    pub value: Decimal,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub currency: Option<Currency>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_amount: Option<Decimal>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Percent,
    Amount,
}

impl Terms {
    /// Every wrong field of a body is entered with `coupon`; None then.
    pub fn read(coupon: &mut Object) -> Option<Self> {
        let category = coupon.optional("category", string(text::<256>));
        let couponcode = coupon.required("couponcode", string(text::<256>));
        let description = coupon.optional("description", string(lines::<4096>));
        let merchant = coupon.required("merchant", string(text::<256>));
        let title = coupon.required("title", string(text::<256>));
        // A store of which nothing is said is none.
        let store = coupon
            .object("store", STORE, |venue| Some(Venue::read(venue)))
            .filter(|store| *store != Venue::default());
        let published_at = coupon.required("published_at", string(Timestamp::parse));
        let expire_at = coupon.required("expire_at", string(Timestamp::parse));
        let currency = currency_of(coupon);
        let discount =
            coupon.object("discount", DISCOUNT, |discount| Discount::read(discount, currency));
        let min_order_amount = coupon.optional("min_order_amount", amount(currency));
        if needs_currency(coupon) {
            coupon.wrong_within("discount", "currency", Wrong::REQUIRED);
        }
        let max_redemptions = coupon.optional("max_redemptions", integer(1..=MOST_REDEMPTIONS));
        let per_customer =
            coupon.optional("max_redemptions_per_customer", integer(1..=MOST_REDEMPTIONS));
        let disabled = coupon.optional("disabled", boolean);
        Some(Self {
            category,
            couponcode: couponcode?,
            description,
            merchant: merchant?,
            title: title?,
            store,
            published_at: published_at?,
            expire_at: expire_at?,
            discount,
            min_order_amount,
            max_redemptions,
            max_redemptions_per_customer: per_customer,
            disabled: disabled.unwrap_or(false),
        })
    }

    /// Where its store is, if it says.
    pub fn place(&self) -> Option<Place> {
        let store = self.store.as_ref()?;
        Some(Place { lat: store.lat?, long: store.long? })
    }

    /// The dates are the right way round.
    pub fn valid(&self) -> bool {
        self.expire_at >= self.published_at
    }

    /// The names of the members that differ from `old`, or that are given where there is no old.
    pub fn changed(&self, old: Option<&Self>) -> Vec<&'static str> {
        let json = |terms: &Self| serde_json::to_value(terms).unwrap_or_default();
        let unset = || serde_json::json!({"disabled": false});
        let (new, old) = (json(self), old.map_or_else(unset, json));
        MEMBERS.writable.iter().copied().filter(|name| new.get(name) != old.get(name)).collect()
    }

    /// The same terms with every amount in its shortest form: what is equal looks equal.
    pub fn canonical(&self) -> Self {
        let shortest = |amount: &mut Decimal| *amount = amount.normalize();
        let mut terms = self.clone();
        terms.min_order_amount.iter_mut().for_each(shortest);
        if let Some(discount) = &mut terms.discount {
            shortest(&mut discount.value);
            discount.max_amount.iter_mut().for_each(shortest);
        }
        terms
    }
}

/// The currency that the amounts are in: read first, since it says how many decimals they have.
fn currency_of(coupon: &Object) -> Option<Currency> {
    let node = coupon.node_within("discount", "currency")?;
    string(Currency::parse)(node).ok()
}

/// Whether any amount is given without its currency. One order is in one currency, so that all
/// amounts share it.
fn needs_currency(coupon: &Object) -> bool {
    let is_object = |node: &Node| matches!(node.value, Value::Object(_));
    let discount = coupon.given_as("discount").filter(|node| node.value != Value::Null);
    if !discount.is_none_or(is_object) || coupon.node_within("discount", "currency").is_some() {
        return false;
    }
    let kind = coupon.node_within("discount", "type").map(string(Kind::parse));
    coupon.has("min_order_amount")
        || coupon.node_within("discount", "max_amount").is_some()
        || kind == Some(Ok(Kind::Amount))
}

impl Venue {
    fn read(venue: &mut Object) -> Self {
        let lat = venue.optional("lat", number(-90.0..=90.0));
        let long = venue.optional("long", number(-180.0..=180.0));
        for (name, other) in [("lat", "long"), ("long", "lat")] {
            if venue.has(other) && !venue.has(name) {
                venue.wrong(name, Wrong::REQUIRED);
            }
        }
        Self {
            lat,
            long,
            city: venue.optional("city", string(text::<256>)),
            phone: venue.optional("phone", string(text::<256>)),
            state: venue.optional("state", string(text::<256>)),
            street: venue.optional("street", string(text::<256>)),
            zip: venue.optional("zip", string(text::<256>)),
        }
    }
}

impl Discount {
    fn read(discount: &mut Object, currency: Option<Currency>) -> Option<Self> {
        let kind = discount.required("type", string(Kind::parse));
        let value = match kind {
            Some(Kind::Percent) => discount.required("value", string(percent)),
            _ => discount.required("value", amount(currency)),
        };
        let code = discount.optional("currency", string(Currency::parse));
        let max_amount = discount.optional("max_amount", amount(currency));
        Some(Self { kind: kind?, value: value?, currency: code, max_amount })
    }
}

impl Kind {
    fn parse(text: &str) -> Result<Self, Wrong> {
        word(text, &["percent", "amount"])
    }
}
