use sqlx::PgPool;
use tests::seed::Person;
use uuid::Uuid;

/// A key that is good, made as a person makes one.
pub struct ApiKey {
    pub id: Uuid,
    /// All of it, as it is shown once.
    pub key: String,
}

impl ApiKey {
    pub async fn create(pool: &PgPool, by: Person, tenant: Uuid, scopes: &[&str]) -> Self {
        let mut transaction = by.actor().begin(pool).await.expect("a transaction");
        let (id, key) = sqlx::query_as("select id, key from public.create_api_key($1, 'test', $2)")
            .bind(tenant)
            .bind(scopes)
            .fetch_one(&mut *transaction)
            .await
            .expect("a key");
        transaction.commit().await.expect("committed");
        Self { id, key }
    }

    pub async fn revoke(&self, pool: &PgPool, by: Person) {
        let mut transaction = by.actor().begin(pool).await.expect("a transaction");
        sqlx::query("select from public.revoke_api_key($1)")
            .bind(self.id)
            .execute(&mut *transaction)
            .await
            .expect("revoked");
        transaction.commit().await.expect("committed");
    }

    /// Lets it end `seconds` from the last full second; it was made some time before.
    pub async fn end_in(&self, pool: &PgPool, seconds: i32) {
        let changed = sqlx::query(
            "update public.api_keys
                set created_at = now() - interval '1 day', expires_at = date_trunc('second', now()) + make_interval(secs => $2)
              where id = $1",
        );
        let changed = changed.bind(self.id).bind(seconds).execute(pool).await;
        assert_eq!(changed.expect("updated").rows_affected(), 1);
    }
}
