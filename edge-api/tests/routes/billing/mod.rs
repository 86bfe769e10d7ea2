mod change_subscription;
mod create_checkout;
mod create_portal;
mod create_purchase;
mod failures;
mod preview;
