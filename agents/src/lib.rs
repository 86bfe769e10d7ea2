//! A model that uses tools: it is asked, what it asks for is done, and it is asked again until it answers.
//!
//! [`converse`] is the way in. It knows neither providers nor databases: a [`Model`] answers one round, with all that its caller has to do
//! around that (set tokens aside, write down what was used), and a [`Tool`] is something that is done here.

mod converse;
pub mod declared;
mod limits;
mod model;
mod result;
mod tool;
mod toolbox;

pub use converse::{Conversation, Ended, RanTool, converse};
pub use limits::{DEFAULT_ROUNDS, Limits, MOST_ROUNDS};
pub use model::Model;
pub use tool::{Asked, Tool, ToolError};
pub use toolbox::{SameName, Toolbox};
