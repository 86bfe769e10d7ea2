//! What Stripe tells comes to the same whatever order it comes in, how often, and how late; and it comes to what is right.

mod applying;
mod fetching;
mod grace;
mod histories;
mod links;
mod marketplace;
mod order;
mod random;
mod stage;
mod stripe;
