mod change_subscription;
mod create_checkout;
mod create_portal;
mod failures;
mod preview;
