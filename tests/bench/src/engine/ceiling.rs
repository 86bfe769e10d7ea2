//! One insert and one update of a narrow row in a transaction, from 8 sessions.

use anyhow::Result;

use crate::pgbench;
use crate::server::Server;

const SESSIONS: usize = 8;

const SCRIPT: &str = "
    begin;
    insert into bench_narrow (state) values (0) returning id \\gset
    update bench_narrow set state = 1 where id = :id;
    commit;
";

pub async fn prepare(server: &Server) -> Result<()> {
    server
        .run("create table bench_narrow (id bigint generated always as identity primary key, state smallint not null)")
        .await
}

pub async fn transactions_per_second(server: &Server) -> Result<f64> {
    server.psql("truncate bench_narrow; checkpoint;").await?;
    Ok(pgbench::run(server, SCRIPT, SESSIONS).await?.per_second)
}
