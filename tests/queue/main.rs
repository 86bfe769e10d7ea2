//! Claims: whose turn it is, how many may run at once, and that nothing is passed over, whatever else happens at the same moment.

mod caps;
mod fleet;
mod history;
mod kept;
mod offers;
mod overtaken;
mod reads;
mod stage;
mod timers;
mod turns;
mod whole;
