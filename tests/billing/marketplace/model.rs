//! What the marketplace comes to, said plainly: no events, no order, no SQL.

use std::collections::BTreeMap;

use uuid::Uuid;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    PerUse,
    Subscription,
    OneTime,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Self::PerUse => "per_use",
            Self::Subscription => "subscription",
            Self::OneTime => "one_time",
        }
    }
}

#[derive(Debug, Clone)]
pub struct Listing {
    pub id: Uuid,
    pub slug: String,
    pub seller: Uuid,
    pub kind: Kind,
    pub amount: i64,
    pub currency: &'static str,
    pub state: &'static str,
}

/// Money that came, and what of it went back.
#[derive(Debug, Clone, Default)]
pub struct Payment {
    /// Of its ids at Stripe; the key of a use.
    pub name: String,
    pub gross: i64,
    pub refunded: i64,
    pub lost: i64,
    pub is_disputed: bool,
}

impl Payment {
    pub fn left(&self) -> i64 {
        self.gross - self.refunded - self.lost
    }

    fn stands(&self) -> bool {
        self.left() > 0 && self.lost == 0
    }
}

#[derive(Debug, Clone)]
pub struct Purchase {
    pub id: Uuid,
    pub buyer: usize,
    pub listing: usize,
    pub amount: i64,
    pub fee_basis_points: i64,
    /// In the order in which they came.
    pub payments: Vec<Payment>,
    /// A Checkout that is finished and whose money is on its way, by name.
    pub unpaid: Vec<String>,
    /// Its name at Stripe and its status.
    pub subscription: Option<(String, &'static str)>,
}

impl Purchase {
    pub fn state(&self, kind: Kind) -> &'static str {
        let taken_back = |payment: &Payment| {
            if payment.lost > 0 {
                "disputed"
            } else {
                "refunded"
            }
        };
        match kind {
            Kind::PerUse => "active",
            Kind::OneTime if self.payments.iter().any(Payment::stands) => "active",
            Kind::OneTime if self.payments.iter().any(|payment| payment.lost > 0) => "disputed",
            Kind::OneTime if !self.payments.is_empty() => "refunded",
            Kind::OneTime => "pending",
            Kind::Subscription => match self.subscription.as_ref().map(|(_, status)| *status) {
                Some("active" | "past_due") => match self.payments.last() {
                    Some(last) if !last.stands() => taken_back(last),
                    _ => "active",
                },
                Some("unpaid") => "paused",
                Some(_) => "ended",
                None => "pending",
            },
        }
    }
}

#[derive(Debug, Default)]
pub struct Model {
    pub buyers: Vec<Uuid>,
    pub listings: Vec<Listing>,
    pub purchases: Vec<Purchase>,
}

impl Model {
    /// What is on each account: kind, whose, currency.
    pub fn books(&self) -> BTreeMap<(String, Option<Uuid>, String), i64> {
        let mut books = BTreeMap::new();
        for purchase in &self.purchases {
            let listing = &self.listings[purchase.listing];
            let mut enter = |kind: &str, whose: Option<Uuid>, amount: i64| {
                let account = (kind.to_owned(), whose, listing.currency.to_owned());
                *books.entry(account).or_default() += amount;
            };
            for payment in &purchase.payments {
                let (fee, share) = split(payment, purchase.fee_basis_points);
                match listing.kind {
                    Kind::PerUse => enter(
                        "buyer_receivable",
                        Some(self.buyers[purchase.buyer]),
                        payment.left(),
                    ),
                    _ => enter("cash", None, payment.left()),
                }
                enter("platform_fee", None, -fee);
                enter("seller_payable", Some(listing.seller), -share);
            }
        }
        books.retain(|_, amount| *amount != 0);
        books
    }

    /// Whether a buyer's workflows may ask a listing's agent.
    pub fn is_entitled(&self, buyer: usize, listing: usize) -> bool {
        let sold = &self.listings[listing];
        let has_bought = self.purchases.iter().any(|purchase| {
            (purchase.buyer, purchase.listing) == (buyer, listing)
                && purchase.state(sold.kind) == "active"
        });
        has_bought && sold.state != "suspended"
    }
}

/// The fee is cut to whole units; of what goes back the seller gives what the fee does not.
fn split(payment: &Payment, fee_basis_points: i64) -> (i64, i64) {
    let fee = payment.gross * fee_basis_points / 10_000;
    let share = payment.gross - fee;
    let gone = payment.refunded + payment.lost;
    // Rounded up, as whole units of the other are cut: computed from the share, not from the fee.
    let of_share = (share * gone + payment.gross - 1) / payment.gross;
    (fee - (gone - of_share), share - of_share)
}
