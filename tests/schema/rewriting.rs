//! Whoever writes the whole chain anew is found out by what was noted of it elsewhere.

use std::collections::BTreeSet;

use sqlx::PgPool;
use tests::world::ALPHA;

use crate::tampered::{a_chain, found, problems, tamper};

/// All hashes from an entry on, made again as if nothing had happened, and the head with them.
const REWRITE: &str = "
  with recursive made as (
    select l.tenant_id, l.seq, audit.link(decode(repeat('00', 32), 'hex'), audit.payload(
                   l.tenant_id, l.seq, l.id, l.at, l.actor_kind, l.actor_id, l.action, l.subject, l.subject_id, l.before, l.after, l.request_id)) as hash
      from audit.log l where l.tenant_id = $t and l.seq = 1
    union all
    select l.tenant_id, l.seq, audit.link(m.hash, audit.payload(
                   l.tenant_id, l.seq, l.id, l.at, l.actor_kind, l.actor_id, l.action, l.subject, l.subject_id, l.before, l.after, l.request_id))
      from made m join audit.log l on l.tenant_id = m.tenant_id and l.seq = m.seq + 1
  )
  update audit.log l set hash = made.hash from made
   where l.tenant_id = made.tenant_id and l.seq = made.seq;
  update audit.heads h set seq = l.seq, hash = l.hash
    from (select tenant_id, seq, hash from audit.log where tenant_id = $t order by seq desc limit 1) l where l.tenant_id = h.tenant_id";

#[sqlx::test(migrations = "../migrations")]
async fn a_chain_that_is_rewritten_differs_from_what_was_noted_of_it(pool: PgPool) {
    let length = a_chain(&pool).await;
    let (seq, hash): (i64, Vec<u8>) =
        sqlx::query_as("select seq, hash from audit.heads where tenant_id = $1")
            .bind(ALPHA.id())
            .fetch_one(&pool)
            .await
            .expect("a head to note");
    assert_eq!(seq, length);
    let against_the_note = async || {
        let problems: Vec<(i64, String)> =
            sqlx::query_as("select seq, problem from audit.verify($1, $2, $3)")
                .bind(ALPHA.id())
                .bind(seq)
                .bind(&hash)
                .fetch_all(&pool)
                .await
                .expect("an answer");
        problems.into_iter().collect::<BTreeSet<_>>()
    };
    assert_eq!(against_the_note().await, BTreeSet::new());

    tamper(
        &pool,
        &format!(
            "update audit.log set action = 'invented' where tenant_id = $t and seq = 5; {REWRITE}"
        ),
    )
    .await;
    assert_eq!(
        problems(&pool, ALPHA).await,
        BTreeSet::new(),
        "by itself it is in order"
    );
    assert_eq!(against_the_note().await, found([(length, "rewritten")]));

    tamper(
        &pool,
        "delete from audit.log where tenant_id = $t; delete from audit.heads where tenant_id = $t",
    )
    .await;
    assert_eq!(
        problems(&pool, ALPHA).await,
        BTreeSet::new(),
        "as if there had never been one"
    );
    assert_eq!(against_the_note().await, found([(length, "rewritten")]));
}
