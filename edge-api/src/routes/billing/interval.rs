use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How often is paid.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "lowercase")]
#[schema(as = BillingInterval)]
pub enum Interval {
    #[default]
    Month,
    Year,
}

impl Interval {
    /// Stripe's word for it, which is also the database's.
    pub fn name(self) -> &'static str {
        match self {
            Self::Month => "month",
            Self::Year => "year",
        }
    }
}
