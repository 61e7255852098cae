//! Whether an order may have a coupon's discount, and how much that is.

use rust_decimal::Decimal;
use serde::Serialize;
use shared::problem::Problem;
use shared::values::Timestamp;

use crate::coupon::Usage;
use crate::money::Currency;
use crate::terms::{Kind, Terms};

/// What is being paid.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Order {
    pub amount: Decimal,
    pub currency: Currency,
}

/// One rule, and whether the order passes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Rule {
    rule: &'static str,
    passed: bool,
    /// Why not.
    code: Option<&'static str>,
    /// The same for people.
    #[serde(skip)]
    detail: &'static str,
}

const CURRENCY: &str = "The coupon is for orders in another currency.";
const EXHAUSTED: &str = "The coupon was used as often as it may be.";
const CUSTOMER: &str = "This customer used the coupon as often as one may.";

/// Every rule, in the order in which the first failure counts. `customer_slots`: how many slots the
/// customer has, where that is to be judged.
pub fn judge(
    terms: &Terms,
    order: Order,
    usage: Usage,
    customer_slots: Option<i64>,
    at: Timestamp,
) -> Vec<Rule> {
    let own = terms.discount.as_ref().and_then(|discount| discount.currency);
    let same_currency = own.is_none_or(|own| own == order.currency);
    let enough = terms.min_order_amount.is_none_or(|least| same_currency && order.amount >= least);
    let rule = |rule, code, passed: bool, detail| {
        let code = (!passed).then_some(code);
        Rule { rule, passed, code, detail }
    };
    let (started, lasts) = (at >= terms.published_at, at <= terms.expire_at);
    let mut rules = vec![
        rule("valid", "coupon_invalid", terms.valid(), "The coupon ends before it begins."),
        rule("enabled", "coupon_disabled", !terms.disabled, "The coupon is switched off."),
        rule("started", "coupon_not_started", started, "The coupon's period hasn't begun."),
        rule("not_expired", "coupon_expired", lasts, "The coupon's period is over."),
        rule("currency", "currency_mismatch", same_currency, CURRENCY),
        rule("minimum", "minimum_not_met", enough, "The order is below the coupon's minimum."),
        rule("available", "coupon_exhausted", !usage.exhausts(terms), EXHAUSTED),
    ];
    if let Some(slots) = customer_slots {
        let below = terms.max_redemptions_per_customer.is_none_or(|most| slots < most);
        rules.push(rule("customer_limit", "customer_limit_reached", below, CUSTOMER));
    }
    rules
}

/// The answer to a redemption: by the first rule that failed.
pub fn refusal(rules: &[Rule]) -> Option<Problem> {
    rules.iter().find_map(|rule| Some(Problem::new(409, rule.code?, rule.detail)))
}

