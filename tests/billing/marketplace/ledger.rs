//! The books hold by themselves, whoever writes in them.

use sqlx::{Connection, PgConnection, PgPool};
use tests::seed::{ALPHA, BETA};
use uuid::Uuid;

use super::shop::{accept, problems, publish, use_once};
use crate::stage::set;

async fn refused(session: &mut PgConnection, sql: &'static str) -> String {
    let mut transaction = session.begin().await.unwrap();
    let error = match sqlx::raw_sql(sql).execute(&mut *transaction).await {
        Ok(_) => transaction.commit().await.expect_err(sql),
        Err(error) => error,
    };
    let code = error.as_database_error().and_then(|error| error.code());
    code.expect("a code").into_owned()
}

async fn stage(pool: &PgPool) -> Uuid {
    set(pool).await;
    let mut session = pool.acquire().await.unwrap();
    let listing = publish(&mut session, "by-use", ("per_use", 99, "usd", None)).await;
    accept(&mut session, BETA, listing).await.unwrap();
    use_once(&mut session, BETA, listing, "execution:e1:ask:1")
        .await
        .unwrap();
    listing
}

#[sqlx::test(migrations = "../migrations")]
async fn nothing_in_the_ledger_changes_or_goes_and_nothing_comes_that_does_not_balance(
    pool: PgPool,
) {
    stage(&pool).await;
    let mut session = pool.acquire().await.unwrap();
    for sql in [
        "update billing.ledger_entries set amount = amount + 1",
        "delete from billing.ledger_entries",
        "truncate billing.ledger_entries",
        "update billing.ledger_transactions set gross = gross + 1",
        "delete from billing.ledger_transactions where false",
        "delete from billing.ledger_accounts",
    ] {
        assert_eq!(refused(&mut session, sql).await, "23001", "{sql}");
    }
    let unbalanced = [
        // Nothing but a head; one entry; two that do not come to nothing; an entry that comes later.
        "insert into billing.ledger_transactions (reference, seq, kind, purchase_id, listing_id, currency, gross, refunded, lost)
         values ('pi_1', 1, 'sale', aias.uuid7(), aias.uuid7(), 'usd', 1, 0, 0)",
        "with t as (insert into billing.ledger_transactions (reference, seq, kind, purchase_id, listing_id, currency, gross, refunded, lost)
           values ('pi_1', 1, 'sale', aias.uuid7(), aias.uuid7(), 'usd', 1, 0, 0) returning id)
         insert into billing.ledger_entries select t.id, a.id, 1 from t, billing.ledger_accounts a where a.kind = 'platform_fee'",
        "with t as (insert into billing.ledger_transactions (reference, seq, kind, purchase_id, listing_id, currency, gross, refunded, lost)
           values ('pi_1', 1, 'sale', aias.uuid7(), aias.uuid7(), 'usd', 1, 0, 0) returning id)
         insert into billing.ledger_entries select t.id, a.id, 1 from t, billing.ledger_accounts a",
        "with a as (insert into billing.ledger_accounts (kind, currency) values ('cash', 'usd') returning id)
         insert into billing.ledger_entries select t.id, a.id, 1 from a, billing.ledger_transactions t",
    ];
    for sql in unbalanced {
        assert_eq!(refused(&mut session, sql).await, "23514", "{sql}");
    }
    // The key under which it is posted once.
    let twice = "insert into billing.ledger_transactions (reference, seq, kind, purchase_id, listing_id, currency, gross, refunded, lost)
      select reference, seq, kind, purchase_id, listing_id, currency, gross, refunded, lost from billing.ledger_transactions";
    assert_eq!(refused(&mut session, twice).await, "23505");
    assert_eq!(problems(&mut session).await, Vec::<String>::new());
}

