//! Stripe: whether what is told is from it, how that comes into the database, and what it is asked to do.

mod api;
mod failure;
mod form;
mod inbox;
mod return_urls;
mod signature;
mod storable;

pub use self::api::{IdempotencyKey, StripeApi, StripeSettings};
pub use self::failure::{ErrorObject, StripeError};
pub use self::form::Form;
pub use self::inbox::Inbox;
pub use self::return_urls::ReturnUrls;
pub use self::signature::WebhookSecrets;
pub use self::storable::storable;
