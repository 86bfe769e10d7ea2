//! The crate's own doors: the seed loads and loads again, and statements run as the people in it.

use sqlx::{PgPool, Row};
use tests::actor::Actor;
use tests::seed::{
    ALPHA, ALPHA_AGENT, ALPHA_OWNER, ALPHA_WORKFLOW, BETA, BETA_OWNER, PEOPLE, STRANGER,
};

async fn a_small_world(pool: &PgPool) {
    tests::policies::apply(pool).await.expect("policies apply");
    tests::seed::apply(pool).await.expect("the seed loads");
}

#[sqlx::test(migrations = "../migrations")]
async fn the_seed_loads_twice_and_holds_what_the_constants_name(pool: PgPool) {
    a_small_world(&pool).await;
    tests::seed::apply(&pool)
        .await
        .expect("the seed loads again");

    let people: Vec<(uuid::Uuid, String)> =
        sqlx::query_as("select id, email::text from auth.users order by id")
            .fetch_all(&pool)
            .await
            .expect("accounts");
    let named: Vec<_> = PEOPLE
        .iter()
        .map(|person| (person.id, person.email.to_owned()))
        .collect();
    assert_eq!(people, named);

    let counted = sqlx::query(
        "select (select count(*) from public.tenants where id in ($1, $2)) as tenants,
                (select count(*) from public.ai_agents where tenant_id = $1 and id = $3) as agents,
                (select count(*) from public.workflow_versions where tenant_id = $1 and workflow_id = $4) as versions",
    )
    .bind(ALPHA)
    .bind(BETA)
    .bind(ALPHA_AGENT)
    .bind(ALPHA_WORKFLOW)
    .fetch_one(&pool)
    .await
    .expect("counts");
    assert_eq!(
        (
            counted.get::<i64, _>(0),
            counted.get::<i64, _>(1),
            counted.get::<i64, _>(2)
        ),
        (2, 1, 1)
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn an_actor_is_somebody_for_one_transaction(pool: PgPool) {
    a_small_world(&pool).await;
    let seen = async |actor: Actor| -> i64 {
        let mut transaction = actor.begin(&pool).await.expect("a transaction");
        sqlx::query_scalar("select count(*) from public.tenants")
            .fetch_one(&mut *transaction)
            .await
            .expect("a count")
    };
    assert_eq!(seen(ALPHA_OWNER.actor()).await, 1);
    assert_eq!(seen(BETA_OWNER.actor()).await, 1);
    assert_eq!(seen(STRANGER.actor()).await, 0);

    let mut nobody = Actor::Anonymous.begin(&pool).await.expect("a transaction");
    let refused = sqlx::query("select from public.tenants")
        .execute(&mut *nobody)
        .await
        .expect_err("anon may not ask");
    assert_eq!(
        refused
            .as_database_error()
            .and_then(|error| error.code())
            .as_deref(),
        Some("42501")
    );
    drop(nobody);

    let (role, claims): (String, Option<String>) = sqlx::query_as(
        "select current_user::text, nullif(current_setting('request.jwt.claims', true), '')",
    )
    .fetch_one(&pool)
    .await
    .expect("a row");
    assert_ne!(role, "anon", "the role ends with the transaction");
    assert_eq!(claims, None, "and so do the claims");
}

#[test]
fn a_token_says_who_and_until_when() {
    let claims = ALPHA_OWNER.claims();
    let token = claims.sign("a secret of at least thirty-two characters");
    let key = jsonwebtoken::DecodingKey::from_secret(b"a secret of at least thirty-two characters");
    let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::HS256);
    validation.set_audience(&["authenticated"]);

    let read = jsonwebtoken::decode::<tests::jwt::Claims>(&token, &key, &validation)
        .expect("a good token");
    assert_eq!(read.claims, claims);

    let late = claims
        .expired()
        .sign("a secret of at least thirty-two characters");
    let error = jsonwebtoken::decode::<tests::jwt::Claims>(&late, &key, &validation)
        .expect_err("a token of yesterday");
    assert_eq!(
        error.kind(),
        &jsonwebtoken::errors::ErrorKind::ExpiredSignature
    );

    let forged = ALPHA_OWNER.token("another secret, of thirty-two characters");
    let error = jsonwebtoken::decode::<tests::jwt::Claims>(&forged, &key, &validation)
        .expect_err("a forged token");
    assert_eq!(
        error.kind(),
        &jsonwebtoken::errors::ErrorKind::InvalidSignature
    );
}
