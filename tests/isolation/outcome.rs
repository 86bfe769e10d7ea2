//! What came of a statement of a player.

#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    Touched(u64),
    /// SQLSTATE and message.
    Threw(String, String),
}

impl Outcome {
    /// Whether a wall stopped it: no right, a policy, one of our refusals, or a view that nobody writes through.
    pub fn is_refused(&self) -> bool {
        match self {
            Self::Touched(_) => false,
            Self::Threw(code, message) => match code.as_str() {
                "42501" | "PGRST" => true,
                "55000" => message.contains(" view "),
                _ => false,
            },
        }
    }

    /// Whether nothing came of it, whether or not it said so.
    pub fn is_nothing(&self) -> bool {
        *self == Self::Touched(0) || self.is_refused()
    }
}
