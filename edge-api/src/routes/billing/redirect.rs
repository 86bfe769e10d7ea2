use serde::Serialize;
use utoipa::ToSchema;

/// A page of Stripe's.
#[derive(Serialize, ToSchema)]
pub struct Redirect {
    /// Send the person there. Whoever has the address can use the page, so it goes to nobody else.
    #[schema(example = "https://checkout.stripe.com/c/pay/cs_test_a1b2c3")]
    pub url: String,
}
