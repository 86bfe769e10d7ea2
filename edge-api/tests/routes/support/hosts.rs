use std::time::Duration;

use edge_api::hosts::HostPace;
use sqlx::PgPool;
use tests::seed::ALPHA;

use super::TestApp;

/// Tenants at `<subdomain>.apps.test`; Alpha also at `desk.alpha.test`, which it has proven, and `unproven.test`, which it has not.
pub async fn app(pool: PgPool, pace: HostPace, trust_forwarded: bool) -> TestApp {
    let app = TestApp::with(pool, |configuration| {
        configuration.hosts.base_domain = Some("apps.test".parse().unwrap());
        configuration.hosts.trust_forwarded = trust_forwarded;
        configuration.hosts.pace = pace;
    })
    .await;
    sqlx::query(
        "insert into public.tenant_domains (tenant_id, domain, verification_token, verified_at)
         values ($1, 'desk.alpha.test', 'token', now()), ($1, 'unproven.test', 'token', null)",
    )
    .bind(ALPHA)
    .execute(&app.pool)
    .await
    .expect("domains");
    app
}

/// Keeps nothing.
pub fn at_once() -> HostPace {
    HostPace {
        tenant_for: Duration::ZERO,
        nobody_for: Duration::ZERO,
    }
}
