use super::Queue;

impl Queue {
    /// Whether there are meters whose ids in Stripe are not known.
    ///
    /// # Errors
    /// What the database answered.
    pub async fn has_meters_to_find(&self) -> sqlx::Result<bool> {
        let has = sqlx::query_scalar!(r#"select billing.meters_to_find() as "has!""#)
            .fetch_one(&self.pool)
            .await;
        self.note("meters_to_find", has)
    }

    /// Takes the event names and ids of Stripe's meters.
    ///
    /// # Errors
    /// What the database answered.
    pub async fn learn_meters(&self, meters: Vec<(String, String)>) -> sqlx::Result<()> {
        let (names, ids): (Vec<String>, Vec<String>) = meters.into_iter().unzip();
        let learned = sqlx::query_scalar!(
            r#"select billing.learn_meters($1, $2) as "learned!""#,
            &names,
            &ids,
        )
        .fetch_one(&self.pool)
        .await;
        self.note("learn_meters", learned).map(|_| ())
    }
}
