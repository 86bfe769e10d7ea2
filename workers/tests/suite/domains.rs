//! Domains prove whose they are by DNS.

use sqlx::{PgPool, Row};
use tests::seed::ALPHA;
use uuid::Uuid;

use crate::support::dns::Answer;
use crate::support::{NameServer, Stage, Worker};

struct Domain {
    id: Uuid,
    /// What has to stand in the record.
    proof: String,
}

/// A domain that Alpha claims.
async fn claim(pool: &PgPool, domain: &str) -> Domain {
    let row = sqlx::query(
        "insert into tenant_domains (tenant_id, domain, verification_token) values ($1, $2, md5($2)) returning id, verification_token",
    )
    .bind(ALPHA)
    .bind(domain)
    .fetch_one(pool)
    .await
    .unwrap();
    let id = row.get(0);
    sqlx::query("select private.ask_for_domain_check($1, $2)")
        .bind(ALPHA)
        .bind(id)
        .execute(pool)
        .await
        .unwrap();
    let token: String = row.get(1);
    Domain {
        id,
        proof: format!("aias-verification={token}"),
    }
}

fn start(stage: &Stage, names: &NameServer) -> Worker {
    Worker::start_with(stage, &[], |config| config.dns_server = Some(names.address))
}

/// Whether it is verified, and why not.
async fn checked(stage: &Stage, domain: Uuid) -> (bool, Option<String>) {
    let checked = "select checked_at is not null from tenant_domains where id = $1";
    assert!(stage.becomes_true(checked, domain).await);
    sqlx::query_as("select verified_at is not null, check_error from tenant_domains where id = $1")
        .bind(domain)
        .fetch_one(&stage.pool)
        .await
        .unwrap()
}

#[sqlx::test(migrations = "../migrations")]
async fn a_record_with_the_token_proves_a_domain(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let names = NameServer::start().await;
    let plain = claim(&pool, "app.alpha.test").await;
    names.set_text("_aias-challenge.app.alpha.test", plain.proof);
    // One of several, and in pieces.
    let long = claim(&pool, "long.alpha.test").await;
    let (one, two) = long.proof.split_at(20);
    let pieces = [one, two].map(|piece| &*Box::leak(piece.to_owned().into_boxed_str()));
    names.set(
        "_aias-challenge.long.alpha.test",
        Answer::Texts(vec![vec!["v=spf1 -all"], pieces.to_vec()]),
    );
    let worker = start(&stage, &names);
    assert_eq!(checked(&stage, plain.id).await, (true, None));
    assert_eq!(checked(&stage, long.id).await, (true, None));
    worker.stop().await;
    assert!(
        names
            .asked()
            .iter()
            .all(|name| name.ends_with(".alpha.test")),
        "{:?}",
        names.asked()
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn a_domain_without_proof_says_what_is_missing(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let names = NameServer::start().await;
    let (none, other, broken) = (
        claim(&pool, "none.alpha.test").await,
        claim(&pool, "other.alpha.test").await,
        claim(&pool, "broken.alpha.test").await,
    );
    names.set_text(
        "_aias-challenge.other.alpha.test",
        format!("{}x", other.proof),
    );
    names.set("_aias-challenge.broken.alpha.test", Answer::Broken);
    let worker = start(&stage, &names);
    for (domain, why) in [
        (
            none,
            "there is no TXT record at _aias-challenge.none.alpha.test",
        ),
        (
            other,
            "the TXT record at _aias-challenge.other.alpha.test says something else",
        ),
        (
            broken,
            "the name servers did not answer for _aias-challenge.broken.alpha.test",
        ),
    ] {
        assert_eq!(
            checked(&stage, domain.id).await,
            (false, Some(why.to_owned()))
        );
    }
    worker.stop().await;
}

/// Nothing is remembered: a record that is there now counts now.
#[sqlx::test(migrations = "../migrations")]
async fn a_domain_is_looked_at_anew_each_time(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let names = NameServer::start().await;
    let domain = claim(&pool, "app.alpha.test").await;
    names.set_text("_aias-challenge.app.alpha.test", "not yet".to_owned());
    let worker = start(&stage, &names);
    assert!(!checked(&stage, domain.id).await.0);
    names.set_text("_aias-challenge.app.alpha.test", domain.proof);
    sqlx::query("select private.ask_for_domain_check($1, $2)")
        .bind(ALPHA)
        .bind(domain.id)
        .execute(&pool)
        .await
        .unwrap();
    let verified = "select verified_at is not null from tenant_domains where id = $1";
    assert!(stage.becomes_true(verified, domain.id).await);
    worker.stop().await;
}
