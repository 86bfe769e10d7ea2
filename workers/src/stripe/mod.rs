//! What Stripe's API is asked: how an object is now, which there are, what its meters come to; and what it is told: what was used.

mod api;
mod list;
mod meter_events;
mod meters;
mod settings;

pub use api::{Answer, StripeApi};
pub use list::{ListError, Page};
pub use meter_events::{Outcome, Sent};
pub use meters::HourSum;
pub use settings::StripeSettings;
