use anyhow::{Result, ensure};
use sqlx::{FromRow, PgConnection};

/// A row of `subscription_plans`.
#[derive(Debug, FromRow)]
pub struct Plan {
    pub key: String,
    pub name: String,
    pub currency: String,
    price_monthly: i32,
    price_yearly: i32,
    stripe_price_monthly: Option<String>,
    stripe_price_yearly: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interval {
    Month,
    Year,
}

impl Interval {
    pub fn name(self) -> &'static str {
        match self {
            Self::Month => "month",
            Self::Year => "year",
        }
    }
}

impl Plan {
    pub async fn all(connection: &mut PgConnection) -> Result<Vec<Self>> {
        let plans = sqlx::query_as(
            "select key, name, currency, price_monthly, price_yearly, stripe_price_monthly, stripe_price_yearly
               from public.subscription_plans order by price_monthly, key",
        );
        Ok(plans.fetch_all(connection).await?)
    }

    /// What is free is not bought.
    pub fn is_sold(&self) -> bool {
        self.price_monthly > 0 || self.price_yearly > 0
    }

    /// The id of its product.
    pub fn product(&self) -> Result<String> {
        // It is a part of an address, there.
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        ensure!(
            !self.key.is_empty() && self.key.bytes().all(is_plain),
            "its key has to be of letters, digits, - and _, to be a part of an id in Stripe"
        );
        Ok(format!("aias_plan_{}", self.key))
    }

    pub fn lookup_key(&self, interval: Interval) -> String {
        format!("aias_plan_{}_{}", self.key, interval.name())
    }

    pub fn amount(&self, interval: Interval) -> Option<i32> {
        let amount = match interval {
            Interval::Month => self.price_monthly,
            Interval::Year => self.price_yearly,
        };
        (amount > 0).then_some(amount)
    }

    /// The price that it is sold at now.
    pub fn price(&self, interval: Interval) -> Option<&String> {
        match interval {
            Interval::Month => self.stripe_price_monthly.as_ref(),
            Interval::Year => self.stripe_price_yearly.as_ref(),
        }
    }

    pub async fn note_price(
        &self,
        connection: &mut PgConnection,
        interval: Interval,
        price: &str,
    ) -> Result<()> {
        let statement = match interval {
            Interval::Month => {
                "update public.subscription_plans set stripe_price_monthly = $2 where key = $1"
            }
            Interval::Year => {
                "update public.subscription_plans set stripe_price_yearly = $2 where key = $1"
            }
        };
        sqlx::query(statement)
            .bind(&self.key)
            .bind(price)
            .execute(connection)
            .await?;
        Ok(())
    }
}
