//! A request as PostgREST makes it, as a script for pgbench.

/// Somebody with a session: the `sub` of their token.
#[derive(Clone, Copy)]
pub struct Caller(pub &'static str);

/// An admin in 50 tenants: 40, 80, 120 and so on.
pub const TRAVELLER: Caller = Caller("01940000-0000-7000-9000-000000000000");
/// The owner of tenant 1.
pub const OWNER: Caller = Caller("01940000-0000-7000-9000-000000000001");

/// One statement in its transaction. `variables` are pgbench's own lines before it.
pub fn script(variables: &str, role: &str, caller: Caller, statement: &str) -> String {
    let claims = format!(
        r#"{{"aal": "aal1", "aud": "authenticated", "email": "somebody@many.test", "role": "authenticated", "sub": "{}"}}"#,
        caller.0
    );
    // What PostgREST sets for each request, in one statement.
    let settings = format!(
        "select set_config('search_path', '\"public\", \"extensions\"', true), set_config('role', '{role}', true), \
         set_config('request.jwt.claims', '{claims}', true), set_config('request.method', 'GET', true), \
         set_config('request.path', '/executions', true), set_config('request.headers', '{{\"x-request-id\": \"0190\"}}', true), \
         set_config('request.cookies', '{{}}', true);"
    );
    format!("{variables}\nbegin;\n{settings}\n{statement}\ncommit;\n")
}

/// A select whose rows are answered as one JSON text, with their number.
pub fn read(select: &str) -> String {
    format!(
        "with source as ({select}) \
         select null::bigint as total, count(answer) as page_total, coalesce(json_agg(answer), '[]')::text as body, \
         nullif(current_setting('response.headers', true), '') as headers, nullif(current_setting('response.status', true), '') as status \
         from (select * from source) answer;"
    )
}

/// A row by its kind and number, as `tests/fixtures/many_tenants.sql` makes its id: `8` is a tenant, `a` a workflow.
pub fn id(kind: char, number: &str) -> String {
    format!("('01940000-0000-7000-{kind}000-' || lpad(({number})::text, 12, '0'))::uuid")
}
