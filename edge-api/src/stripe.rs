//! What Stripe tells: whether it is from Stripe, and how it comes into the database.

mod inbox;
mod signature;
mod storable;

pub use self::inbox::Inbox;
pub use self::signature::WebhookSecrets;
pub use self::storable::storable;
