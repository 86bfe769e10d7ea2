use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use sqlx::types::Json as FromJson;
use utoipa::ToSchema;

use super::interval::Interval;
use super::subscription::{Item, PlanOfPrice, Prices, Settling, Subscription};
use super::subscription_row::SubscriptionRow;
use crate::error::{ApiError, ErrorBody};
use crate::extract;
use crate::stripe::StripeApi;
use crate::whose::Whose;

/// What is to become of the tenant's subscription.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(tag = "action", rename_all = "snake_case", deny_unknown_fields)]
#[schema(as = SubscriptionChange)]
pub enum Change {
    /// Another plan, or another interval of the same. A dearer one begins at once, and the difference is paid now, or nothing is changed; a cheaper
    /// one begins when the period ends. In a trial either begins at once.
    #[serde(rename = "change_plan")]
    Plan {
        #[schema(example = "enterprise")]
        plan: String,
        #[serde(default)]
        interval: Interval,
        /// Of a plan that is paid by the seat. Left out: as before, and at least as many as members.
        #[schema(minimum = 1, maximum = 1_000_000)]
        seats: Option<u32>,
    },
    /// More seats are paid now, or nothing is changed; fewer are credited on the next invoice.
    #[serde(rename = "change_seats")]
    Seats {
        #[schema(minimum = 1, maximum = 1_000_000)]
        seats: u32,
    },
    /// It ends when the period does. What else waited for that is withdrawn.
    Cancel {},
    /// It goes on as it is: neither does it end, nor does another plan begin when the period ends.
    Resume {},
}

/// What the database knows of it.
#[derive(Deserialize)]
struct ToChange {
    id: String,
    members: u64,
    prices: Prices,
}

#[derive(Deserialize)]
struct WantedPlan {
    price: String,
    monthly: i64,
    is_per_seat: bool,
}

/// Changes the tenant's subscription. Who may: members with `billing.manage`. Asked twice, it is done once.
///
/// Answers how Stripe has it then. Plan and limits follow from what Stripe tells, a moment later.
#[utoipa::path(
    post, path = "/v1/billing/subscription", tag = "billing", operation_id = "changeSubscription",
    params(("tenant_id" = Option<Uuid>, Query, description = "Whose. Left out: the API key's tenant, or the one at this address.")),
    request_body = Change,
    security(("session" = []), ("api_key" = [])),
    responses(
        (status = 200, description = "So it is, now or before.", body = SubscriptionRow),
        (status = 400, description = "`plan_has_no_seats`. `tenant_required`: it is not said whose. `invalid_json`, `invalid_body`, `invalid_query`, `invalid_host`.", body = ErrorBody),
        (status = 402, description = "`payment_failed`: nothing was changed. Details are Stripe's code for why.", body = ErrorBody),
        (status = 403, description = "`forbidden`: neither your role nor your key's scopes let you manage billing. `tenant_cancelled`, `second_factor_required`, `wrong_host`.", body = ErrorBody),
        (status = 404, description = "`no_such_plan`. `not_found`: there is no such tenant, or you are not in it.", body = ErrorBody),
        (status = 409, description = "`no_subscription`: begin a checkout. `payment_due`: pay what is open first. `subscription_ends`, `change_waits`: resume it first. `too_few_seats`. `plan_not_for_sale`.", body = ErrorBody),
        (status = 413, description = "`body_too_large`.", body = ErrorBody),
        (status = 415, description = "`unsupported_media_type`: the body is not JSON.", body = ErrorBody),
        (status = 502, description = "`stripe_refused`: the operator's log says why.", body = ErrorBody),
        (status = 503, description = "`billing_not_configured`: the operator has given this service no key to Stripe. `stripe_unavailable`, `overloaded`, `unavailable`: try again after Retry-After seconds.", body = ErrorBody),
    )
)]
pub async fn change_subscription(
    whose: Whose,
    State(api): State<Option<StripeApi>>,
    extract::Json(change): extract::Json<Change>,
) -> Result<Json<SubscriptionRow>, ApiError> {
    let known = whose.subscription_to_change().await?;
    let api = api.ok_or(ApiError::BillingNotConfigured)?;
    // What it is changed from is what Stripe has, not what it has told us of.
    let subscription = Subscription::find(&api, &known.id).await?;
    let (item, now) = plan_of(&subscription, &known.prices)?;
    let is_changed = match &change {
        Change::Plan {
            plan,
            interval,
            seats,
        } => {
            let wanted = whose.plan_to_change_to(plan, *interval).await?;
            let seats = match seats {
                Some(seats) => u64::from(*seats),
                None if wanted.is_per_seat => item.seats().max(known.members),
                None => 1,
            };
            whose.check_seats(wanted.is_per_seat, seats).await?;
            demand_paid(&subscription)?;
            demand_lasting(&subscription)?;
            change_plan(&api, &subscription, (item, now), &wanted, *interval, seats).await?
        }
        Change::Seats { seats } => {
            let seats = u64::from(*seats);
            whose.check_seats(now.is_per_seat, seats).await?;
            demand_paid(&subscription)?;
            demand_lasting(&subscription)?;
            change_seats(&api, &subscription, item, seats).await?
        }
        Change::Cancel {} => end(&api, &subscription).await?,
        Change::Resume {} => resume(&api, &subscription).await?,
    };
    if !is_changed {
        let row = SubscriptionRow::new(&subscription, item, &known.prices);
        return Ok(Json(row));
    }
    whose.subscription_changed(&known.id, &change).await?;
    let subscription = Subscription::find(&api, &known.id).await?;
    let (item, _) = plan_of(&subscription, &known.prices)?;
    Ok(Json(SubscriptionRow::new(
        &subscription,
        item,
        &known.prices,
    )))
}

