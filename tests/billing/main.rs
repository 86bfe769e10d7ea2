//! What Stripe tells comes to the same whatever order it comes in, how often, and how late; and it comes to what is right. So does what it is told.

mod applying;
mod counting;
mod drift;
mod fetching;
mod grace;
mod histories;
mod limits;
mod links;
mod mails;
mod marketplace;
mod meters;
mod order;
mod outbox;
mod preview;
mod random;
mod stage;
mod stripe;
