//! Every RPC, with arguments that name real rows, and what each actor is answered.

use crate::rpc::Answer::{self, Refused, Works};
use crate::rpc::Rpc;

const NOT_FOUND: Answer = Refused(404, "not_found");
const FORBIDDEN: Answer = Refused(403, "forbidden");

const WRONG_ACCOUNT: Answer = Refused(403, "wrong_account");

/// The answers are those to a stranger, a viewer and the owner.
const fn rpc(signature: &'static str, arguments: &'static str, answers: [Answer; 3]) -> Rpc {
    Rpc::new(signature, arguments, answers)
}

/// What one may learn without being told: nothing about tenants.
const OF_NOBODY: [Rpc; 3] = [
    rpc(
        "create_tenant(text, text, text)",
        "'Mine', 'mine'",
        [Works, Works, Works],
    ),
    rpc("my_tenants()", "", [Works, Works, Works]),
    rpc(
        "workflow_problems(jsonb, jsonb)",
        "'[]', '[]'",
        [Works, Works, Works],
    ),
];

const OF_A_TENANT: [Rpc; 45] = [
    rpc(
        "close_tenant(uuid, text)",
        "{tenant}, 'alpha'",
        [NOT_FOUND, FORBIDDEN, Works],
    ),
    rpc(
        "reopen_tenant(uuid)",
        "{tenant}",
        [NOT_FOUND, NOT_FOUND, Works],
    )
    .given(
        "update public.tenants set status = 'cancelled' where subdomain in ('alpha', 'beta');
         update public.tenants set cancelled_by_owner = true where subdomain in ('alpha', 'beta')",
    ),
    rpc(
        "quota_status(uuid)",
        "{tenant}",
        [NOT_FOUND, NOT_FOUND, Works],
    ),
    rpc(
        "invoice_preview(uuid)",
        "{tenant}",
        [NOT_FOUND, FORBIDDEN, Works],
    ),
    rpc(
        "set_spending_cap(uuid, numeric, uuid, uuid)",
        "{tenant}, 100",
        [NOT_FOUND, FORBIDDEN, Works],
    ),
    rpc(
        "set_rate_limit(uuid, uuid, text, integer, integer)",
        "{tenant}, {key}, 'openai/gpt-4o', 60",
        [NOT_FOUND, FORBIDDEN, Works],
    ),
    rpc(
        "add_domain(uuid, text)",
        "{tenant}, 'new.example.com'",
        [NOT_FOUND, FORBIDDEN, Works],
    ),
    rpc(
        "check_domain(uuid)",
        "{domain}",
        [NOT_FOUND, FORBIDDEN, Works],
    ),
    rpc(
        "remove_domain(uuid)",
        "{domain}",
        [NOT_FOUND, FORBIDDEN, Works],
    ),
    rpc(
        "export_tenant(uuid)",
        "{tenant}",
        [NOT_FOUND, FORBIDDEN, Works],
    ),
    rpc(
        "export_chunk(uuid, integer)",
        "{export}, 1",
        [NOT_FOUND, FORBIDDEN, Works],
    ),
    rpc(
        "verify_audit(uuid)",
        "{tenant}",
        [NOT_FOUND, FORBIDDEN, Works],
    ),
    rpc(
        "invite_member(uuid, text, text)",
        "{tenant}, 'new@example.com', 'viewer'",
        [NOT_FOUND, FORBIDDEN, Works],
    ),
    rpc(
        "resend_invitation(uuid)",
        "{invitation}",
        [NOT_FOUND, FORBIDDEN, Works],
    ),
    rpc(
        "revoke_invitation(uuid)",
        "{invitation}",
        [NOT_FOUND, FORBIDDEN, Works],
    ),
    rpc(
        "change_member_role(uuid, uuid, text)",
        "{tenant}, {member}, 'viewer'",
        [NOT_FOUND, FORBIDDEN, Works],
    ),
    rpc(
        "remove_member(uuid, uuid)",
        "{tenant}, {member}",
        [NOT_FOUND, FORBIDDEN, Works],
    ),
    rpc(
        "leave_tenant(uuid)",
        "{tenant}",
        [NOT_FOUND, Works, Refused(409, "last_owner")],
    ),
    rpc(
        "transfer_ownership(uuid, uuid)",
        "{tenant}, {viewer}",
        [NOT_FOUND, FORBIDDEN, Works],
    ),
    rpc(
        "create_api_key(uuid, text, text[], timestamp with time zone)",
        "{tenant}, 'New', '{agents.read}'",
        [NOT_FOUND, FORBIDDEN, Works],
    ),
    rpc(
        "revoke_api_key(uuid)",
        "{key}",
        [NOT_FOUND, FORBIDDEN, Works],
    ),
    rpc(
        "search_documents(uuid, text, integer, real[])",
        "{agent}, 'what is known'",
        [NOT_FOUND, Works, Works],
    ),
    rpc(
        "embedding_status(uuid)",
        "{agent}",
        [NOT_FOUND, Works, Works],
    ),
    rpc(
        "restore_agent_version(uuid, integer)",
        "{agent}, 1",
        [NOT_FOUND, FORBIDDEN, Works],
    ),
    rpc(
        "change_listing_state(uuid, text)",
        "{listing}, 'submitted'",
        [NOT_FOUND, FORBIDDEN, Works],
    ),
    rpc(
        "accept_listing_price(uuid, uuid, bigint, text)",
        "{tenant}, '01930000-0000-7000-8000-000500000033', 7, 'usd'",
        [NOT_FOUND, FORBIDDEN, Works],
    ),
    rpc(
        "rate_listing(uuid, uuid, integer)",
        "{tenant}, '01930000-0000-7000-8000-000500000033', 5",
        [NOT_FOUND, FORBIDDEN, Works],
    ),
    rpc(
        "seller_statement(uuid, timestamp with time zone, timestamp with time zone)",
        "{tenant}",
        [NOT_FOUND, FORBIDDEN, Works],
    ),
    rpc(
        "activate_workflow(uuid)",
        "{draft}",
        [NOT_FOUND, FORBIDDEN, Works],
    ),
    rpc(
        "webhook_url(uuid)",
        "{workflow}",
        [NOT_FOUND, FORBIDDEN, Works],
    ),
    rpc(
        "rotate_webhook(uuid)",
        "{workflow}",
        [NOT_FOUND, FORBIDDEN, Works],
    ),
    rpc(
        "enable_hook_signing(uuid)",
        "{workflow}",
        [NOT_FOUND, FORBIDDEN, Works],
    ),
    rpc(
        "disable_hook_signing(uuid)",
        "{workflow}",
        [NOT_FOUND, FORBIDDEN, Works],
    ),
    rpc(
        "start_execution(uuid, jsonb, text, integer)",
        "{workflow}",
        [NOT_FOUND, FORBIDDEN, Works],
    ),
    rpc(
        "start_executions(uuid, jsonb[], integer)",
        "{workflow}, array['{}']::jsonb[]",
        [NOT_FOUND, FORBIDDEN, Works],
    ),
    rpc(
        "cancel_execution(uuid)",
        "{execution}",
        [NOT_FOUND, FORBIDDEN, Works],
    ),
    rpc(
        "pause_execution(uuid)",
        "{execution}",
        [NOT_FOUND, FORBIDDEN, Works],
    ),
    rpc(
        "resume_execution(uuid)",
        "{execution}",
        [NOT_FOUND, FORBIDDEN, Works],
    )
    .given(
        "update queue.jobs set state = 'paused', ready_in = null, run_at = null, claimed_by = null;
         update public.executions set status = 'paused' where finished_at is null",
    ),
    rpc(
        "retry_execution(uuid, text, jsonb)",
        "{execution}",
        [NOT_FOUND, FORBIDDEN, Works],
    )
    .given(
        "delete from queue.jobs;
         update public.executions set status = 'cancelled', finished_at = now() where finished_at is null",
    ),
    rpc(
        "send_event(uuid, text, jsonb, text)",
        "{execution}, 'paid'",
        [NOT_FOUND, FORBIDDEN, Works],
    ),
    rpc(
        "broadcast_event(uuid, text, jsonb, text)",
        "{tenant}, 'paid'",
        [NOT_FOUND, FORBIDDEN, Works],
    ),
    rpc(
        "decide_approval(uuid, text, boolean, text)",
        "{execution}, 'sign', true",
        [NOT_FOUND, FORBIDDEN, Works],
    )
    .given(
        "insert into queue.waits (tenant_id, execution_id, node_id, kind)
         select tenant_id, execution_id, 'sign', 'approval' from queue.jobs",
    ),
    // Whoever has the token of an invitation was told of it: it is no id that one could guess. What it opens is for the invited address.
    rpc("look_at_invitation(text)", "{token}", [WRONG_ACCOUNT; 3]),
    rpc("accept_invitation(text)", "{token}", [WRONG_ACCOUNT; 3]),
    rpc("decline_invitation(text)", "{token}", [WRONG_ACCOUNT; 3]),
];

pub fn rpcs() -> impl Iterator<Item = &'static Rpc> {
    OF_NOBODY.iter().chain(&OF_A_TENANT)
}
