-- The schema, as `pg_dump` prints it. Made by a test; see tests/schema/golden.rs.

-- aias; Type: SCHEMA; Schema: -
CREATE SCHEMA aias;

-- auth; Type: SCHEMA; Schema: -
CREATE SCHEMA auth;

-- private; Type: SCHEMA; Schema: -
CREATE SCHEMA private;

-- SCHEMA private; Type: COMMENT; Schema: -
COMMENT ON SCHEMA private IS 'Helpers behind policies, triggers and RPCs. Not exposed by PostgREST.';

-- queue; Type: SCHEMA; Schema: -
CREATE SCHEMA queue;

-- SCHEMA queue; Type: COMMENT; Schema: -
COMMENT ON SCHEMA queue IS 'Work that waits for a worker, and the functions that workers call. Not exposed by PostgREST.';

-- aias; Type: EXTENSION; Schema: -
CREATE EXTENSION IF NOT EXISTS aias WITH SCHEMA aias;

-- EXTENSION aias; Type: COMMENT; Schema: -
COMMENT ON EXTENSION aias IS 'Workflow validation and exact quotas for AIAS';

-- jwt(); Type: FUNCTION; Schema: auth
CREATE FUNCTION auth.jwt() RETURNS jsonb
    LANGUAGE sql STABLE
    SET search_path TO ''
    RETURN (COALESCE(NULLIF(current_setting('request.jwt.claims'::text, true), ''::text), '{}'::text))::jsonb;

-- email(); Type: FUNCTION; Schema: auth
CREATE FUNCTION auth.email() RETURNS text
    LANGUAGE sql STABLE
    SET search_path TO ''
    RETURN COALESCE(NULLIF(current_setting('request.jwt.claim.email'::text, true), ''::text), (auth.jwt() ->> 'email'::text));

-- role(); Type: FUNCTION; Schema: auth
CREATE FUNCTION auth.role() RETURNS text
    LANGUAGE sql STABLE
    SET search_path TO ''
    RETURN COALESCE(NULLIF(current_setting('request.jwt.claim.role'::text, true), ''::text), (auth.jwt() ->> 'role'::text));

-- uid(); Type: FUNCTION; Schema: auth
CREATE FUNCTION auth.uid() RETURNS uuid
    LANGUAGE sql STABLE
    SET search_path TO ''
    RETURN (COALESCE(NULLIF(current_setting('request.jwt.claim.sub'::text, true), ''::text), (auth.jwt() ->> 'sub'::text)))::uuid;

-- executions; Type: TABLE; Schema: public
CREATE TABLE public.executions (
    tenant_id uuid NOT NULL,
    id uuid DEFAULT aias.uuid7() NOT NULL,
    workflow_id uuid NOT NULL,
    workflow_version integer NOT NULL,
    status text DEFAULT 'queued'::text NOT NULL,
    input jsonb DEFAULT '{}'::jsonb NOT NULL,
    output jsonb,
    error jsonb,
    idempotency_key text,
    started_by uuid,
    revision bigint DEFAULT 0 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    started_at timestamp with time zone,
    finished_at timestamp with time zone,
    cancel_requested_at timestamp with time zone,
    CONSTRAINT execution_idempotency_key_is_short CHECK (((length(idempotency_key) >= 1) AND (length(idempotency_key) <= 255))),
    CONSTRAINT execution_is_finished_when_it_says_so CHECK (((status = ANY (ARRAY['succeeded'::text, 'failed'::text, 'cancelled'::text])) = (finished_at IS NOT NULL))),
    CONSTRAINT execution_status_is_known CHECK ((status = ANY (ARRAY['queued'::text, 'running'::text, 'waiting'::text, 'succeeded'::text, 'failed'::text, 'cancelled'::text]))),
    CONSTRAINT failed_execution_says_why CHECK (((status <> 'failed'::text) OR (error IS NOT NULL)))
);

-- TABLE executions; Type: COMMENT; Schema: public
COMMENT ON TABLE public.executions IS 'One run of a workflow version.';

-- COLUMN executions.output; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.executions.output IS 'Outputs of the last steps (those without a successor that ran), by node id.';

-- COLUMN executions.error; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.executions.error IS '{code, message, node_id?}';

-- COLUMN executions.revision; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.executions.revision IS 'Grows with every change of the execution or of a step; event streams resume by it.';

-- cancel_execution(uuid); Type: FUNCTION; Schema: private
CREATE FUNCTION private.cancel_execution(wanted_execution uuid) RETURNS public.executions
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  execution public.executions;
  job queue.jobs;
begin
  begin
    select e.* into strict execution
      from public.executions e
     where e.id = wanted_execution and e.tenant_id = any (array(select private.tenants_with('executions.cancel')));
  exception
    when no_data_found then
      if exists (
        select from public.executions e
         where e.id = wanted_execution and e.tenant_id = any (array(select private.tenants_with('executions.read')))
      ) then
        perform private.refuse(403, 'forbidden', 'your role may not cancel executions', null, 'ask for the permission executions.cancel');
      end if;
      perform private.refuse(404, 'not_found', 'there is no such execution');
    when too_many_rows then
      perform private.refuse(409, 'ambiguous_id', 'two of your tenants have an execution with this id');
  end;
  -- The job first, then the execution: the order in which workers lock them.
  select j.* into job from queue.jobs j
   where j.tenant_id = execution.tenant_id and j.execution_id = execution.id
     for update;
  if job.execution_id is null then
    perform private.refuse(409, 'execution_finished', format('this execution is over; its status is %s', (
      select e.status from public.executions e where e.tenant_id = execution.tenant_id and e.id = execution.id)));
  end if;
  if job.claimed_by is null or job.run_at <= now() then
    -- Nobody works on it: it ends here.
    with unfinished as (
      select s.node_id, row_number() over (order by s.revision) as position
        from public.execution_steps s
       where s.tenant_id = execution.tenant_id and s.execution_id = execution.id and s.status in ('running', 'waiting')
    ),
    ended as (
      update public.execution_steps s
         set status = 'cancelled', run_at = null, finished_at = now(), revision = e.revision + u.position
        from unfinished u, public.executions e
       where s.tenant_id = execution.tenant_id and s.execution_id = execution.id and s.node_id = u.node_id
         and e.tenant_id = s.tenant_id and e.id = s.execution_id
      returning s.node_id
    )
    update public.executions e
       set status = 'cancelled', cancel_requested_at = now(), finished_at = now(),
           revision = e.revision + (select count(*) from ended) + 1
     where e.tenant_id = execution.tenant_id and e.id = execution.id
    returning e.* into execution;
    delete from queue.jobs j where j.tenant_id = execution.tenant_id and j.execution_id = execution.id;
    perform pg_notify('aias_executions', execution.id::text);
  else
    -- Its worker is told, stops what is in flight and records the end.
    update public.executions e
       set cancel_requested_at = coalesce(e.cancel_requested_at, now())
     where e.tenant_id = execution.tenant_id and e.id = execution.id
    returning e.* into execution;
    perform pg_notify('aias_cancellations', execution.id::text);
  end if;
  return execution;
end
$$;

-- charge_storage(uuid, bigint); Type: FUNCTION; Schema: private
CREATE FUNCTION private.charge_storage(tenant uuid, bytes bigint) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  if not exists (select from public.tenants t where t.id = tenant) then
    return;
  end if;
  if bytes > 0 then
    perform aias.quota_take(tenant, 'storage_bytes', bytes);
  elsif bytes < 0 then
    perform aias.quota_give(tenant, 'storage_bytes', -bytes);
  end if;
end
$$;

-- FUNCTION charge_storage(tenant uuid, bytes bigint); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.charge_storage(tenant uuid, bytes bigint) IS 'Takes bytes from a tenant''s storage, or gives them back when they are negative.';

-- check_workflow(); Type: FUNCTION; Schema: private
CREATE FUNCTION private.check_workflow() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  found_problems jsonb;
  errors integer;
begin
  new.version := case when tg_op = 'UPDATE' then old.version else 0 end;
  if new.status <> 'active' then
    return new;
  end if;
  if tg_op = 'UPDATE' and old.status = 'active' and new.nodes = old.nodes and new.connections = old.connections then
    return new;
  end if;
  -- This runs before row-level security sees the row. Whoever may not write here is refused there; a list of problems would tell them
  -- which agents the tenant has.
  if current_setting('role') in ('anon', 'authenticated')
     and not new.tenant_id = any (array(select private.tenants_with('workflows.write'))) then
    return new;
  end if;
  select jsonb_agg(to_jsonb(p)), count(*) filter (where p.severity = 'error')
    into found_problems, errors
    from private.workflow_problems(new.tenant_id, new.nodes, new.connections) p;
  if errors > 0 then
    perform private.refuse(422, 'workflow_invalid',
      format('workflow "%s" cannot be active: it has %s %s', new.name, errors, case errors when 1 then 'problem' else 'problems' end),
      found_problems::text,
      'each entry of details has a JSON pointer to the place and says what to do');
  end if;
  if not exists (
    select from public.workflow_versions v
     where v.tenant_id = new.tenant_id and v.workflow_id = new.id and v.version = new.version
       and v.nodes = new.nodes and v.connections = new.connections
  ) then
    new.version := new.version + 1;
  end if;
  return new;
end
$$;

-- FUNCTION check_workflow(); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.check_workflow() IS 'Refuses to activate a workflow with problems, naming all of them; numbers what is to be published.';

-- close_table(regclass); Type: FUNCTION; Schema: private
CREATE FUNCTION private.close_table(closed regclass) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  policy_name name;
begin
  for policy_name in select polname from pg_catalog.pg_policy where polrelid = closed loop
    execute format('drop policy %I on %s', policy_name, closed);
  end loop;
  execute format('revoke all on table %s from public, anon, authenticated, service_role, aias_edge, aias_worker', closed);
end
$$;

-- FUNCTION close_table(closed regclass); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.close_table(closed regclass) IS 'Takes every policy and every API grant off a table, so that a file in policies/ can say from nothing who may do what.';

-- count_request(uuid); Type: FUNCTION; Schema: private
CREATE FUNCTION private.count_request(tenant uuid) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  allowed bigint := private.limit_of(tenant, 'requests_per_minute');
begin
  if allowed is not null then
    -- A million a second is as good as unlimited, and the most that can be told apart.
    perform aias.rate_limit_or_refuse('tenant:' || tenant, greatest(0, least(allowed, 60000000))::integer, interval '1 minute',
      meter => 'requests_per_minute');
  end if;
end
$$;

-- FUNCTION count_request(tenant uuid); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.count_request(tenant uuid) IS 'Counts a request of a tenant, or refuses it with 429 when there were as many in the last minute as its plan allows. Where the extension is preloaded, a request counts whatever becomes of its transaction.';

-- count_storage(); Type: FUNCTION; Schema: private
CREATE FUNCTION private.count_storage() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  -- One change for each tenant, in tenant order, so that two statements cannot wait for each other in a circle.
  if tg_op = 'INSERT' then
    perform private.charge_storage(changed.tenant, changed.bytes)
       from (select private.tenant_of_object(name) as tenant, sum(private.size_of_object(metadata))::bigint as bytes
               from inserted group by 1 order by 1) changed
      where changed.tenant is not null;
  elsif tg_op = 'DELETE' then
    perform private.charge_storage(changed.tenant, -changed.bytes)
       from (select private.tenant_of_object(name) as tenant, sum(private.size_of_object(metadata))::bigint as bytes
               from deleted group by 1 order by 1) changed
      where changed.tenant is not null;
  else
    perform private.charge_storage(changed.tenant, changed.bytes)
       from (select moved.tenant, sum(moved.bytes)::bigint as bytes
               from (select private.tenant_of_object(name) as tenant, private.size_of_object(metadata) as bytes from inserted
                     union all
                     select private.tenant_of_object(name), -private.size_of_object(metadata) from deleted) moved
              group by 1 order by 1) changed
      where changed.tenant is not null;
  end if;
  return null;
end
$$;

-- FUNCTION count_storage(); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.count_storage() IS 'Charges files to their tenants'' storage_bytes.';