/// Whether anything had to be done.
async fn change_plan(
    api: &StripeApi,
    subscription: &Subscription,
    (item, now): (&Item, &PlanOfPrice),
    wanted: &WantedPlan,
    interval: Interval,
    seats: u64,
) -> Result<bool, ApiError> {
    let is_so = item.price.id == wanted.price && item.seats() == seats;
    let waits = subscription.next_items().is_some_and(|items| {
        let mut items = items.iter();
        items.any(|item| item.price == wanted.price && item.quantity.unwrap_or(1) == seats)
    });
    let is_more = (wanted.monthly, interval, seats) > (now.monthly, item.interval(), item.seats());
    if is_so {
        let is_withdrawn = subscription.next_items().is_some();
        if is_withdrawn {
            subscription.release_schedule(api).await?;
        }
        return Ok(is_withdrawn);
    }
    if !is_more && !subscription.is_trialing() {
        if !waits {
            subscription
                .schedule_item(api, item, &wanted.price, seats)
                .await?;
        }
        return Ok(!waits);
    }
    let settling = match subscription.is_trialing() {
        true => Settling::Never,
        false => Settling::Now,
    };
    subscription
        .set_item(api, item, &wanted.price, seats, settling)
        .await?;
    // Not before: when it cannot be paid, what waits goes on waiting.
    subscription.release_schedule(api).await?;
    Ok(true)
}

async fn change_seats(
    api: &StripeApi,
    subscription: &Subscription,
    item: &Item,
    seats: u64,
) -> Result<bool, ApiError> {
    if item.seats() == seats {
        return Ok(false);
    }
    if subscription.next_items().is_some() {
        return Err(ApiError::Conflict {
            code: "change_waits",
            message: "another plan, with its seats, begins when the period ends",
            hint: "withdraw it first: {\"action\": \"resume\"}; or say how many seats it is to have: {\"action\": \"change_plan\", ...}",
        });
    }
    let settling = match (subscription.is_trialing(), seats > item.seats()) {
        (true, _) => Settling::Never,
        (false, true) => Settling::Now,
        (false, false) => Settling::Later,
    };
    subscription
        .set_item(api, item, &item.price.id, seats, settling)
        .await?;
    Ok(true)
}

async fn end(api: &StripeApi, subscription: &Subscription) -> Result<bool, ApiError> {
    if subscription.cancel_at_period_end {
        return Ok(false);
    }
    subscription.release_schedule(api).await?;
    subscription.set_cancellation(api, true).await?;
    Ok(true)
}

async fn resume(api: &StripeApi, subscription: &Subscription) -> Result<bool, ApiError> {
    let waits = subscription.next_items().is_some();
    if waits {
        subscription.release_schedule(api).await?;
    }
    if subscription.cancel_at_period_end {
        subscription.set_cancellation(api, false).await?;
    }
    Ok(waits || subscription.cancel_at_period_end)
}

/// The item that is a plan, and which.
fn plan_of<'a>(
    subscription: &'a Subscription,
    prices: &'a Prices,
) -> Result<(&'a Item, &'a PlanOfPrice), ApiError> {
    let has_ended = matches!(&*subscription.status, "canceled" | "incomplete_expired");
    let item = subscription.plan_item(prices).filter(|_| !has_ended);
    let plan = item.and_then(|item| Some((item, prices.get(&item.price.id)?)));
    plan.ok_or(ApiError::Conflict {
        code: "no_subscription",
        message: "this tenant has no subscription to change",
        hint: "begin one: POST /v1/billing/checkout",
    })
}

fn demand_paid(subscription: &Subscription) -> Result<(), ApiError> {
    if matches!(&*subscription.status, "active" | "trialing") {
        return Ok(());
    }
    Err(ApiError::Conflict {
        code: "payment_due",
        message: "what is open of this subscription has to be paid first",
        hint: "pay it in the customer portal: POST /v1/billing/portal",
    })
}

fn demand_lasting(subscription: &Subscription) -> Result<(), ApiError> {
    if !subscription.cancel_at_period_end {
        return Ok(());
    }
    Err(ApiError::Conflict {
        code: "subscription_ends",
        message: "this subscription ends when its period does",
        hint: "resume it first: {\"action\": \"resume\"}",
    })
}

impl Whose {
    async fn subscription_to_change(&self) -> Result<ToChange, ApiError> {
        let mut transaction = self.session.begin_as_service().await?;
        let known = sqlx::query_scalar!(
            r#"select edge.subscription_to_change($1) as "known!: FromJson<ToChange>""#,
            self.tenant_id
        )
        .fetch_one(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(known.0)
    }

    async fn plan_to_change_to(
        &self,
        plan: &str,
        interval: Interval,
    ) -> Result<WantedPlan, ApiError> {
        let mut transaction = self.session.begin_as_service().await?;
        let wanted = sqlx::query_scalar!(
            r#"select edge.plan_to_change_to($1, $2, $3) as "wanted!: FromJson<WantedPlan>""#,
            self.tenant_id,
            plan,
            interval.name()
        )
        .fetch_one(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(wanted.0)
    }

    async fn check_seats(&self, is_per_seat: bool, seats: u64) -> Result<(), ApiError> {
        let mut transaction = self.session.begin_as_service().await?;
        sqlx::query!(
            "select edge.check_seats($1, $2, $3)",
            self.tenant_id,
            is_per_seat,
            i64::try_from(seats).unwrap_or(i64::MAX)
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await
    }

    async fn subscription_changed(&self, id: &str, change: &Change) -> Result<(), ApiError> {
        let mut transaction = self.session.begin_as_service().await?;
        sqlx::query!(
            "select edge.subscription_changed($1, $2, $3)",
            self.tenant_id,
            id,
            FromJson(change) as _
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await
    }
}