/// A charge for 99 at 15 %: a fee of 14 and a share of 85.
#[sqlx::test(migrations = "../migrations")]
async fn a_use_is_charged_once_however_often_it_is_told_and_tried(pool: PgPool) {
    let listing = stage(&pool).await;
    let mut session = pool.acquire().await.unwrap();
    for key in [
        "execution:e1:ask:1",
        "execution:e1:ask:1:round2",
        "execution:e1:ask:2",
        "execution:e1:ask:2:round3",
    ] {
        use_once(&mut session, BETA, listing, key).await.unwrap();
    }
    let keys: Vec<String> = sqlx::query_scalar("select usage_key from public.marketplace_charges")
        .fetch_all(&mut *session)
        .await
        .unwrap();
    assert_eq!(keys, ["execution:e1:ask"]);
    use_once(&mut session, BETA, listing, "execution:e1:ask:0:1")
        .await
        .unwrap();
    let balances: Vec<String> = sqlx::query_scalar(
        "select concat_ws(' ', a.kind, sum(e.amount)) from billing.ledger_entries e join billing.ledger_accounts a on a.id = e.account_id
          group by a.kind order by 1",
    )
    .fetch_all(&mut *session)
    .await
    .unwrap();
    assert_eq!(
        balances,
        [
            "buyer_receivable 198",
            "platform_fee -28",
            "seller_payable -170"
        ]
    );

    let charge: Uuid = sqlx::query_scalar(
        "select id from public.marketplace_charges where usage_key = 'execution:e1:ask'",
    )
    .fetch_one(&mut *session)
    .await
    .unwrap();
    let refund = |amount: i64, key: &'static str| {
        sqlx::query_scalar::<_, bool>("select billing.refund_charge($1, $2, $3, $4)")
            .bind(BETA)
            .bind(charge)
            .bind(amount)
            .bind(key)
    };
    assert!(
        refund(50, "a complaint")
            .fetch_one(&mut *session)
            .await
            .unwrap()
    );
    assert!(
        !refund(50, "a complaint")
            .fetch_one(&mut *session)
            .await
            .unwrap()
    );
    assert!(
        refund(50, "another")
            .fetch_one(&mut *session)
            .await
            .is_err(),
        "only 49 are left"
    );
    assert!(
        refund(49, "another")
            .fetch_one(&mut *session)
            .await
            .unwrap()
    );
    let statement: Vec<String> = sqlx::query_scalar(
        "select concat_ws(' ', kind, currency, amount, fee, share) from private.seller_statement($1, '-infinity', 'infinity')",
    )
    .bind(ALPHA)
    .fetch_all(&mut *claiming(&mut session).await)
    .await
    .unwrap();
    assert_eq!(
        statement,
        [
            "sale usd 99 14 85",
            "sale usd 99 14 85",
            "refund usd -50 -7 -43",
            "refund usd -49 -7 -42"
        ]
    );
    assert_eq!(problems(&mut session).await, Vec::<String>::new());
}

/// Alpha's owner, until the session ends.
async fn claiming(session: &mut PgConnection) -> &mut PgConnection {
    sqlx::query("select set_config('request.jwt.claims', $1, false)")
        .bind(
            serde_json::json!({"sub": tests::seed::ALPHA_OWNER.id, "role": "authenticated"})
                .to_string(),
        )
        .execute(&mut *session)
        .await
        .unwrap();
    session
}

/// What is paid by use is charged once also by sessions that come at the same moment.
#[sqlx::test(migrations = "../migrations")]
async fn sessions_at_once_charge_a_use_once(pool: PgPool) {
    let listing = stage(&pool).await;
    let mut tasks = tokio::task::JoinSet::new();
    for session in 0..6 {
        let pool = pool.clone();
        tasks.spawn(async move {
            let mut connection = pool.acquire().await.unwrap();
            for n in 0..20 {
                let key = format!(
                    "execution:e{}:ask:{}",
                    (n * 7 + session) % 20,
                    1 + session % 2
                );
                use_once(&mut connection, BETA, listing, &key)
                    .await
                    .unwrap();
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    let mut session = pool.acquire().await.unwrap();
    let (charges, owed): (i64, i64) = sqlx::query_as(
        "select (select count(*) from public.marketplace_charges),
                (select sum(e.amount)::bigint from billing.ledger_entries e join billing.ledger_accounts a on a.id = e.account_id where a.kind = 'buyer_receivable')",
    )
    .fetch_one(&mut *session)
    .await
    .unwrap();
    assert_eq!((charges, owed), (20, 20 * 99));
    assert_eq!(problems(&mut session).await, Vec::<String>::new());
}
