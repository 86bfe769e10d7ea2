use serde_json::json;
use tests::seed;

use crate::stack::{Person, auth, rest, send, setting};

#[tokio::test]
async fn a_seeded_person_signs_in_and_is_who_the_seed_says() {
    let editor = Person::sign_in(seed::ALPHA_EDITOR.email).await;
    assert_eq!(editor.session.user.id, seed::ALPHA_EDITOR.id);
    assert_eq!(editor.session.user.role, "authenticated");

    let tenants = editor.rows("tenants", ("subdomain", "alpha")).await;
    assert_eq!(tenants.len(), 1);
    assert_eq!(tenants[0]["id"], json!(seed::ALPHA));
}

#[tokio::test]
async fn a_wrong_password_signs_nobody_in() {
    let wrong = format!("{}!", setting("AIAS_E2E_PASSWORD"));
    assert!(
        auth()
            .login_with_email(seed::ALPHA_EDITOR.email, &wrong)
            .await
            .is_err()
    );
}

#[tokio::test]
async fn a_session_is_refreshed() {
    let viewer = Person::sign_in(seed::ALPHA_VIEWER.email).await;
    let renewed = auth()
        .refresh_session(&viewer.session.refresh_token)
        .await
        .expect("a new session");
    assert_eq!(renewed.user.id, seed::ALPHA_VIEWER.id);
    let seen = send(rest(&renewed.access_token).from("tenants").select("id"))
        .await
        .good();
    assert_eq!(seen, json!([{ "id": seed::ALPHA }]));
}

#[tokio::test]
async fn somebody_new_gets_a_profile_and_makes_a_tenant() {
    let person = Person::sign_up().await;
    let id = person.session.user.id.to_string();
    assert_eq!(person.rows("users", ("id", &id)).await.len(), 1);

    let tenant = person.make_tenant().await;
    let memberships = person.rows("memberships", ("tenant_id", &tenant)).await;
    assert_eq!(memberships.len(), 1);
    assert_eq!(memberships[0]["role"], "owner");
}

#[tokio::test]
async fn a_forged_token_opens_neither_door() {
    let forged = seed::ALPHA_OWNER.token("a secret that nobody uses, of more than 32 bytes");
    let answer = send(rest(&forged).from("tenants").select("id")).await;
    assert_eq!(answer.status, 401, "{answer:?}");

    let mut owner = Person::sign_in(seed::ALPHA_OWNER.email).await;
    owner.session.access_token = forged;
    let refused = owner
        .follow("01900000-0000-7000-8000-00000000ffff")
        .await
        .expect_err("a forged token");
    assert_eq!(refused.status, 401, "{refused:?}");
}
