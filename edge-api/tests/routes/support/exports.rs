use sqlx::PgPool;
use tests::seed::{ALPHA, ALPHA_OWNER};
use uuid::Uuid;

/// An export of Alpha that is ready, of these chunks.
pub async fn ready(pool: &PgPool, chunks: &[&str]) -> Uuid {
    let id: Uuid = sqlx::query_scalar(
        "insert into public.tenant_exports (tenant_id, status, requested_by, finished_at, expires_at)
         values ($1, 'ready', $2, now(), now() + interval '1 day')
         returning id",
    )
    .bind(ALPHA)
    .bind(ALPHA_OWNER.id)
    .fetch_one(pool)
    .await
    .expect("an export");
    sqlx::query(
        "insert into private.export_chunks (tenant_id, export_id, number, content)
         select $1, $2, number, content from unnest($3::text[]) with ordinality chunk (content, number)",
    )
    .bind(ALPHA)
    .bind(id)
    .bind(chunks)
    .execute(pool)
    .await
    .expect("its chunks");
    id
}
