//! What Stripe's API is asked: how an object is now, and which there are.

mod api;
mod list;
mod settings;

pub use api::{Answer, StripeApi};
pub use list::{ListError, Page};
pub use settings::StripeSettings;
