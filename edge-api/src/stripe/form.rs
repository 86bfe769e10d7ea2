//! What Stripe is sent: `application/x-www-form-urlencoded`, with brackets for what is nested (<https://docs.stripe.com/api>).

use reqwest::Url;

/// Parameters in the order in which they were added.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Form(Vec<(String, String)>);

impl Form {
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a parameter: `line_items[0][price]`.
    pub fn with(mut self, name: impl Into<String>, value: impl ToString) -> Self {
        self.0.push((name.into(), value.to_string()));
        self
    }

    /// The same, where there is a value.
    pub fn with_some(self, name: impl Into<String>, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// Adds the parameters of a query to an address.
    pub(super) fn add_to(&self, url: &mut Url) {
        if !self.0.is_empty() {
            url.query_pairs_mut().extend_pairs(&self.0);
        }
    }

    /// As a body.
    pub(super) fn encoded(&self, base: &Url) -> String {
        let mut url = base.clone();
        url.set_query(None);
        self.add_to(&mut url);
        url.query().unwrap_or_default().to_owned()
    }
}
