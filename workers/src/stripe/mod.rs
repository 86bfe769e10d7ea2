//! What Stripe's API is asked: how an object is now.

mod api;
mod settings;

pub use api::{Answer, StripeApi};
pub use settings::StripeSettings;