-- tenants; Type: TABLE; Schema: public
CREATE TABLE public.tenants (
    id uuid DEFAULT aias.uuid7() NOT NULL,
    name text NOT NULL,
    subdomain text NOT NULL,
    plan_id uuid NOT NULL,
    status text DEFAULT 'active'::text NOT NULL,
    features text[] DEFAULT '{}'::text[] NOT NULL,
    limit_overrides jsonb DEFAULT '{}'::jsonb NOT NULL,
    billing_anchor timestamp with time zone DEFAULT now() NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT tenant_limit_overrides_are_an_object CHECK ((jsonb_typeof(limit_overrides) = 'object'::text)),
    CONSTRAINT tenant_name_is_not_empty CHECK (((length(btrim(name)) >= 1) AND (length(btrim(name)) <= 200))),
    CONSTRAINT tenant_status_is_known CHECK ((status = ANY (ARRAY['active'::text, 'suspended'::text, 'cancelled'::text]))),
    CONSTRAINT tenant_subdomain_is_a_dns_label CHECK ((subdomain ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'::text))
);

-- TABLE tenants; Type: COMMENT; Schema: public
COMMENT ON TABLE public.tenants IS 'One customer of the product: a company or a team.';

-- COLUMN tenants.limit_overrides; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.tenants.limit_overrides IS 'Limits that differ from the plan, by meter; null means unlimited.';

-- COLUMN tenants.billing_anchor; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.tenants.billing_anchor IS 'Start of the first billing period; later ones begin a month apart.';

-- create_tenant(text, text); Type: FUNCTION; Schema: private
CREATE FUNCTION private.create_tenant(wanted_name text, wanted_subdomain text) RETURNS public.tenants
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  caller uuid := (select auth.uid());
  created public.tenants;
begin
  if caller is null then
    perform private.refuse(401, 'not_signed_in', 'sign in before making a tenant');
  end if;
  begin
    insert into public.tenants (name, subdomain, plan_id)
    select wanted_name, lower(wanted_subdomain), p.id from public.subscription_plans p where p.key = 'starter'
    returning * into created;
  exception
    when unique_violation then
      perform private.refuse(409, 'subdomain_taken', format('the subdomain "%s" is taken', lower(wanted_subdomain)),
        null, 'choose another subdomain');
    when check_violation or not_null_violation then
      perform private.refuse(400, 'tenant_invalid', 'a tenant needs a name of 1 to 200 characters and a subdomain of a-z, 0-9 and -',
        null, 'for instance name "Acme" and subdomain "acme"');
  end;
  insert into public.roles (tenant_id, key, name, permissions, built_in)
  select created.id, r.key, r.name, r.permissions, true from private.built_in_roles r;
  insert into public.memberships (tenant_id, user_id, role) values (created.id, caller, 'owner');
  return created;
end
$$;

-- empty_stock(); Type: FUNCTION; Schema: private
CREATE FUNCTION private.empty_stock() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  perform aias.quota_recount(t.id, tg_argv[0], 0) from public.tenants t order by t.id;
  return null;
end
$$;

-- FUNCTION empty_stock(); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.empty_stock() IS 'After a truncate: nobody has anything of the meter named by the trigger''s argument.';

-- forget_all_quotas(); Type: FUNCTION; Schema: private
CREATE FUNCTION private.forget_all_quotas() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  perform aias.quota_forget(known.tenant_id) from (select distinct u.tenant_id from aias.quota_usage() u order by 1) known;
  return null;
end
$$;

-- forget_quotas(); Type: FUNCTION; Schema: private
CREATE FUNCTION private.forget_quotas() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  perform aias.quota_forget(old.id);
  return null;
end
$$;

-- give_stock_back(); Type: FUNCTION; Schema: private
CREATE FUNCTION private.give_stock_back() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  -- A tenant that goes takes its rows along, and by the time that this runs its counters are forgotten already.
  perform aias.quota_give(removed.tenant_id, tg_argv[0], removed.amount)
     from (select tenant_id, count(*) as amount from deleted group by tenant_id order by tenant_id) removed
    where exists (select from public.tenants t where t.id = removed.tenant_id);
  return null;
end
$$;

-- FUNCTION give_stock_back(); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.give_stock_back() IS 'Gives deleted rows back to the meter named by the trigger''s argument.';

-- keep_columns(); Type: FUNCTION; Schema: private
CREATE FUNCTION private.keep_columns() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  kept text;
begin
  -- Not left to column grants: a service that grants on whole tables would open them again.
  if current_user not in ('anon', 'authenticated') then
    return new;
  end if;
  foreach kept in array tg_argv loop
    if to_jsonb(new) -> kept is distinct from to_jsonb(old) -> kept then
      perform private.refuse(403, 'column_is_read_only', format('%s of %I is not changed by clients', kept, tg_table_name));
    end if;
  end loop;
  return new;
end
$$;

-- FUNCTION keep_columns(); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.keep_columns() IS 'Refuses a change, by an API role, of the columns that the trigger''s arguments name.';

-- keep_final_step(); Type: FUNCTION; Schema: private
CREATE FUNCTION private.keep_final_step() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  if old.status in ('succeeded', 'failed', 'skipped', 'cancelled') then
    raise exception 'step % of execution % is % and stays so', old.node_id, old.execution_id, old.status
      using errcode = 'integrity_constraint_violation';
  end if;
  return new;
end
$$;

-- keep_identity(); Type: FUNCTION; Schema: private
CREATE FUNCTION private.keep_identity() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  -- Moving a row between tenants would carry its history along, and leave its quota behind. Copy it instead.
  perform private.refuse(409, 'identity_is_fixed',
    format('a row of %I keeps its tenant and its id', tg_table_name),
    null, 'insert a copy into the other tenant and delete this row');
  return null;
end
$$;

-- FUNCTION keep_identity(); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.keep_identity() IS 'Refuses an update. The trigger''s condition says that it moves a row to another tenant or to another id.';

-- limit_of(uuid, text); Type: FUNCTION; Schema: private
CREATE FUNCTION private.limit_of(tenant uuid, meter text) RETURNS bigint
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS $$
  select case when t.limit_overrides ? meter then (t.limit_overrides ->> meter)::bigint
              else (p.limits ->> meter)::bigint end
    from public.tenants t
    join public.subscription_plans p on p.id = t.plan_id
   where t.id = tenant
$$;

-- FUNCTION limit_of(tenant uuid, meter text); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.limit_of(tenant uuid, meter text) IS 'What a tenant''s plan and overrides allow of a meter; null means unlimited.';

-- llm_cost_usd(text, text, timestamp with time zone, bigint, bigint, bigint); Type: FUNCTION; Schema: private
CREATE FUNCTION private.llm_cost_usd(llm_provider text, llm_model text, at timestamp with time zone, input bigint, cached bigint, output bigint) RETURNS numeric
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS $$
  select ((input - cached) * p.input_usd_per_million
          + cached * p.cached_input_usd_per_million
          + output * p.output_usd_per_million) / 1000000
    from private.llm_prices p
   where p.provider = llm_provider and p.model = llm_model and p.valid_from <= at
   order by p.valid_from desc
   limit 1
$$;

-- FUNCTION llm_cost_usd(llm_provider text, llm_model text, at timestamp with time zone, input bigint, cached bigint, output bigint); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.llm_cost_usd(llm_provider text, llm_model text, at timestamp with time zone, input bigint, cached bigint, output bigint) IS 'List price of a call in USD; null when the model has no price.';

-- own_tenants(); Type: FUNCTION; Schema: private
CREATE FUNCTION private.own_tenants() RETURNS SETOF uuid
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
  select tenant_id from public.memberships where user_id = (select auth.uid())
$$;

-- FUNCTION own_tenants(); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.own_tenants() IS 'The tenants that the caller belongs to, in any role.';

-- publish_workflow(); Type: FUNCTION; Schema: private
CREATE FUNCTION private.publish_workflow() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  insert into public.workflow_versions (tenant_id, workflow_id, version, nodes, connections, plan, created_by)
  values (new.tenant_id, new.id, new.version, new.nodes, new.connections,
          aias.workflow_plan(new.nodes, new.connections), (select auth.uid()));
  return null;
end
$$;

-- FUNCTION publish_workflow(); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.publish_workflow() IS 'Writes the version that an activation numbered.';

-- quota_audit(); Type: FUNCTION; Schema: private
CREATE FUNCTION private.quota_audit() RETURNS TABLE(tenant_id uuid, meter text, used bigint, counted bigint, drift bigint)
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS $$
  with counted (tenant_id, meter, amount) as (
    select w.tenant_id, 'workflows', count(*) from public.workflows w group by 1
    union all
    select m.tenant_id, 'users', count(*) from public.memberships m group by 1
    union all
    select s.tenant_id, 'storage_bytes', s.bytes from private.stored_bytes() s
  )
  select u.tenant_id, u.meter, u.used, coalesce(c.amount, 0), u.used - coalesce(c.amount, 0)
    from aias.quota_usage() u
    left join counted c on c.tenant_id = u.tenant_id and c.meter = u.meter
   where u.meter in ('workflows', 'users', 'storage_bytes') and u.used <> coalesce(c.amount, 0)
   order by u.tenant_id, u.meter
$$;

-- FUNCTION quota_audit(); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.quota_audit() IS 'Stocks whose counter differs from their tables; no row when all is well. A row is mended by aias.quota_recount(tenant_id, meter, counted).';

-- quota_status(uuid); Type: FUNCTION; Schema: private
CREATE FUNCTION private.quota_status(tenant uuid) RETURNS TABLE(meter text, kind text, quota_limit bigint, used bigint, reserved bigint, remaining bigint, period_start timestamp with time zone, resets_at timestamp with time zone)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  if (tenant = any (array(select private.tenants_with('usage.read')))) is not true then
    perform private.refuse(404, 'not_found', 'there is no such tenant, or you may not see its usage');
  end if;
  return query select * from aias.quota_status(tenant);
end
$$;

-- refuse(integer, text, text, text, text, jsonb); Type: FUNCTION; Schema: private
CREATE FUNCTION private.refuse(status integer, code text, message text, details text DEFAULT NULL::text, hint text DEFAULT NULL::text, headers jsonb DEFAULT '{}'::jsonb) RETURNS void
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO ''
    AS $$
begin
  raise exception using
    errcode = 'PGRST',
    message = json_build_object('code', code, 'message', message, 'details', details, 'hint', hint)::text,
    detail = json_build_object('status', status, 'headers', headers)::text;
end
$$;

-- FUNCTION refuse(status integer, code text, message text, details text, hint text, headers jsonb); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.refuse(status integer, code text, message text, details text, hint text, headers jsonb) IS 'Ends the transaction with an HTTP status and the body {code, message, details, hint}.';

-- size_of_object(jsonb); Type: FUNCTION; Schema: private
CREATE FUNCTION private.size_of_object(metadata jsonb) RETURNS bigint
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $$
  -- Null, or without a size, while an upload is under way.
  select case when jsonb_typeof(metadata -> 'size') = 'number'
              then least(greatest((metadata ->> 'size')::numeric, 0), 1e18)::bigint
              else 0 end
$$;

-- FUNCTION size_of_object(metadata jsonb); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.size_of_object(metadata jsonb) IS 'The bytes of a file, as Supabase Storage notes them.';

-- stamp_author(); Type: FUNCTION; Schema: private
CREATE FUNCTION private.stamp_author() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  -- Whoever signed in is the author; only the system itself (no JWT) may name another.
  new.created_by := coalesce((select auth.uid()), new.created_by);
  return new;
end
$$;

-- FUNCTION stamp_author(); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.stamp_author() IS 'Writes the caller into created_by, whatever the client sent.';

-- start_execution(uuid, jsonb, text); Type: FUNCTION; Schema: private
CREATE FUNCTION private.start_execution(wanted_workflow uuid, execution_input jsonb, key text) RETURNS public.executions
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  workflow public.workflows;
  tenant_status text;
  execution public.executions;
begin
  begin
    select w.* into strict workflow
      from public.workflows w
     where w.id = wanted_workflow and w.tenant_id = any (array(select private.tenants_with('workflows.execute')));
  exception
    when no_data_found then
      if exists (
        select from public.workflows w
         where w.id = wanted_workflow and w.tenant_id = any (array(select private.tenants_with('workflows.read')))
      ) then
        perform private.refuse(403, 'forbidden', 'your role may not start executions', null, 'ask for the permission workflows.execute');
      end if;
      perform private.refuse(404, 'not_found', 'there is no such workflow');
    when too_many_rows then
      perform private.refuse(409, 'ambiguous_id', 'two of your tenants have a workflow with this id', null, 'give one of them a new id');
  end;
  select t.status into tenant_status from public.tenants t where t.id = workflow.tenant_id;
  if tenant_status <> 'active' then
    perform private.refuse(403, 'tenant_' || tenant_status, format('this tenant is %s and starts no executions', tenant_status));
  end if;
  if workflow.status <> 'active' then
    perform private.refuse(409, 'workflow_not_active', format('workflow "%s" is %s', workflow.name, workflow.status),
      null, 'activate it first: rpc activate_workflow');
  end if;
  if pg_column_size(execution_input) > 1048576 then
    perform private.refuse(413, 'input_too_large', 'the input of an execution is limited to 1 MiB',
      null, 'store large data elsewhere and pass a reference');
  end if;
  -- A call that is repeated is not counted, nor is it refused when the minute is used up: it starts nothing, and whoever repeats it
  -- because the answer was lost must get that answer. It is a read of one row, as a select through PostgREST is.
  select e.* into execution from public.executions e
   where e.tenant_id = workflow.tenant_id and e.workflow_id = workflow.id and e.idempotency_key = key;
  if execution.id is null then
    -- Only once it is known that the caller may start it: what a tenant's plan is, is not for strangers. And before anything is written.
    perform private.count_request(workflow.tenant_id);
    insert into public.executions (tenant_id, workflow_id, workflow_version, input, idempotency_key, started_by)
    values (workflow.tenant_id, workflow.id, workflow.version, coalesce(execution_input, '{}'), key, (select auth.uid()))
    on conflict on constraint execution_idempotency_key_is_unique do nothing
    returning * into execution;
    if execution.id is not null then
      -- After the insert: only what is new is charged, and a refusal takes the row back with it.
      perform aias.quota_take(workflow.tenant_id, 'executions', 1);
      insert into queue.jobs (tenant_id, execution_id) values (execution.tenant_id, execution.id);
      perform pg_notify('aias_jobs', '');
      return execution;
    end if;
    -- Another call with this key was faster.
    select e.* into execution from public.executions e
     where e.tenant_id = workflow.tenant_id and e.workflow_id = workflow.id and e.idempotency_key = key;
  end if;
  if execution.input is distinct from coalesce(execution_input, '{}') then
    perform private.refuse(409, 'idempotency_key_reused', 'this idempotency key was used before with another input',
      null, 'use a new key for a new execution');
  end if;
  return execution;
end
$$;

-- stored_bytes(); Type: FUNCTION; Schema: private
CREATE FUNCTION private.stored_bytes() RETURNS TABLE(tenant_id uuid, bytes bigint)
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
begin
  if to_regclass('storage.objects') is not null then
    return query
      select private.tenant_of_object(o.name), sum(private.size_of_object(o.metadata))::bigint
        from storage.objects o
       where private.tenant_of_object(o.name) is not null
       group by 1;
  end if;
end
$$;

-- FUNCTION stored_bytes(); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.stored_bytes() IS 'What each tenant''s files come to.';

-- sync_limits(public.tenants); Type: FUNCTION; Schema: private
CREATE FUNCTION private.sync_limits(tenant public.tenants) RETURNS void
    LANGUAGE sql
    SET search_path TO ''
    AS $$
  select aias.quota_set(
           tenant.id,
           m.key,
           m.kind,
           case when tenant.limit_overrides ? m.key then (tenant.limit_overrides ->> m.key)::bigint
                else (p.limits ->> m.key)::bigint end,
           case when m.kind = 'flow' then tenant.billing_anchor end
         )
    from private.meters m
    join public.subscription_plans p on p.id = tenant.plan_id
   order by m.key
$$;

-- FUNCTION sync_limits(tenant public.tenants); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.sync_limits(tenant public.tenants) IS 'Sets every quota of a tenant to what its plan and its overrides allow.';

-- sync_plan_limits(); Type: FUNCTION; Schema: private
CREATE FUNCTION private.sync_plan_limits() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  perform private.sync_limits(t) from public.tenants t where t.plan_id = new.id order by t.id;
  return null;
end
$$;

-- sync_profile(); Type: FUNCTION; Schema: private
CREATE FUNCTION private.sync_profile() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  insert into public.users (id, email, name)
  values (
    new.id,
    coalesce(new.email, ''),
    coalesce(nullif(btrim(new.raw_user_meta_data ->> 'name'), ''), split_part(coalesce(new.email, ''), '@', 1))
  )
  on conflict (id) do update set email = excluded.email;
  return new;
end
$$;

-- FUNCTION sync_profile(); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.sync_profile() IS 'Gives every account a profile, and follows a change of its e-mail address.';

-- sync_tenant_limits(); Type: FUNCTION; Schema: private
CREATE FUNCTION private.sync_tenant_limits() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  perform private.sync_limits(new);
  return null;
end
$$;

-- take_stock(); Type: FUNCTION; Schema: private
CREATE FUNCTION private.take_stock() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  perform aias.quota_take(added.tenant_id, tg_argv[0], added.amount)
     from (select tenant_id, count(*) as amount from inserted group by tenant_id order by tenant_id) added;
  return null;
end
$$;

-- FUNCTION take_stock(); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.take_stock() IS 'Charges inserted rows to the meter named by the trigger''s argument.';

-- tenant_of_object(text); Type: FUNCTION; Schema: private
CREATE FUNCTION private.tenant_of_object(name text) RETURNS uuid
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $$
  -- In any case: a folder in capitals must not be one that is not counted.
  select case when name ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/' then left(name, 36)::uuid end
$$;

-- FUNCTION tenant_of_object(name text); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.tenant_of_object(name text) IS 'Whose file it is, by its first folder; null when nobody''s.';

-- tenants_with(text); Type: FUNCTION; Schema: private
CREATE FUNCTION private.tenants_with(permission text) RETURNS SETOF uuid
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
  select m.tenant_id
    from public.memberships m
    join public.roles r on r.tenant_id = m.tenant_id and r.key = m.role
   where m.user_id = (select auth.uid())
     and r.permissions @> array[permission]
$$;

-- FUNCTION tenants_with(permission text); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.tenants_with(permission text) IS 'The tenants in which the caller holds a permission. Read from the tables, so a revoked member is out in the next statement.';

-- touch_updated_at(); Type: FUNCTION; Schema: private
CREATE FUNCTION private.touch_updated_at() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  new.updated_at := now();
  return new;
end
$$;

-- FUNCTION touch_updated_at(); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.touch_updated_at() IS 'Keeps updated_at true, whatever the client sent.';

-- watch_storage(); Type: FUNCTION; Schema: private
CREATE FUNCTION private.watch_storage() RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  if to_regclass('storage.objects') is null then
    return false;
  end if;
  if exists (select from pg_catalog.pg_trigger where tgrelid = to_regclass('storage.objects') and tgname = 'aias_take_storage') then
    return true;
  end if;
  -- The first of these keeps writers out until the end of the transaction, so nothing is missed between it and the count.
  create trigger aias_take_storage after insert on storage.objects
    referencing new table as inserted for each statement execute function private.count_storage();
  create trigger aias_give_storage_back after delete on storage.objects
    referencing old table as deleted for each statement execute function private.count_storage();
  create trigger aias_change_storage after update on storage.objects
    referencing old table as deleted new table as inserted for each statement execute function private.count_storage();
  create trigger aias_empty_storage after truncate on storage.objects
    for each statement execute function private.empty_stock('storage_bytes');
  perform aias.quota_recount(t.id, 'storage_bytes', coalesce(s.bytes, 0))
     from public.tenants t
     left join private.stored_bytes() s on s.tenant_id = t.id
    order by t.id;
  return true;
end
$$;

-- FUNCTION watch_storage(); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.watch_storage() IS 'Counts the files that are there and from now on each change of them. Answers whether there is a storage to watch; may be called again.';

-- workflow_problems(uuid, jsonb, jsonb); Type: FUNCTION; Schema: private
CREATE FUNCTION private.workflow_problems(tenant uuid, nodes jsonb, connections jsonb) RETURNS TABLE(severity text, code text, node_id text, pointer text, message text)
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS $_$
  select p.severity, p.code, p.node_id, p.pointer, p.message
    from aias.workflow_problems(nodes, connections) p
  union all
  -- What the graph alone cannot tell: whether the agents that it names are there. An id that is no uuid is named above.
  select 'error', 'unknown_agent', drawn.node ->> 'id', format('/nodes/%s/config/agent_id', drawn.position - 1),
         format('there is no agent %s in this tenant; choose one of its agents or name a model instead', drawn.node #>> '{config,agent_id}')
    from jsonb_array_elements(case when jsonb_typeof(nodes) = 'array' then nodes else '[]' end)
         with ordinality as drawn (node, position)
   where drawn.node ->> 'type' = 'ai_processing'
     and drawn.node #>> '{config,agent_id}' ~ '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$'
     and not exists (
       select from public.ai_agents a where a.tenant_id = tenant and a.id = (drawn.node #>> '{config,agent_id}')::uuid
     )
$_$;

-- FUNCTION workflow_problems(tenant uuid, nodes jsonb, connections jsonb); Type: COMMENT; Schema: private
COMMENT ON FUNCTION private.workflow_problems(tenant uuid, nodes jsonb, connections jsonb) IS 'aias.workflow_problems, and what only the tenant''s other rows can tell.';

-- workflows; Type: TABLE; Schema: public
CREATE TABLE public.workflows (
    tenant_id uuid NOT NULL,
    id uuid DEFAULT aias.uuid7() NOT NULL,
    name text NOT NULL,
    description text,
    nodes jsonb DEFAULT '[]'::jsonb NOT NULL,
    connections jsonb DEFAULT '[]'::jsonb NOT NULL,
    status text DEFAULT 'draft'::text NOT NULL,
    version integer DEFAULT 0 NOT NULL,
    created_by uuid,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT active_workflow_has_no_problems CHECK (((status <> 'active'::text) OR aias.workflow_is_valid(nodes, connections))),
    CONSTRAINT workflow_drawing_is_not_huge CHECK (((pg_column_size(nodes) <= 4194304) AND (pg_column_size(connections) <= 1048576))),
    CONSTRAINT workflow_name_is_not_empty CHECK (((length(btrim(name)) >= 1) AND (length(btrim(name)) <= 200))),
    CONSTRAINT workflow_status_is_known CHECK ((status = ANY (ARRAY['draft'::text, 'active'::text, 'paused'::text, 'archived'::text])))
);

-- TABLE workflows; Type: COMMENT; Schema: public
COMMENT ON TABLE public.workflows IS 'A graph of steps, in the shape that React Flow draws.';

-- COLUMN workflows.nodes; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.workflows.nodes IS '[{id, type, position: {x, y}, config, name?, retry?, timeout?, on_error?}]';

-- COLUMN workflows.connections; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.workflows.connections IS '[{source, target, sourceHandle?}]';

-- COLUMN workflows.version; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.workflows.version IS 'The last published version; 0 before the first activation. Kept by the database.';

-- activate_workflow(uuid); Type: FUNCTION; Schema: public
CREATE FUNCTION public.activate_workflow(workflow_id uuid) RETURNS public.workflows
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  activated public.workflows;
begin
  update public.workflows w set status = 'active' where w.id = activate_workflow.workflow_id returning * into activated;
  if activated.id is null then
    if exists (select from public.workflows w where w.id = activate_workflow.workflow_id) then
      perform private.refuse(403, 'forbidden', 'your role may not activate workflows', null, 'ask for the permission workflows.write');
    end if;
    perform private.refuse(404, 'not_found', 'there is no such workflow');
  end if;
  return activated;
end
$$;

-- FUNCTION activate_workflow(workflow_id uuid); Type: COMMENT; Schema: public
COMMENT ON FUNCTION public.activate_workflow(workflow_id uuid) IS 'Checks and publishes a workflow so that it can be started. Answers 422 with every problem when it cannot run.';

-- cancel_execution(uuid); Type: FUNCTION; Schema: public
CREATE FUNCTION public.cancel_execution(execution_id uuid) RETURNS public.executions
    LANGUAGE sql
    SET search_path TO ''
    AS $$ select * from private.cancel_execution(execution_id) $$;

-- FUNCTION cancel_execution(execution_id uuid); Type: COMMENT; Schema: public
COMMENT ON FUNCTION public.cancel_execution(execution_id uuid) IS 'Ends an execution. One that a worker holds is cancelled by that worker a moment later; watch its status.';

-- create_tenant(text, text); Type: FUNCTION; Schema: public
CREATE FUNCTION public.create_tenant(name text, subdomain text) RETURNS public.tenants
    LANGUAGE sql
    SET search_path TO ''
    AS $$ select * from private.create_tenant(name, subdomain) $$;

-- FUNCTION create_tenant(name text, subdomain text); Type: COMMENT; Schema: public
COMMENT ON FUNCTION public.create_tenant(name text, subdomain text) IS 'Makes a tenant on the starter plan, with the caller as its owner.';

-- quota_status(uuid); Type: FUNCTION; Schema: public
CREATE FUNCTION public.quota_status(tenant_id uuid) RETURNS TABLE(meter text, kind text, quota_limit bigint, used bigint, reserved bigint, remaining bigint, period_start timestamp with time zone, resets_at timestamp with time zone)
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS $$ select * from private.quota_status(tenant_id) $$;

-- FUNCTION quota_status(tenant_id uuid); Type: COMMENT; Schema: public
COMMENT ON FUNCTION public.quota_status(tenant_id uuid) IS 'What a tenant has used of its plan in this billing period. A null limit means unlimited.';

-- start_execution(uuid, jsonb, text); Type: FUNCTION; Schema: public
CREATE FUNCTION public.start_execution(workflow_id uuid, input jsonb DEFAULT '{}'::jsonb, idempotency_key text DEFAULT NULL::text) RETURNS public.executions
    LANGUAGE sql
    SET search_path TO ''
    AS $$ select * from private.start_execution(workflow_id, input, idempotency_key) $$;

-- FUNCTION start_execution(workflow_id uuid, input jsonb, idempotency_key text); Type: COMMENT; Schema: public
COMMENT ON FUNCTION public.start_execution(workflow_id uuid, input jsonb, idempotency_key text) IS 'Starts an active workflow. The same idempotency key returns the execution that it first started. Answers 402 when the plan''s executions are used up, and 429 when more are started in a minute than the plan allows.';

-- workflow_problems(jsonb, jsonb); Type: FUNCTION; Schema: public
CREATE FUNCTION public.workflow_problems(nodes jsonb, connections jsonb) RETURNS TABLE(severity text, code text, node_id text, pointer text, message text)
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS $$ select * from aias.workflow_problems(nodes, connections) $$;

-- FUNCTION workflow_problems(nodes jsonb, connections jsonb); Type: COMMENT; Schema: public
COMMENT ON FUNCTION public.workflow_problems(nodes jsonb, connections jsonb) IS 'Everything that is wrong with a drawing, with JSON pointers, in a fixed order. For editors.';

-- agent(uuid, uuid); Type: FUNCTION; Schema: queue
CREATE FUNCTION queue.agent(tenant uuid, agent uuid) RETURNS TABLE(id uuid, model text, config jsonb)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
  select a.id, a.model, a.config from public.ai_agents a where a.tenant_id = tenant and a.id = agent
$$;

-- FUNCTION agent(tenant uuid, agent uuid); Type: COMMENT; Schema: queue
COMMENT ON FUNCTION queue.agent(tenant uuid, agent uuid) IS 'The agent that an ai_processing step names.';

-- claim(text, integer, interval); Type: FUNCTION; Schema: queue
CREATE FUNCTION queue.claim(worker text, max_jobs integer, lease interval) RETURNS TABLE(tenant_id uuid, execution_id uuid, fencing_token bigint, claims_without_progress smallint, workflow_id uuid, workflow_version integer, input jsonb, created_at timestamp with time zone, started_at timestamp with time zone, cancel_requested boolean, steps jsonb)
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO ''
    AS $$
  with due as (
    select j.tenant_id, j.execution_id
      from queue.jobs j
     where j.run_at <= now()
     order by j.run_at
     limit max_jobs
       for update skip locked
  ),
  claimed as (
    update queue.jobs j
       set run_at = now() + lease,
           fencing_token = j.fencing_token + 1,
           claimed_by = worker,
           claims_without_progress = j.claims_without_progress + 1
      from due
     where j.tenant_id = due.tenant_id and j.execution_id = due.execution_id
    returning j.tenant_id, j.execution_id, j.fencing_token, j.claims_without_progress
  ),
  begun as (
    update public.executions e
       set status = 'running',
           started_at = coalesce(e.started_at, now()),
           revision = e.revision + 1
      from claimed c
     where e.tenant_id = c.tenant_id and e.id = c.execution_id
    returning e.tenant_id, e.id, e.workflow_id, e.workflow_version, e.input, e.created_at, e.started_at, e.cancel_requested_at,
              -- A hint for whoever watches; several in one transaction are sent as one.
              pg_notify('aias_executions', e.id::text) as notified
  )
  select c.tenant_id, c.execution_id, c.fencing_token, c.claims_without_progress,
         b.workflow_id, b.workflow_version, b.input, b.created_at, b.started_at, b.cancel_requested_at is not null,
         coalesce((
           select jsonb_agg(jsonb_build_object(
                    'node_id', s.node_id, 'status', s.status, 'attempt', s.attempt, 'handle', s.handle,
                    'output', s.output, 'error', s.error, 'run_at', s.run_at) order by s.revision)
             from public.execution_steps s
            where s.tenant_id = c.tenant_id and s.execution_id = c.execution_id
         ), '[]')
    from claimed c
    join begun b on b.tenant_id = c.tenant_id and b.id = c.execution_id
$$;

-- FUNCTION claim(worker text, max_jobs integer, lease interval); Type: COMMENT; Schema: queue
COMMENT ON FUNCTION queue.claim(worker text, max_jobs integer, lease interval) IS 'Takes up to max_jobs due jobs for a lease, with everything that is needed to go on: input and the steps recorded so far.';

-- next_due(); Type: FUNCTION; Schema: queue
CREATE FUNCTION queue.next_due() RETURNS timestamp with time zone
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
  select min(run_at) from queue.jobs
$$;

-- FUNCTION next_due(); Type: COMMENT; Schema: queue
COMMENT ON FUNCTION queue.next_due() IS 'When the next job may be claimed, so that an idle worker knows how long to sleep.';

-- plan(uuid, uuid, integer); Type: FUNCTION; Schema: queue
CREATE FUNCTION queue.plan(tenant uuid, workflow uuid, wanted_version integer) RETURNS TABLE(plan jsonb, tenant_name text)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
  select v.plan, t.name
    from public.workflow_versions v
    join public.tenants t on t.id = v.tenant_id
   where v.tenant_id = tenant and v.workflow_id = workflow and v.version = wanted_version
$$;

-- FUNCTION plan(tenant uuid, workflow uuid, wanted_version integer); Type: COMMENT; Schema: queue
COMMENT ON FUNCTION queue.plan(tenant uuid, workflow uuid, wanted_version integer) IS 'The plan of a version, which never changes, so a worker may keep it.';

-- record(text, jsonb); Type: FUNCTION; Schema: queue
CREATE FUNCTION queue.record(worker text, results jsonb) RETURNS TABLE(tenant_id uuid, execution_id uuid, accepted boolean, cancel_requested boolean)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
#variable_conflict use_column
declare
  result record;
  step record;
  job queue.jobs;
  next_revision bigint;
  counted record;
  asked_to_cancel boolean;
begin
  -- In one order for everybody, so that two workers that record at once cannot wait for each other in a circle.
  for result in
    select * from jsonb_to_recordset(results) as r (
      tenant_id uuid, execution_id uuid, fencing_token bigint,
      status text, run_at timestamptz, output jsonb, error jsonb, steps jsonb
    ) order by r.tenant_id, r.execution_id
  loop
    tenant_id := result.tenant_id;
    execution_id := result.execution_id;
    select * into job from queue.jobs j
     where j.tenant_id = result.tenant_id and j.execution_id = result.execution_id
       for update;
    if job.fencing_token is distinct from result.fencing_token or job.claimed_by is distinct from worker then
      accepted := false;
      cancel_requested := false;
      return next;
      continue;
    end if;
    select e.revision into next_revision
      from public.executions e
     where e.tenant_id = result.tenant_id and e.id = result.execution_id
       for no key update;
    for step in
      select * from jsonb_to_recordset(coalesce(result.steps, '[]')) as s (
        node_id text, name text, kind text, status text, attempt integer, handle text,
        input jsonb, output jsonb, error jsonb,
        run_at timestamptz, started_at timestamptz, finished_at timestamptz,
        usage jsonb, reservation uuid
      )
    loop
      next_revision := next_revision + 1;
      select null::bigint as input_tokens, null::bigint as output_tokens, null::numeric as cost into counted;
      if step.usage is not null then
        -- Tokens are added to the step when their row is new, not when a call is repeated.
        select (step.usage ->> 'input_tokens')::bigint as input_tokens, (step.usage ->> 'output_tokens')::bigint as output_tokens, u.cost
          into counted
          from queue.record_usage(result.tenant_id, result.execution_id, step.node_id, coalesce(step.attempt, 1), step.usage) u
         where u.is_new;
      end if;
      if step.reservation is not null then
        begin
          perform aias.quota_settle(step.reservation,
            coalesce((step.usage ->> 'input_tokens')::bigint + (step.usage ->> 'output_tokens')::bigint, 0));
        exception when invalid_parameter_value then
          -- It is settled already: by the call that this one repeats, or long after it lapsed.
          null;
        end;
      end if;
      insert into public.execution_steps as s (
        tenant_id, execution_id, node_id, name, kind, status, attempt, handle, input, output, error,
        run_at, started_at, finished_at, model, input_tokens, output_tokens, cost_usd, revision)
      values (
        result.tenant_id, result.execution_id, step.node_id, step.name, step.kind, step.status, coalesce(step.attempt, 1), step.handle,
        step.input, step.output, step.error, step.run_at, step.started_at, step.finished_at,
        (step.usage ->> 'provider') || '/' || (step.usage ->> 'model'),
        counted.input_tokens, counted.output_tokens, counted.cost, next_revision)
      on conflict (tenant_id, execution_id, node_id) do update
        set status = excluded.status, attempt = excluded.attempt, handle = excluded.handle,
            input = coalesce(excluded.input, s.input), output = excluded.output, error = excluded.error,
            run_at = excluded.run_at,
            started_at = coalesce(excluded.started_at, s.started_at), finished_at = excluded.finished_at,
            model = coalesce(excluded.model, s.model),
            -- Attempts that failed have cost something too.
            input_tokens = nullif(coalesce(s.input_tokens, 0) + coalesce(excluded.input_tokens, 0), 0),
            output_tokens = nullif(coalesce(s.output_tokens, 0) + coalesce(excluded.output_tokens, 0), 0),
            cost_usd = case when excluded.cost_usd is null then s.cost_usd else coalesce(s.cost_usd, 0) + excluded.cost_usd end,
            revision = excluded.revision
        -- A worker that did not hear whether a call was committed repeats it as it was. It then meets its own steps:
        -- what is final stays, and so does a later attempt.
        where s.status in ('running', 'waiting') and excluded.attempt >= s.attempt;
    end loop;
    update public.executions e
       set status = result.status,
           output = result.output,
           error = result.error,
           revision = next_revision + 1,
           finished_at = case when result.status in ('succeeded', 'failed', 'cancelled') then now() end
     where e.tenant_id = result.tenant_id and e.id = result.execution_id
    returning e.cancel_requested_at is not null into asked_to_cancel;
    if result.status in ('succeeded', 'failed', 'cancelled') then
      delete from queue.jobs j where j.tenant_id = result.tenant_id and j.execution_id = result.execution_id;
    elsif result.status = 'waiting' then
      update queue.jobs j
         -- Nobody holds it from here on: a cancellation that came meanwhile is carried out by the next claim, at once.
         set run_at = case when asked_to_cancel then now() else result.run_at end, claimed_by = null, claims_without_progress = 0
       where j.tenant_id = result.tenant_id and j.execution_id = result.execution_id;
      if asked_to_cancel or result.run_at <= now() then
        perform pg_notify('aias_jobs', '');
      end if;
    else
      update queue.jobs j
         set claims_without_progress = 0
       where j.tenant_id = result.tenant_id and j.execution_id = result.execution_id and j.claims_without_progress <> 0;
    end if;
    perform pg_notify('aias_executions', result.execution_id::text);
    accepted := true;
    cancel_requested := asked_to_cancel;
    return next;
  end loop;
end
$$;

-- FUNCTION record(worker text, results jsonb); Type: COMMENT; Schema: queue
COMMENT ON FUNCTION queue.record(worker text, results jsonb) IS 'Writes what a worker found out, for many executions in one transaction: [{tenant_id, execution_id, fencing_token, status, run_at, output, error, steps}]. Status running keeps the lease, waiting gives it up until run_at, the others end the execution. accepted is false when the lease was lost. Repeating a call changes nothing.';

-- record_usage(uuid, uuid, text, integer, jsonb); Type: FUNCTION; Schema: queue
CREATE FUNCTION queue.record_usage(tenant uuid, execution uuid, node text, attempt integer, call jsonb, OUT cost numeric, OUT is_new boolean) RETURNS record
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  input bigint := (call ->> 'input_tokens')::bigint;
  cached bigint := coalesce((call ->> 'cached_input_tokens')::bigint, 0);
  output bigint := (call ->> 'output_tokens')::bigint;
begin
  cost := private.llm_cost_usd(call ->> 'provider', call ->> 'model', now(), input, cached, output);
  insert into public.usage (
    tenant_id, idempotency_key, execution_id, node_id, agent_id, provider, model,
    input_tokens, cached_input_tokens, output_tokens, reasoning_tokens, cost_usd)
  values (
    tenant, format('execution:%s:%s:%s', execution, node, attempt), execution, node,
    (call ->> 'agent_id')::uuid, call ->> 'provider', call ->> 'model',
    input, cached, output, coalesce((call ->> 'reasoning_tokens')::bigint, 0), cost)
  on conflict on constraint usage_is_counted_once do nothing;
  is_new := found;
end
$$;

-- FUNCTION record_usage(tenant uuid, execution uuid, node text, attempt integer, call jsonb, OUT cost numeric, OUT is_new boolean); Type: COMMENT; Schema: queue
COMMENT ON FUNCTION queue.record_usage(tenant uuid, execution uuid, node text, attempt integer, call jsonb, OUT cost numeric, OUT is_new boolean) IS 'Writes the usage row of one call, once; answers its cost, and whether it was not there before. Called by queue.record.';

-- renew(text, jsonb, interval); Type: FUNCTION; Schema: queue
CREATE FUNCTION queue.renew(worker text, held jsonb, lease interval) RETURNS TABLE(tenant_id uuid, execution_id uuid, cancel_requested boolean)
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO ''
    AS $$
  with wanted as (
    select * from jsonb_to_recordset(held) as h (tenant_id uuid, execution_id uuid, fencing_token bigint)
  ),
  still_held as (
    select j.tenant_id, j.execution_id
      from queue.jobs j
      join wanted w using (tenant_id, execution_id, fencing_token)
     where j.claimed_by = worker
     order by j.tenant_id, j.execution_id
       for update of j
  ),
  renewed as (
    update queue.jobs j
       set run_at = now() + lease
      from still_held s
     where j.tenant_id = s.tenant_id and j.execution_id = s.execution_id
    returning j.tenant_id, j.execution_id
  )
  select r.tenant_id, r.execution_id, e.cancel_requested_at is not null
    from renewed r
    join public.executions e on e.tenant_id = r.tenant_id and e.id = r.execution_id
$$;

-- FUNCTION renew(worker text, held jsonb, lease interval); Type: COMMENT; Schema: queue
COMMENT ON FUNCTION queue.renew(worker text, held jsonb, lease interval) IS 'Prolongs leases: held is [{tenant_id, execution_id, fencing_token}]. What is missing from the answer is no longer held.';

-- reserve_tokens(uuid, uuid, bigint, bigint); Type: FUNCTION; Schema: queue
CREATE FUNCTION queue.reserve_tokens(tenant uuid, execution uuid, token bigint, amount bigint) RETURNS uuid
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  if not exists (
    select from queue.jobs j where j.tenant_id = tenant and j.execution_id = execution and j.fencing_token = token
  ) then
    return null;
  end if;
  return aias.quota_reserve(tenant, 'llm_tokens', amount, interval '15 minutes');
end
$$;

-- FUNCTION reserve_tokens(tenant uuid, execution uuid, token bigint, amount bigint); Type: COMMENT; Schema: queue
COMMENT ON FUNCTION queue.reserve_tokens(tenant uuid, execution uuid, token bigint, amount bigint) IS 'Sets tokens aside before an LLM call; refused when the plan has none left. Null when the lease is lost. queue.record settles it.';

-- sweep(); Type: FUNCTION; Schema: queue
CREATE FUNCTION queue.sweep() RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO ''
    AS $$
  -- Bounded, so that it never holds anything up; what is left is for the next time.
  select aias.quota_sweep(1000), aias.rate_limit_sweep(1000);
$$;

-- FUNCTION sweep(); Type: COMMENT; Schema: queue
COMMENT ON FUNCTION queue.sweep() IS 'Gives back tokens whose reservation lapsed, and removes counts that do not matter any more. Any number of workers may call it at once.';

-- users; Type: TABLE; Schema: auth
CREATE TABLE auth.users (
    id uuid NOT NULL,
    instance_id uuid,
    aud character varying(255) DEFAULT 'authenticated'::character varying,
    role character varying(255) DEFAULT 'authenticated'::character varying,
    email character varying(255),
    phone text,
    encrypted_password character varying(255),
    email_confirmed_at timestamp with time zone,
    phone_confirmed_at timestamp with time zone,
    confirmed_at timestamp with time zone GENERATED ALWAYS AS (LEAST(email_confirmed_at, phone_confirmed_at)) STORED,
    invited_at timestamp with time zone,
    confirmation_token character varying(255),
    confirmation_sent_at timestamp with time zone,
    recovery_token character varying(255),
    recovery_sent_at timestamp with time zone,
    email_change character varying(255),
    email_change_token_new character varying(255),
    email_change_token_current character varying(255),
    email_change_sent_at timestamp with time zone,
    email_change_confirm_status smallint DEFAULT 0,
    phone_change text,
    phone_change_token character varying(255),
    phone_change_sent_at timestamp with time zone,
    reauthentication_token character varying(255),
    reauthentication_sent_at timestamp with time zone,
    raw_app_meta_data jsonb DEFAULT '{}'::jsonb,
    raw_user_meta_data jsonb DEFAULT '{}'::jsonb,
    is_super_admin boolean,
    is_sso_user boolean DEFAULT false NOT NULL,
    is_anonymous boolean DEFAULT false NOT NULL,
    banned_until timestamp with time zone,
    last_sign_in_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now(),
    updated_at timestamp with time zone DEFAULT now(),
    deleted_at timestamp with time zone
);

-- built_in_roles; Type: TABLE; Schema: private
CREATE TABLE private.built_in_roles (
    key text NOT NULL,
    name text NOT NULL,
    permissions text[] NOT NULL
);

-- TABLE built_in_roles; Type: COMMENT; Schema: private
COMMENT ON TABLE private.built_in_roles IS 'The roles that every new tenant starts with.';

-- llm_prices; Type: TABLE; Schema: private
CREATE TABLE private.llm_prices (
    provider text NOT NULL,
    model text NOT NULL,
    valid_from timestamp with time zone NOT NULL,
    input_usd_per_million numeric NOT NULL,
    cached_input_usd_per_million numeric NOT NULL,
    output_usd_per_million numeric NOT NULL,
    CONSTRAINT llm_prices_are_not_negative CHECK ((LEAST(input_usd_per_million, cached_input_usd_per_million, output_usd_per_million) >= (0)::numeric))
);

-- TABLE llm_prices; Type: COMMENT; Schema: private
COMMENT ON TABLE private.llm_prices IS 'USD per million tokens, from a date on. A model without a row has an unknown cost, not a cost of zero.';

-- meters; Type: TABLE; Schema: private
CREATE TABLE private.meters (
    key text NOT NULL,
    kind text NOT NULL,
    CONSTRAINT meter_kind_is_known CHECK ((kind = ANY (ARRAY['stock'::text, 'flow'::text])))
);

-- TABLE meters; Type: COMMENT; Schema: private
COMMENT ON TABLE private.meters IS 'What is counted: a stock exists at a time, a flow happens during a billing period.';

-- ai_agents; Type: TABLE; Schema: public
CREATE TABLE public.ai_agents (
    tenant_id uuid NOT NULL,
    id uuid DEFAULT aias.uuid7() NOT NULL,
    name text NOT NULL,
    slug text NOT NULL,
    description text,
    model text NOT NULL,
    config jsonb DEFAULT '{}'::jsonb NOT NULL,
    created_by uuid,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT agent_config_is_an_object CHECK (((jsonb_typeof(config) = 'object'::text) AND (pg_column_size(config) <= 262144))),
    CONSTRAINT agent_max_tokens_is_a_positive_integer CHECK (((NOT (config ? 'max_tokens'::text)) OR ((config ->> 'max_tokens'::text) ~ '^[1-9][0-9]{0,6}$'::text))),
    CONSTRAINT agent_model_names_its_provider CHECK (((model ~ '^[a-z0-9_-]+/.+$'::text) AND (length(model) <= 200))),
    CONSTRAINT agent_name_is_not_empty CHECK (((length(btrim(name)) >= 1) AND (length(btrim(name)) <= 200))),
    CONSTRAINT agent_slug_is_a_word CHECK ((slug ~ '^[a-z0-9][a-z0-9-]{0,62}$'::text)),
    CONSTRAINT agent_system_prompt_is_text CHECK (((NOT (config ? 'system_prompt'::text)) OR (jsonb_typeof((config -> 'system_prompt'::text)) = 'string'::text))),
    CONSTRAINT agent_temperature_is_between_0_and_2 CHECK (((NOT (config ? 'temperature'::text)) OR ((jsonb_typeof((config -> 'temperature'::text)) = 'number'::text) AND ((((config ->> 'temperature'::text))::numeric >= (0)::numeric) AND (((config ->> 'temperature'::text))::numeric <= (2)::numeric)))))
);

-- TABLE ai_agents; Type: COMMENT; Schema: public
COMMENT ON TABLE public.ai_agents IS 'A model with a role to play: used by workflow steps of type ai_processing.';

-- COLUMN ai_agents.model; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.ai_agents.model IS 'provider/model, for instance openai/gpt-4o-mini';

-- COLUMN ai_agents.config; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.ai_agents.config IS 'temperature (0 to 2), max_tokens, system_prompt, output_schema (JSON schema), tools';

-- execution_steps; Type: TABLE; Schema: public
CREATE TABLE public.execution_steps (
    tenant_id uuid NOT NULL,
    execution_id uuid NOT NULL,
    node_id text NOT NULL,
    name text,
    kind text NOT NULL,
    status text NOT NULL,
    attempt integer DEFAULT 1 NOT NULL,
    handle text,
    input jsonb,
    output jsonb,
    error jsonb,
    run_at timestamp with time zone,
    started_at timestamp with time zone,
    finished_at timestamp with time zone,
    model text,
    input_tokens bigint,
    output_tokens bigint,
    cost_usd numeric(18,9),
    revision bigint NOT NULL,
    CONSTRAINT failed_step_says_why CHECK (((status <> 'failed'::text) OR (error IS NOT NULL))),
    CONSTRAINT step_status_is_known CHECK ((status = ANY (ARRAY['running'::text, 'waiting'::text, 'succeeded'::text, 'failed'::text, 'skipped'::text, 'cancelled'::text]))),
    CONSTRAINT waiting_step_has_a_time CHECK (((status = 'waiting'::text) = (run_at IS NOT NULL)))
);

-- TABLE execution_steps; Type: COMMENT; Schema: public
COMMENT ON TABLE public.execution_steps IS 'One node''s part in an execution. A final status never changes again.';

-- COLUMN execution_steps.handle; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.execution_steps.handle IS 'The handle that a condition chose.';

-- COLUMN execution_steps.input; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.execution_steps.input IS 'The node''s config as rendered for this run, secrets masked.';

-- COLUMN execution_steps.error; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.execution_steps.error IS '{code, message, details?}';

-- COLUMN execution_steps.run_at; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.execution_steps.run_at IS 'When a waiting step goes on: the next attempt, or the end of a delay.';

-- memberships; Type: TABLE; Schema: public
CREATE TABLE public.memberships (
    tenant_id uuid NOT NULL,
    user_id uuid NOT NULL,
    role text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

-- TABLE memberships; Type: COMMENT; Schema: public
COMMENT ON TABLE public.memberships IS 'Who belongs to which tenant, in which role.';

-- permissions; Type: TABLE; Schema: public
CREATE TABLE public.permissions (
    key text NOT NULL,
    description text NOT NULL
);

-- TABLE permissions; Type: COMMENT; Schema: public
COMMENT ON TABLE public.permissions IS 'Everything a role can allow.';

-- roles; Type: TABLE; Schema: public
CREATE TABLE public.roles (
    tenant_id uuid NOT NULL,
    key text NOT NULL,
    name text NOT NULL,
    permissions text[] DEFAULT '{}'::text[] NOT NULL,
    built_in boolean DEFAULT false NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT role_key_is_a_word CHECK ((key ~ '^[a-z][a-z0-9_-]{0,62}$'::text))
);

-- TABLE roles; Type: COMMENT; Schema: public
COMMENT ON TABLE public.roles IS 'What the members of a tenant may do: the built-in roles, and the tenant''s own.';

-- subscription_plans; Type: TABLE; Schema: public
CREATE TABLE public.subscription_plans (
    id uuid DEFAULT aias.uuid7() NOT NULL,
    key text NOT NULL,
    name text NOT NULL,
    price_monthly integer NOT NULL,
    price_yearly integer NOT NULL,
    currency text DEFAULT 'usd'::text NOT NULL,
    features text[] DEFAULT '{}'::text[] NOT NULL,
    limits jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT plan_limits_name_every_meter CHECK ((limits ?& ARRAY['workflows'::text, 'users'::text, 'storage_bytes'::text, 'executions'::text, 'llm_tokens'::text, 'requests_per_minute'::text, 'concurrent_executions'::text])),
    CONSTRAINT plan_prices_are_not_negative CHECK (((price_monthly >= 0) AND (price_yearly >= 0)))
);

-- TABLE subscription_plans; Type: COMMENT; Schema: public
COMMENT ON TABLE public.subscription_plans IS 'What can be bought. Prices are in minor units of the currency.';

-- COLUMN subscription_plans.limits; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.subscription_plans.limits IS 'One number per meter; null means unlimited. Stocks: workflows, users, storage_bytes. Per billing period: executions, llm_tokens. Also requests_per_minute and concurrent_executions.';

-- usage; Type: TABLE; Schema: public
CREATE TABLE public.usage (
    tenant_id uuid NOT NULL,
    id uuid DEFAULT aias.uuid7() NOT NULL,
    idempotency_key text NOT NULL,
    execution_id uuid,
    node_id text,
    agent_id uuid,
    provider text NOT NULL,
    model text NOT NULL,
    input_tokens bigint DEFAULT 0 NOT NULL,
    cached_input_tokens bigint DEFAULT 0 NOT NULL,
    output_tokens bigint DEFAULT 0 NOT NULL,
    reasoning_tokens bigint DEFAULT 0 NOT NULL,
    cost_usd numeric(18,9),
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT usage_is_not_negative CHECK ((LEAST(input_tokens, cached_input_tokens, output_tokens, reasoning_tokens) >= 0))
);

-- TABLE usage; Type: COMMENT; Schema: public
COMMENT ON TABLE public.usage IS 'One row per LLM call, under a key that a replay repeats: nothing is billed twice.';

-- COLUMN usage.cost_usd; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.usage.cost_usd IS 'List price; null when the model has no price.';

-- users; Type: TABLE; Schema: public
CREATE TABLE public.users (
    id uuid NOT NULL,
    email text NOT NULL,
    name text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL
);

-- TABLE users; Type: COMMENT; Schema: public
COMMENT ON TABLE public.users IS 'Profile of a person who can sign in. Made and kept by triggers on auth.users.';

-- workflow_versions; Type: TABLE; Schema: public
CREATE TABLE public.workflow_versions (
    tenant_id uuid NOT NULL,
    workflow_id uuid NOT NULL,
    version integer NOT NULL,
    nodes jsonb NOT NULL,
    connections jsonb NOT NULL,
    plan jsonb NOT NULL,
    created_by uuid,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT version_is_positive CHECK ((version > 0))
);

-- TABLE workflow_versions; Type: COMMENT; Schema: public
COMMENT ON TABLE public.workflow_versions IS 'What was published, never changed afterwards. Executions run one of these.';

-- COLUMN workflow_versions.plan; Type: COMMENT; Schema: public
COMMENT ON COLUMN public.workflow_versions.plan IS 'The graph as a worker runs it, made by aias.workflow_plan.';

-- jobs; Type: TABLE; Schema: queue
CREATE TABLE queue.jobs (
    tenant_id uuid NOT NULL,
    execution_id uuid NOT NULL,
    run_at timestamp with time zone DEFAULT now() NOT NULL,
    fencing_token bigint DEFAULT 0 NOT NULL,
    claimed_by text,
    claims_without_progress smallint DEFAULT 0 NOT NULL
)
WITH (fillfactor='70', autovacuum_vacuum_scale_factor='0.02', autovacuum_vacuum_threshold='1000');

-- TABLE jobs; Type: COMMENT; Schema: queue
COMMENT ON TABLE queue.jobs IS 'An execution that is not finished. Rows leave when it is.';

-- COLUMN jobs.run_at; Type: COMMENT; Schema: queue
COMMENT ON COLUMN queue.jobs.run_at IS 'May be claimed from this time on: queued, the end of a timer, or the end of the holder''s lease.';

-- COLUMN jobs.fencing_token; Type: COMMENT; Schema: queue
COMMENT ON COLUMN queue.jobs.fencing_token IS 'Raised by every claim; a result that carries an older one is refused.';

-- COLUMN jobs.claims_without_progress; Type: COMMENT; Schema: queue
COMMENT ON COLUMN queue.jobs.claims_without_progress IS 'Claims since a result was last recorded; too many mean that it kills its workers.';

-- users users_phone_key; Type: CONSTRAINT; Schema: auth
ALTER TABLE ONLY auth.users
    ADD CONSTRAINT users_phone_key UNIQUE (phone);

-- users users_pkey; Type: CONSTRAINT; Schema: auth
ALTER TABLE ONLY auth.users
    ADD CONSTRAINT users_pkey PRIMARY KEY (id);

-- built_in_roles built_in_roles_pkey; Type: CONSTRAINT; Schema: private
ALTER TABLE ONLY private.built_in_roles
    ADD CONSTRAINT built_in_roles_pkey PRIMARY KEY (key);

-- llm_prices llm_prices_pkey; Type: CONSTRAINT; Schema: private
ALTER TABLE ONLY private.llm_prices
    ADD CONSTRAINT llm_prices_pkey PRIMARY KEY (provider, model, valid_from);

-- meters meters_pkey; Type: CONSTRAINT; Schema: private
ALTER TABLE ONLY private.meters
    ADD CONSTRAINT meters_pkey PRIMARY KEY (key);

-- ai_agents agent_slug_is_unique; Type: CONSTRAINT; Schema: public
ALTER TABLE ONLY public.ai_agents
    ADD CONSTRAINT agent_slug_is_unique UNIQUE (tenant_id, slug);

-- ai_agents ai_agents_pkey; Type: CONSTRAINT; Schema: public
ALTER TABLE ONLY public.ai_agents
    ADD CONSTRAINT ai_agents_pkey PRIMARY KEY (tenant_id, id);

-- executions execution_idempotency_key_is_unique; Type: CONSTRAINT; Schema: public
ALTER TABLE ONLY public.executions
    ADD CONSTRAINT execution_idempotency_key_is_unique UNIQUE (tenant_id, workflow_id, idempotency_key);

-- execution_steps execution_steps_pkey; Type: CONSTRAINT; Schema: public
ALTER TABLE ONLY public.execution_steps
    ADD CONSTRAINT execution_steps_pkey PRIMARY KEY (tenant_id, execution_id, node_id);

-- executions executions_pkey; Type: CONSTRAINT; Schema: public
ALTER TABLE ONLY public.executions
    ADD CONSTRAINT executions_pkey PRIMARY KEY (tenant_id, id);

-- memberships memberships_pkey; Type: CONSTRAINT; Schema: public
ALTER TABLE ONLY public.memberships
    ADD CONSTRAINT memberships_pkey PRIMARY KEY (tenant_id, user_id);

-- permissions permissions_pkey; Type: CONSTRAINT; Schema: public
ALTER TABLE ONLY public.permissions
    ADD CONSTRAINT permissions_pkey PRIMARY KEY (key);

-- subscription_plans plan_key_is_unique; Type: CONSTRAINT; Schema: public
ALTER TABLE ONLY public.subscription_plans
    ADD CONSTRAINT plan_key_is_unique UNIQUE (key);

-- roles roles_pkey; Type: CONSTRAINT; Schema: public
ALTER TABLE ONLY public.roles
    ADD CONSTRAINT roles_pkey PRIMARY KEY (tenant_id, key);

-- subscription_plans subscription_plans_pkey; Type: CONSTRAINT; Schema: public
ALTER TABLE ONLY public.subscription_plans
    ADD CONSTRAINT subscription_plans_pkey PRIMARY KEY (id);

-- tenants tenant_subdomain_is_unique; Type: CONSTRAINT; Schema: public
ALTER TABLE ONLY public.tenants
    ADD CONSTRAINT tenant_subdomain_is_unique UNIQUE (subdomain);

-- tenants tenants_pkey; Type: CONSTRAINT; Schema: public
ALTER TABLE ONLY public.tenants
    ADD CONSTRAINT tenants_pkey PRIMARY KEY (id);

-- usage usage_is_counted_once; Type: CONSTRAINT; Schema: public
ALTER TABLE ONLY public.usage
    ADD CONSTRAINT usage_is_counted_once UNIQUE (tenant_id, idempotency_key);

-- usage usage_pkey; Type: CONSTRAINT; Schema: public
ALTER TABLE ONLY public.usage
    ADD CONSTRAINT usage_pkey PRIMARY KEY (tenant_id, id);

-- users users_pkey; Type: CONSTRAINT; Schema: public
ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_pkey PRIMARY KEY (id);

-- workflow_versions workflow_versions_pkey; Type: CONSTRAINT; Schema: public
ALTER TABLE ONLY public.workflow_versions
    ADD CONSTRAINT workflow_versions_pkey PRIMARY KEY (tenant_id, workflow_id, version);

-- workflows workflows_pkey; Type: CONSTRAINT; Schema: public
ALTER TABLE ONLY public.workflows
    ADD CONSTRAINT workflows_pkey PRIMARY KEY (tenant_id, id);

-- jobs jobs_pkey; Type: CONSTRAINT; Schema: queue
ALTER TABLE ONLY queue.jobs
    ADD CONSTRAINT jobs_pkey PRIMARY KEY (tenant_id, execution_id);

-- users_email_partial_key; Type: INDEX; Schema: auth
CREATE UNIQUE INDEX users_email_partial_key ON auth.users USING btree (email) WHERE (is_sso_user = false);

-- ai_agents_created_by; Type: INDEX; Schema: public
CREATE INDEX ai_agents_created_by ON public.ai_agents USING btree (created_by);

-- execution_steps_revision; Type: INDEX; Schema: public
CREATE INDEX execution_steps_revision ON public.execution_steps USING btree (tenant_id, execution_id, revision);

-- executions_started_by; Type: INDEX; Schema: public
CREATE INDEX executions_started_by ON public.executions USING btree (started_by);

-- executions_workflow; Type: INDEX; Schema: public
CREATE INDEX executions_workflow ON public.executions USING btree (tenant_id, workflow_id, workflow_version);

-- memberships_tenant_id_role; Type: INDEX; Schema: public
CREATE INDEX memberships_tenant_id_role ON public.memberships USING btree (tenant_id, role);

-- memberships_user_id; Type: INDEX; Schema: public
CREATE INDEX memberships_user_id ON public.memberships USING btree (user_id) INCLUDE (tenant_id, role);

-- tenants_plan_id; Type: INDEX; Schema: public
CREATE INDEX tenants_plan_id ON public.tenants USING btree (plan_id);

-- usage_execution; Type: INDEX; Schema: public
CREATE INDEX usage_execution ON public.usage USING btree (tenant_id, execution_id);

-- workflow_versions_created_by; Type: INDEX; Schema: public
CREATE INDEX workflow_versions_created_by ON public.workflow_versions USING btree (created_by);

-- workflows_created_by; Type: INDEX; Schema: public
CREATE INDEX workflows_created_by ON public.workflows USING btree (created_by);

-- jobs_run_at; Type: INDEX; Schema: queue
CREATE INDEX jobs_run_at ON queue.jobs USING btree (run_at);

-- users aias_100_sync_profile; Type: TRIGGER; Schema: auth
CREATE TRIGGER aias_100_sync_profile AFTER INSERT OR UPDATE OF email ON auth.users FOR EACH ROW EXECUTE FUNCTION private.sync_profile();

-- ai_agents _050_keep_columns; Type: TRIGGER; Schema: public
CREATE TRIGGER _050_keep_columns BEFORE UPDATE ON public.ai_agents FOR EACH ROW EXECUTE FUNCTION private.keep_columns('created_by', 'created_at');

-- tenants _050_keep_columns; Type: TRIGGER; Schema: public
CREATE TRIGGER _050_keep_columns BEFORE UPDATE ON public.tenants FOR EACH ROW EXECUTE FUNCTION private.keep_columns('id', 'plan_id', 'status', 'features', 'limit_overrides', 'billing_anchor', 'created_at');

-- users _050_keep_columns; Type: TRIGGER; Schema: public
CREATE TRIGGER _050_keep_columns BEFORE UPDATE ON public.users FOR EACH ROW EXECUTE FUNCTION private.keep_columns('id', 'email', 'created_at');

-- workflows _050_keep_columns; Type: TRIGGER; Schema: public
CREATE TRIGGER _050_keep_columns BEFORE UPDATE ON public.workflows FOR EACH ROW EXECUTE FUNCTION private.keep_columns('created_by', 'created_at');

-- ai_agents _050_stamp_author; Type: TRIGGER; Schema: public
CREATE TRIGGER _050_stamp_author BEFORE INSERT ON public.ai_agents FOR EACH ROW EXECUTE FUNCTION private.stamp_author();

-- workflows _050_stamp_author; Type: TRIGGER; Schema: public
CREATE TRIGGER _050_stamp_author BEFORE INSERT ON public.workflows FOR EACH ROW EXECUTE FUNCTION private.stamp_author();

-- ai_agents _060_keep_identity; Type: TRIGGER; Schema: public
CREATE TRIGGER _060_keep_identity BEFORE UPDATE ON public.ai_agents FOR EACH ROW WHEN (((new.tenant_id IS DISTINCT FROM old.tenant_id) OR (new.id IS DISTINCT FROM old.id))) EXECUTE FUNCTION private.keep_identity();

-- memberships _060_keep_identity; Type: TRIGGER; Schema: public
CREATE TRIGGER _060_keep_identity BEFORE UPDATE ON public.memberships FOR EACH ROW WHEN (((new.tenant_id IS DISTINCT FROM old.tenant_id) OR (new.user_id IS DISTINCT FROM old.user_id))) EXECUTE FUNCTION private.keep_identity();

-- workflows _060_keep_identity; Type: TRIGGER; Schema: public
CREATE TRIGGER _060_keep_identity BEFORE UPDATE ON public.workflows FOR EACH ROW WHEN (((new.tenant_id IS DISTINCT FROM old.tenant_id) OR (new.id IS DISTINCT FROM old.id))) EXECUTE FUNCTION private.keep_identity();

-- workflows _100_check; Type: TRIGGER; Schema: public
CREATE TRIGGER _100_check BEFORE INSERT OR UPDATE ON public.workflows FOR EACH ROW EXECUTE FUNCTION private.check_workflow();

-- execution_steps _100_keep_final; Type: TRIGGER; Schema: public
CREATE TRIGGER _100_keep_final BEFORE UPDATE ON public.execution_steps FOR EACH ROW EXECUTE FUNCTION private.keep_final_step();

-- subscription_plans _100_sync_limits; Type: TRIGGER; Schema: public
CREATE TRIGGER _100_sync_limits AFTER UPDATE OF limits ON public.subscription_plans FOR EACH ROW WHEN ((old.limits IS DISTINCT FROM new.limits)) EXECUTE FUNCTION private.sync_plan_limits();

-- tenants _100_sync_limits; Type: TRIGGER; Schema: public
CREATE TRIGGER _100_sync_limits AFTER INSERT OR UPDATE OF plan_id, limit_overrides, billing_anchor ON public.tenants FOR EACH ROW EXECUTE FUNCTION private.sync_tenant_limits();

-- memberships _200_empty_stock; Type: TRIGGER; Schema: public
CREATE TRIGGER _200_empty_stock AFTER TRUNCATE ON public.memberships FOR EACH STATEMENT EXECUTE FUNCTION private.empty_stock('users');

-- memberships _200_give_stock_back; Type: TRIGGER; Schema: public
CREATE TRIGGER _200_give_stock_back AFTER DELETE ON public.memberships REFERENCING OLD TABLE AS deleted FOR EACH STATEMENT EXECUTE FUNCTION private.give_stock_back('users');

-- workflows _200_publish; Type: TRIGGER; Schema: public
CREATE TRIGGER _200_publish AFTER UPDATE ON public.workflows FOR EACH ROW WHEN ((new.version <> old.version)) EXECUTE FUNCTION private.publish_workflow();

-- workflows _200_publish_new; Type: TRIGGER; Schema: public
CREATE TRIGGER _200_publish_new AFTER INSERT ON public.workflows FOR EACH ROW WHEN ((new.version > 0)) EXECUTE FUNCTION private.publish_workflow();

-- memberships _200_take_stock; Type: TRIGGER; Schema: public
CREATE TRIGGER _200_take_stock AFTER INSERT ON public.memberships REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION private.take_stock('users');

-- workflows _300_empty_stock; Type: TRIGGER; Schema: public
CREATE TRIGGER _300_empty_stock AFTER TRUNCATE ON public.workflows FOR EACH STATEMENT EXECUTE FUNCTION private.empty_stock('workflows');

-- workflows _300_give_stock_back; Type: TRIGGER; Schema: public
CREATE TRIGGER _300_give_stock_back AFTER DELETE ON public.workflows REFERENCING OLD TABLE AS deleted FOR EACH STATEMENT EXECUTE FUNCTION private.give_stock_back('workflows');

-- workflows _300_take_stock; Type: TRIGGER; Schema: public
CREATE TRIGGER _300_take_stock AFTER INSERT ON public.workflows REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION private.take_stock('workflows');

-- tenants _900_forget_all_quotas; Type: TRIGGER; Schema: public
CREATE TRIGGER _900_forget_all_quotas AFTER TRUNCATE ON public.tenants FOR EACH STATEMENT EXECUTE FUNCTION private.forget_all_quotas();

-- tenants _900_forget_quotas; Type: TRIGGER; Schema: public
CREATE TRIGGER _900_forget_quotas AFTER DELETE ON public.tenants FOR EACH ROW EXECUTE FUNCTION private.forget_quotas();

-- ai_agents _900_touch; Type: TRIGGER; Schema: public
CREATE TRIGGER _900_touch BEFORE UPDATE ON public.ai_agents FOR EACH ROW EXECUTE FUNCTION private.touch_updated_at();

-- tenants _900_touch; Type: TRIGGER; Schema: public
CREATE TRIGGER _900_touch BEFORE UPDATE ON public.tenants FOR EACH ROW EXECUTE FUNCTION private.touch_updated_at();

-- users _900_touch; Type: TRIGGER; Schema: public
CREATE TRIGGER _900_touch BEFORE UPDATE ON public.users FOR EACH ROW EXECUTE FUNCTION private.touch_updated_at();

-- workflows _900_touch; Type: TRIGGER; Schema: public
CREATE TRIGGER _900_touch BEFORE UPDATE ON public.workflows FOR EACH ROW EXECUTE FUNCTION private.touch_updated_at();

-- ai_agents ai_agents_created_by_fkey; Type: FK CONSTRAINT; Schema: public
ALTER TABLE ONLY public.ai_agents
    ADD CONSTRAINT ai_agents_created_by_fkey FOREIGN KEY (created_by) REFERENCES public.users(id) ON DELETE SET NULL;

-- ai_agents ai_agents_tenant_id_fkey; Type: FK CONSTRAINT; Schema: public
ALTER TABLE ONLY public.ai_agents
    ADD CONSTRAINT ai_agents_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

-- executions execution_runs_a_published_version; Type: FK CONSTRAINT; Schema: public
ALTER TABLE ONLY public.executions
    ADD CONSTRAINT execution_runs_a_published_version FOREIGN KEY (tenant_id, workflow_id, workflow_version) REFERENCES public.workflow_versions(tenant_id, workflow_id, version) ON DELETE CASCADE;

-- executions executions_started_by_fkey; Type: FK CONSTRAINT; Schema: public
ALTER TABLE ONLY public.executions
    ADD CONSTRAINT executions_started_by_fkey FOREIGN KEY (started_by) REFERENCES public.users(id) ON DELETE SET NULL;

-- executions executions_tenant_id_fkey; Type: FK CONSTRAINT; Schema: public
ALTER TABLE ONLY public.executions
    ADD CONSTRAINT executions_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

-- memberships membership_role_exists; Type: FK CONSTRAINT; Schema: public
ALTER TABLE ONLY public.memberships
    ADD CONSTRAINT membership_role_exists FOREIGN KEY (tenant_id, role) REFERENCES public.roles(tenant_id, key);

-- memberships memberships_tenant_id_fkey; Type: FK CONSTRAINT; Schema: public
ALTER TABLE ONLY public.memberships
    ADD CONSTRAINT memberships_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

-- memberships memberships_user_id_fkey; Type: FK CONSTRAINT; Schema: public
ALTER TABLE ONLY public.memberships
    ADD CONSTRAINT memberships_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

-- roles roles_tenant_id_fkey; Type: FK CONSTRAINT; Schema: public
ALTER TABLE ONLY public.roles
    ADD CONSTRAINT roles_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

-- execution_steps step_belongs_to_an_execution; Type: FK CONSTRAINT; Schema: public
ALTER TABLE ONLY public.execution_steps
    ADD CONSTRAINT step_belongs_to_an_execution FOREIGN KEY (tenant_id, execution_id) REFERENCES public.executions(tenant_id, id) ON DELETE CASCADE;

-- tenants tenants_plan_id_fkey; Type: FK CONSTRAINT; Schema: public
ALTER TABLE ONLY public.tenants
    ADD CONSTRAINT tenants_plan_id_fkey FOREIGN KEY (plan_id) REFERENCES public.subscription_plans(id);

-- usage usage_tenant_id_fkey; Type: FK CONSTRAINT; Schema: public
ALTER TABLE ONLY public.usage
    ADD CONSTRAINT usage_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

-- users users_id_fkey; Type: FK CONSTRAINT; Schema: public
ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_id_fkey FOREIGN KEY (id) REFERENCES auth.users(id) ON DELETE CASCADE;

-- workflow_versions version_belongs_to_a_workflow; Type: FK CONSTRAINT; Schema: public
ALTER TABLE ONLY public.workflow_versions
    ADD CONSTRAINT version_belongs_to_a_workflow FOREIGN KEY (tenant_id, workflow_id) REFERENCES public.workflows(tenant_id, id) ON DELETE CASCADE;

-- workflow_versions workflow_versions_created_by_fkey; Type: FK CONSTRAINT; Schema: public
ALTER TABLE ONLY public.workflow_versions
    ADD CONSTRAINT workflow_versions_created_by_fkey FOREIGN KEY (created_by) REFERENCES public.users(id) ON DELETE SET NULL;

-- workflows workflows_created_by_fkey; Type: FK CONSTRAINT; Schema: public
ALTER TABLE ONLY public.workflows
    ADD CONSTRAINT workflows_created_by_fkey FOREIGN KEY (created_by) REFERENCES public.users(id) ON DELETE SET NULL;

-- workflows workflows_tenant_id_fkey; Type: FK CONSTRAINT; Schema: public
ALTER TABLE ONLY public.workflows
    ADD CONSTRAINT workflows_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

-- jobs job_belongs_to_an_execution; Type: FK CONSTRAINT; Schema: queue
ALTER TABLE ONLY queue.jobs
    ADD CONSTRAINT job_belongs_to_an_execution FOREIGN KEY (tenant_id, execution_id) REFERENCES public.executions(tenant_id, id) ON DELETE CASCADE;

-- built_in_roles; Type: ROW SECURITY; Schema: private
ALTER TABLE private.built_in_roles ENABLE ROW LEVEL SECURITY;

-- llm_prices; Type: ROW SECURITY; Schema: private
ALTER TABLE private.llm_prices ENABLE ROW LEVEL SECURITY;

-- meters; Type: ROW SECURITY; Schema: private
ALTER TABLE private.meters ENABLE ROW LEVEL SECURITY;

-- ai_agents; Type: ROW SECURITY; Schema: public
ALTER TABLE public.ai_agents ENABLE ROW LEVEL SECURITY;

-- subscription_plans anyone reads the plans; Type: POLICY; Schema: public
CREATE POLICY "anyone reads the plans" ON public.subscription_plans FOR SELECT TO anon, authenticated USING (true);

-- execution_steps; Type: ROW SECURITY; Schema: public
ALTER TABLE public.execution_steps ENABLE ROW LEVEL SECURITY;

-- executions; Type: ROW SECURITY; Schema: public
ALTER TABLE public.executions ENABLE ROW LEVEL SECURITY;

-- roles members read the roles of their tenants; Type: POLICY; Schema: public
CREATE POLICY "members read the roles of their tenants" ON public.roles FOR SELECT TO authenticated USING ((tenant_id = ANY (ARRAY( SELECT private.own_tenants() AS own_tenants))));

-- memberships members read their own and their fellows' memberships; Type: POLICY; Schema: public
CREATE POLICY "members read their own and their fellows' memberships" ON public.memberships FOR SELECT TO authenticated USING (((user_id = ( SELECT auth.uid() AS uid)) OR (tenant_id = ANY (ARRAY( SELECT private.tenants_with('members.read'::text) AS tenants_with)))));

-- tenants members read their tenants; Type: POLICY; Schema: public
CREATE POLICY "members read their tenants" ON public.tenants FOR SELECT TO authenticated USING ((id = ANY (ARRAY( SELECT private.own_tenants() AS own_tenants))));

-- ai_agents members with agents.read read agents; Type: POLICY; Schema: public
CREATE POLICY "members with agents.read read agents" ON public.ai_agents FOR SELECT TO authenticated USING ((tenant_id = ANY (ARRAY( SELECT private.tenants_with('agents.read'::text) AS tenants_with))));

-- ai_agents members with agents.write change agents; Type: POLICY; Schema: public
CREATE POLICY "members with agents.write change agents" ON public.ai_agents FOR UPDATE TO authenticated USING ((tenant_id = ANY (ARRAY( SELECT private.tenants_with('agents.write'::text) AS tenants_with)))) WITH CHECK ((tenant_id = ANY (ARRAY( SELECT private.tenants_with('agents.write'::text) AS tenants_with))));

-- ai_agents members with agents.write delete agents; Type: POLICY; Schema: public
CREATE POLICY "members with agents.write delete agents" ON public.ai_agents FOR DELETE TO authenticated USING ((tenant_id = ANY (ARRAY( SELECT private.tenants_with('agents.write'::text) AS tenants_with))));

-- ai_agents members with agents.write make agents; Type: POLICY; Schema: public
CREATE POLICY "members with agents.write make agents" ON public.ai_agents FOR INSERT TO authenticated WITH CHECK ((tenant_id = ANY (ARRAY( SELECT private.tenants_with('agents.write'::text) AS tenants_with))));

-- executions members with executions.read read executions; Type: POLICY; Schema: public
CREATE POLICY "members with executions.read read executions" ON public.executions FOR SELECT TO authenticated USING ((tenant_id = ANY (ARRAY( SELECT private.tenants_with('executions.read'::text) AS tenants_with))));

-- execution_steps members with executions.read read steps; Type: POLICY; Schema: public
CREATE POLICY "members with executions.read read steps" ON public.execution_steps FOR SELECT TO authenticated USING ((tenant_id = ANY (ARRAY( SELECT private.tenants_with('executions.read'::text) AS tenants_with))));

-- usage members with usage.read read usage; Type: POLICY; Schema: public
CREATE POLICY "members with usage.read read usage" ON public.usage FOR SELECT TO authenticated USING ((tenant_id = ANY (ARRAY( SELECT private.tenants_with('usage.read'::text) AS tenants_with))));

-- workflow_versions members with workflows.read read published versions; Type: POLICY; Schema: public
CREATE POLICY "members with workflows.read read published versions" ON public.workflow_versions FOR SELECT TO authenticated USING ((tenant_id = ANY (ARRAY( SELECT private.tenants_with('workflows.read'::text) AS tenants_with))));

-- workflows members with workflows.read read workflows; Type: POLICY; Schema: public
CREATE POLICY "members with workflows.read read workflows" ON public.workflows FOR SELECT TO authenticated USING ((tenant_id = ANY (ARRAY( SELECT private.tenants_with('workflows.read'::text) AS tenants_with))));

-- workflows members with workflows.write change workflows; Type: POLICY; Schema: public
CREATE POLICY "members with workflows.write change workflows" ON public.workflows FOR UPDATE TO authenticated USING ((tenant_id = ANY (ARRAY( SELECT private.tenants_with('workflows.write'::text) AS tenants_with)))) WITH CHECK ((tenant_id = ANY (ARRAY( SELECT private.tenants_with('workflows.write'::text) AS tenants_with))));

-- workflows members with workflows.write delete workflows; Type: POLICY; Schema: public
CREATE POLICY "members with workflows.write delete workflows" ON public.workflows FOR DELETE TO authenticated USING ((tenant_id = ANY (ARRAY( SELECT private.tenants_with('workflows.write'::text) AS tenants_with))));

-- workflows members with workflows.write make workflows; Type: POLICY; Schema: public
CREATE POLICY "members with workflows.write make workflows" ON public.workflows FOR INSERT TO authenticated WITH CHECK ((tenant_id = ANY (ARRAY( SELECT private.tenants_with('workflows.write'::text) AS tenants_with))));

-- memberships; Type: ROW SECURITY; Schema: public
ALTER TABLE public.memberships ENABLE ROW LEVEL SECURITY;

-- users people change their own profile; Type: POLICY; Schema: public
CREATE POLICY "people change their own profile" ON public.users FOR UPDATE TO authenticated USING ((id = ( SELECT auth.uid() AS uid))) WITH CHECK ((id = ( SELECT auth.uid() AS uid)));

-- users people read themselves and their fellow members; Type: POLICY; Schema: public
CREATE POLICY "people read themselves and their fellow members" ON public.users FOR SELECT TO authenticated USING (((id = ( SELECT auth.uid() AS uid)) OR (id = ANY (ARRAY( SELECT m.user_id
   FROM public.memberships m
  WHERE (m.tenant_id = ANY (ARRAY( SELECT private.tenants_with('members.read'::text) AS tenants_with))))))));

-- permissions; Type: ROW SECURITY; Schema: public
ALTER TABLE public.permissions ENABLE ROW LEVEL SECURITY;

-- roles; Type: ROW SECURITY; Schema: public
ALTER TABLE public.roles ENABLE ROW LEVEL SECURITY;

-- permissions signed-in people read the permissions; Type: POLICY; Schema: public
CREATE POLICY "signed-in people read the permissions" ON public.permissions FOR SELECT TO authenticated USING (true);

-- subscription_plans; Type: ROW SECURITY; Schema: public
ALTER TABLE public.subscription_plans ENABLE ROW LEVEL SECURITY;

-- tenants; Type: ROW SECURITY; Schema: public
ALTER TABLE public.tenants ENABLE ROW LEVEL SECURITY;

-- tenants those who manage a tenant change it; Type: POLICY; Schema: public
CREATE POLICY "those who manage a tenant change it" ON public.tenants FOR UPDATE TO authenticated USING ((id = ANY (ARRAY( SELECT private.tenants_with('tenant.manage'::text) AS tenants_with)))) WITH CHECK ((id = ANY (ARRAY( SELECT private.tenants_with('tenant.manage'::text) AS tenants_with))));

-- usage; Type: ROW SECURITY; Schema: public
ALTER TABLE public.usage ENABLE ROW LEVEL SECURITY;

-- users; Type: ROW SECURITY; Schema: public
ALTER TABLE public.users ENABLE ROW LEVEL SECURITY;

-- workflow_versions; Type: ROW SECURITY; Schema: public
ALTER TABLE public.workflow_versions ENABLE ROW LEVEL SECURITY;

-- workflows; Type: ROW SECURITY; Schema: public
ALTER TABLE public.workflows ENABLE ROW LEVEL SECURITY;

-- jobs; Type: ROW SECURITY; Schema: queue
ALTER TABLE queue.jobs ENABLE ROW LEVEL SECURITY;

-- SCHEMA aias; Type: ACL; Schema: -
GRANT USAGE ON SCHEMA aias TO authenticated;

-- SCHEMA auth; Type: ACL; Schema: -
GRANT USAGE ON SCHEMA auth TO anon;
GRANT USAGE ON SCHEMA auth TO authenticated;
GRANT USAGE ON SCHEMA auth TO service_role;

-- SCHEMA private; Type: ACL; Schema: -
GRANT USAGE ON SCHEMA private TO authenticated;

-- SCHEMA public; Type: ACL; Schema: -
GRANT USAGE ON SCHEMA public TO anon;
GRANT USAGE ON SCHEMA public TO authenticated;
GRANT USAGE ON SCHEMA public TO service_role;

-- SCHEMA queue; Type: ACL; Schema: -
GRANT USAGE ON SCHEMA queue TO aias_worker;

-- FUNCTION uuid7(); Type: ACL; Schema: aias
GRANT ALL ON FUNCTION aias.uuid7() TO authenticated;

-- FUNCTION workflow_is_valid(nodes jsonb, connections jsonb); Type: ACL; Schema: aias
GRANT ALL ON FUNCTION aias.workflow_is_valid(nodes jsonb, connections jsonb) TO authenticated;

-- FUNCTION workflow_problems(nodes jsonb, connections jsonb); Type: ACL; Schema: aias
GRANT ALL ON FUNCTION aias.workflow_problems(nodes jsonb, connections jsonb) TO authenticated;

-- FUNCTION jwt(); Type: ACL; Schema: auth
REVOKE ALL ON FUNCTION auth.jwt() FROM PUBLIC;
GRANT ALL ON FUNCTION auth.jwt() TO anon;
GRANT ALL ON FUNCTION auth.jwt() TO authenticated;
GRANT ALL ON FUNCTION auth.jwt() TO service_role;

-- FUNCTION email(); Type: ACL; Schema: auth
REVOKE ALL ON FUNCTION auth.email() FROM PUBLIC;
GRANT ALL ON FUNCTION auth.email() TO anon;
GRANT ALL ON FUNCTION auth.email() TO authenticated;
GRANT ALL ON FUNCTION auth.email() TO service_role;

-- FUNCTION role(); Type: ACL; Schema: auth
REVOKE ALL ON FUNCTION auth.role() FROM PUBLIC;
GRANT ALL ON FUNCTION auth.role() TO anon;
GRANT ALL ON FUNCTION auth.role() TO authenticated;
GRANT ALL ON FUNCTION auth.role() TO service_role;

-- FUNCTION uid(); Type: ACL; Schema: auth
REVOKE ALL ON FUNCTION auth.uid() FROM PUBLIC;
GRANT ALL ON FUNCTION auth.uid() TO anon;
GRANT ALL ON FUNCTION auth.uid() TO authenticated;
GRANT ALL ON FUNCTION auth.uid() TO service_role;

-- TABLE executions; Type: ACL; Schema: public
GRANT SELECT ON TABLE public.executions TO authenticated;

-- FUNCTION cancel_execution(wanted_execution uuid); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.cancel_execution(wanted_execution uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION private.cancel_execution(wanted_execution uuid) TO authenticated;

-- FUNCTION charge_storage(tenant uuid, bytes bigint); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.charge_storage(tenant uuid, bytes bigint) FROM PUBLIC;

-- FUNCTION check_workflow(); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.check_workflow() FROM PUBLIC;

-- FUNCTION close_table(closed regclass); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.close_table(closed regclass) FROM PUBLIC;

-- FUNCTION count_request(tenant uuid); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.count_request(tenant uuid) FROM PUBLIC;

-- FUNCTION count_storage(); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.count_storage() FROM PUBLIC;

-- TABLE tenants; Type: ACL; Schema: public
GRANT SELECT ON TABLE public.tenants TO authenticated;

-- COLUMN tenants.name; Type: ACL; Schema: public
GRANT UPDATE(name) ON TABLE public.tenants TO authenticated;

-- COLUMN tenants.subdomain; Type: ACL; Schema: public
GRANT UPDATE(subdomain) ON TABLE public.tenants TO authenticated;

-- FUNCTION create_tenant(wanted_name text, wanted_subdomain text); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.create_tenant(wanted_name text, wanted_subdomain text) FROM PUBLIC;
GRANT ALL ON FUNCTION private.create_tenant(wanted_name text, wanted_subdomain text) TO authenticated;

-- FUNCTION empty_stock(); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.empty_stock() FROM PUBLIC;

-- FUNCTION forget_all_quotas(); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.forget_all_quotas() FROM PUBLIC;

-- FUNCTION forget_quotas(); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.forget_quotas() FROM PUBLIC;

-- FUNCTION give_stock_back(); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.give_stock_back() FROM PUBLIC;

-- FUNCTION keep_columns(); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.keep_columns() FROM PUBLIC;

-- FUNCTION keep_final_step(); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.keep_final_step() FROM PUBLIC;

-- FUNCTION keep_identity(); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.keep_identity() FROM PUBLIC;

-- FUNCTION limit_of(tenant uuid, meter text); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.limit_of(tenant uuid, meter text) FROM PUBLIC;

-- FUNCTION llm_cost_usd(llm_provider text, llm_model text, at timestamp with time zone, input bigint, cached bigint, output bigint); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.llm_cost_usd(llm_provider text, llm_model text, at timestamp with time zone, input bigint, cached bigint, output bigint) FROM PUBLIC;

-- FUNCTION own_tenants(); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.own_tenants() FROM PUBLIC;
GRANT ALL ON FUNCTION private.own_tenants() TO authenticated;

-- FUNCTION publish_workflow(); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.publish_workflow() FROM PUBLIC;

-- FUNCTION quota_audit(); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.quota_audit() FROM PUBLIC;

-- FUNCTION quota_status(tenant uuid); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.quota_status(tenant uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION private.quota_status(tenant uuid) TO authenticated;

-- FUNCTION refuse(status integer, code text, message text, details text, hint text, headers jsonb); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.refuse(status integer, code text, message text, details text, hint text, headers jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION private.refuse(status integer, code text, message text, details text, hint text, headers jsonb) TO authenticated;

-- FUNCTION size_of_object(metadata jsonb); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.size_of_object(metadata jsonb) FROM PUBLIC;

-- FUNCTION stamp_author(); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.stamp_author() FROM PUBLIC;

-- FUNCTION start_execution(wanted_workflow uuid, execution_input jsonb, key text); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.start_execution(wanted_workflow uuid, execution_input jsonb, key text) FROM PUBLIC;
GRANT ALL ON FUNCTION private.start_execution(wanted_workflow uuid, execution_input jsonb, key text) TO authenticated;

-- FUNCTION stored_bytes(); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.stored_bytes() FROM PUBLIC;

-- FUNCTION sync_limits(tenant public.tenants); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.sync_limits(tenant public.tenants) FROM PUBLIC;

-- FUNCTION sync_plan_limits(); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.sync_plan_limits() FROM PUBLIC;

-- FUNCTION sync_profile(); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.sync_profile() FROM PUBLIC;

-- FUNCTION sync_tenant_limits(); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.sync_tenant_limits() FROM PUBLIC;

-- FUNCTION take_stock(); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.take_stock() FROM PUBLIC;

-- FUNCTION tenant_of_object(name text); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.tenant_of_object(name text) FROM PUBLIC;

-- FUNCTION tenants_with(permission text); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.tenants_with(permission text) FROM PUBLIC;
GRANT ALL ON FUNCTION private.tenants_with(permission text) TO authenticated;

-- FUNCTION touch_updated_at(); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.touch_updated_at() FROM PUBLIC;

-- FUNCTION watch_storage(); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.watch_storage() FROM PUBLIC;

-- FUNCTION workflow_problems(tenant uuid, nodes jsonb, connections jsonb); Type: ACL; Schema: private
REVOKE ALL ON FUNCTION private.workflow_problems(tenant uuid, nodes jsonb, connections jsonb) FROM PUBLIC;

-- TABLE workflows; Type: ACL; Schema: public
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.workflows TO authenticated;

-- FUNCTION activate_workflow(workflow_id uuid); Type: ACL; Schema: public
REVOKE ALL ON FUNCTION public.activate_workflow(workflow_id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION public.activate_workflow(workflow_id uuid) TO authenticated;

-- FUNCTION cancel_execution(execution_id uuid); Type: ACL; Schema: public
REVOKE ALL ON FUNCTION public.cancel_execution(execution_id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION public.cancel_execution(execution_id uuid) TO authenticated;

-- FUNCTION create_tenant(name text, subdomain text); Type: ACL; Schema: public
REVOKE ALL ON FUNCTION public.create_tenant(name text, subdomain text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.create_tenant(name text, subdomain text) TO authenticated;

-- FUNCTION quota_status(tenant_id uuid); Type: ACL; Schema: public
REVOKE ALL ON FUNCTION public.quota_status(tenant_id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION public.quota_status(tenant_id uuid) TO authenticated;

-- FUNCTION start_execution(workflow_id uuid, input jsonb, idempotency_key text); Type: ACL; Schema: public
REVOKE ALL ON FUNCTION public.start_execution(workflow_id uuid, input jsonb, idempotency_key text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.start_execution(workflow_id uuid, input jsonb, idempotency_key text) TO authenticated;

-- FUNCTION workflow_problems(nodes jsonb, connections jsonb); Type: ACL; Schema: public
REVOKE ALL ON FUNCTION public.workflow_problems(nodes jsonb, connections jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION public.workflow_problems(nodes jsonb, connections jsonb) TO authenticated;

-- FUNCTION agent(tenant uuid, agent uuid); Type: ACL; Schema: queue
REVOKE ALL ON FUNCTION queue.agent(tenant uuid, agent uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION queue.agent(tenant uuid, agent uuid) TO aias_worker;

-- FUNCTION claim(worker text, max_jobs integer, lease interval); Type: ACL; Schema: queue
REVOKE ALL ON FUNCTION queue.claim(worker text, max_jobs integer, lease interval) FROM PUBLIC;
GRANT ALL ON FUNCTION queue.claim(worker text, max_jobs integer, lease interval) TO aias_worker;

-- FUNCTION next_due(); Type: ACL; Schema: queue
REVOKE ALL ON FUNCTION queue.next_due() FROM PUBLIC;
GRANT ALL ON FUNCTION queue.next_due() TO aias_worker;

-- FUNCTION plan(tenant uuid, workflow uuid, wanted_version integer); Type: ACL; Schema: queue
REVOKE ALL ON FUNCTION queue.plan(tenant uuid, workflow uuid, wanted_version integer) FROM PUBLIC;
GRANT ALL ON FUNCTION queue.plan(tenant uuid, workflow uuid, wanted_version integer) TO aias_worker;

-- FUNCTION record(worker text, results jsonb); Type: ACL; Schema: queue
REVOKE ALL ON FUNCTION queue.record(worker text, results jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION queue.record(worker text, results jsonb) TO aias_worker;

-- FUNCTION record_usage(tenant uuid, execution uuid, node text, attempt integer, call jsonb, OUT cost numeric, OUT is_new boolean); Type: ACL; Schema: queue
REVOKE ALL ON FUNCTION queue.record_usage(tenant uuid, execution uuid, node text, attempt integer, call jsonb, OUT cost numeric, OUT is_new boolean) FROM PUBLIC;

-- FUNCTION renew(worker text, held jsonb, lease interval); Type: ACL; Schema: queue
REVOKE ALL ON FUNCTION queue.renew(worker text, held jsonb, lease interval) FROM PUBLIC;
GRANT ALL ON FUNCTION queue.renew(worker text, held jsonb, lease interval) TO aias_worker;

-- FUNCTION reserve_tokens(tenant uuid, execution uuid, token bigint, amount bigint); Type: ACL; Schema: queue
REVOKE ALL ON FUNCTION queue.reserve_tokens(tenant uuid, execution uuid, token bigint, amount bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION queue.reserve_tokens(tenant uuid, execution uuid, token bigint, amount bigint) TO aias_worker;

-- FUNCTION sweep(); Type: ACL; Schema: queue
REVOKE ALL ON FUNCTION queue.sweep() FROM PUBLIC;
GRANT ALL ON FUNCTION queue.sweep() TO aias_worker;

-- TABLE ai_agents; Type: ACL; Schema: public
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.ai_agents TO authenticated;

-- TABLE execution_steps; Type: ACL; Schema: public
GRANT SELECT ON TABLE public.execution_steps TO authenticated;

-- TABLE memberships; Type: ACL; Schema: public
GRANT SELECT ON TABLE public.memberships TO authenticated;

-- TABLE permissions; Type: ACL; Schema: public
GRANT SELECT ON TABLE public.permissions TO authenticated;

-- TABLE roles; Type: ACL; Schema: public
GRANT SELECT ON TABLE public.roles TO authenticated;

-- TABLE subscription_plans; Type: ACL; Schema: public
GRANT SELECT ON TABLE public.subscription_plans TO anon;
GRANT SELECT ON TABLE public.subscription_plans TO authenticated;

-- TABLE usage; Type: ACL; Schema: public
GRANT SELECT ON TABLE public.usage TO authenticated;

-- TABLE users; Type: ACL; Schema: public
GRANT SELECT ON TABLE public.users TO authenticated;

-- COLUMN users.name; Type: ACL; Schema: public
GRANT UPDATE(name) ON TABLE public.users TO authenticated;

-- TABLE workflow_versions; Type: ACL; Schema: public
GRANT SELECT ON TABLE public.workflow_versions TO authenticated;

-- DEFAULT PRIVILEGES FOR FUNCTIONS; Type: DEFAULT ACL; Schema: -
ALTER DEFAULT PRIVILEGES REVOKE ALL ON FUNCTIONS FROM PUBLIC;