/// What a coupon takes off an order: rounded half-even to the currency's decimals, never more than
/// the coupon's most or than the order.
pub fn discount(terms: &Terms, order: Order) -> Decimal {
    let Some(discount) = &terms.discount else {
        return order.currency.round(Decimal::ZERO);
    };
    let amount = match discount.kind {
        // 15 digits and the currency's decimals times 9 digits: exact in a Decimal's 28.
        Kind::Percent => order.currency.round(order.amount * discount.value * Decimal::new(1, 2)),
        Kind::Amount => discount.value,
    };
    let most = discount.max_amount.unwrap_or(order.amount).min(order.amount);
    order.currency.round(amount.min(most))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use shared::fields::Fields;
    use shared::json::Node;

    use super::*;
    use crate::terms::MEMBERS;

    fn terms(json: &str) -> Terms {
        let body = format!(
            r#"{{"couponcode": "C", "title": "T", "merchant": "M", "published_at": "2020-01-01T00:00:00Z",
                 "expire_at": "2030-01-01T00:00:00Z", {json}}}"#
        );
        let node = Node::parse(body.as_bytes()).expect("JSON");
        Fields::read(&node, MEMBERS, Terms::read).expect("terms")
    }

    fn order(amount: &str, currency: &str) -> Order {
        let currency = Currency::parse(currency).expect("a currency");
        Order { amount: Decimal::from_str_exact(amount).expect("an amount"), currency }
    }

    fn off(json: &str, amount: &str, currency: &str) -> String {
        discount(&terms(json), order(amount, currency)).to_string()
    }

    #[test]
    fn a_discount_is_rounded_half_even_and_never_exceeds_its_bounds() {
        let percent =
            |value: &str| format!(r#""discount": {{"type": "percent", "value": "{value}"}}"#);
        assert_eq!(off(&percent("10"), "0.05", "USD"), "0.00");
        assert_eq!(off(&percent("10"), "0.15", "USD"), "0.02");
        assert_eq!(off(&percent("10"), "0.25", "USD"), "0.02");
        assert_eq!(off(&percent("10"), "0.35", "USD"), "0.04");
        assert_eq!(off(&percent("50"), "5", "JPY"), "2");
        assert_eq!(off(&percent("50"), "7", "JPY"), "4");
        assert_eq!(off(&percent("50"), "0.005", "KWD"), "0.002");
        assert_eq!(off(&percent("100"), "999999999999999.99", "USD"), "999999999999999.99");
        let capped = r#""discount": {"type": "percent", "value": "50", "currency": "USD", "max_amount": "3"}"#;
        assert_eq!(off(capped, "100", "USD"), "3.00");
        let amount = r#""discount": {"type": "amount", "value": "5", "currency": "USD"}"#;
        assert_eq!(off(amount, "4.99", "USD"), "4.99");
        assert_eq!(off(amount, "100", "USD"), "5.00");
        assert_eq!(off(r#""disabled": false"#, "100", "USD"), "0.00");
        assert_eq!(off(r#""disabled": false"#, "100", "JPY"), "0");
    }

    #[test]
    fn the_first_rule_that_fails_gives_the_code() {
        let at = |text| Timestamp::parse(text).expect("a time");
        let full = Usage { redeemed: 1, reserved: 1 };
        let worst = terms(
            r#""disabled": true, "max_redemptions": 2, "max_redemptions_per_customer": 1, "min_order_amount": "10",
               "discount": {"type": "amount", "value": "5", "currency": "USD"}"#,
        );
        let rules = judge(&worst, order("1", "EUR"), full, Some(1), at("2031-01-01T00:00:00Z"));
        let failed: Vec<_> = rules.iter().filter_map(|rule| rule.code).collect();
        assert_eq!(
            failed,
            [
                "coupon_disabled",
                "coupon_expired",
                "currency_mismatch",
                "minimum_not_met",
                "coupon_exhausted",
                "customer_limit_reached",
            ]
        );
        assert_eq!(refusal(&rules).map(|refusal| refusal.code()), Some("coupon_disabled"));
        let early = judge(
            &worst,
            order("10", "USD"),
            Usage::default(),
            None,
            at("2019-12-31T23:59:59.999Z"),
        );
        assert_eq!(
            early.iter().filter_map(|rule| rule.code).collect::<Vec<_>>(),
            ["coupon_disabled", "coupon_not_started"]
        );
        assert_eq!(early.len(), 7);
    }

    proptest! {
        /// Against fractions of integers: `cents * millionths / 10^8`, rounded half-even.
        #[test]
        fn a_percentage_is_the_exact_fraction_rounded_half_even(cents in 0u128..100_000_000_000_000_000, millionths in 0u128..=100_000_000) {
            let value = format!("{}.{:06}", millionths / 1_000_000, millionths % 1_000_000);
            let amount = format!("{}.{:02}", cents / 100, cents % 100);
            let exact = cents * millionths;
            let (whole, rest) = (exact / 100_000_000, exact % 100_000_000);
            let up = rest > 50_000_000 || (rest == 50_000_000 && whole % 2 == 1);
            let expected = whole + u128::from(up);
            let json = format!(r#""discount": {{"type": "percent", "value": "{value}"}}"#);
            prop_assert_eq!(off(&json, &amount, "USD"), format!("{}.{:02}", expected / 100, expected % 100));
        }
    }
}
