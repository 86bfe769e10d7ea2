-- A small believable world for a local stack: two tenants, every role, an agent and a workflow that runs.
--
-- Everybody's password is `aias-local-password` (below as bcrypt). Never load this into a database that others can reach.

insert into auth.users (
  id, aud, role, email, encrypted_password, email_confirmed_at, raw_app_meta_data, raw_user_meta_data,
  confirmation_token, recovery_token, email_change, email_change_token_new, created_at, updated_at)
select seeded.id, 'authenticated', 'authenticated', seeded.email,
       '$2b$10$eHG9HpoiubwkbCRDPFvXFuIRK23ZcymgmIK0al5.Re660FcY7up7a', now(),
       '{"provider": "email", "providers": ["email"]}', jsonb_build_object('name', seeded.name),
       -- Auth reads these as text and cannot read null.
       '', '', '', '', now(), now()
  from (values
    ('01900000-0000-7000-8000-0000000000a1'::uuid, 'owner@alpha.test',   'Alpha owner'),
    ('01900000-0000-7000-8000-0000000000a2'::uuid, 'admin@alpha.test',   'Alpha admin'),
    ('01900000-0000-7000-8000-0000000000a3'::uuid, 'editor@alpha.test',  'Alpha editor'),
    ('01900000-0000-7000-8000-0000000000a4'::uuid, 'viewer@alpha.test',  'Alpha viewer'),
    ('01900000-0000-7000-8000-0000000000a5'::uuid, 'billing@alpha.test', 'Alpha billing'),
    ('01900000-0000-7000-8000-0000000000b1'::uuid, 'owner@beta.test',    'Beta owner'),
    ('01900000-0000-7000-8000-0000000000c1'::uuid, 'stranger@gamma.test', 'Stranger')
  ) as seeded (id, email, name)
on conflict (id) do nothing;

-- Supabase Auth keeps an identity beside each account; where its table exists, sign-in by password wants one.
do $$
begin
  if to_regclass('auth.identities') is not null then
    insert into auth.identities (id, provider, provider_id, user_id, identity_data, created_at, updated_at)
    select gen_random_uuid(), 'email', u.id::text, u.id,
           jsonb_build_object('sub', u.id, 'email', u.email, 'email_verified', true), now(), now()
      from auth.users u
     where u.email ~ '@(alpha|beta|gamma)\.test$'
    on conflict (provider, provider_id) do nothing;
  end if;
end
$$;

insert into public.tenants (id, name, subdomain, plan_id, limit_overrides)
select seeded.id, seeded.name, seeded.subdomain, p.id, seeded.limit_overrides
  from (values
    ('01900000-0000-7000-8000-00000000a000'::uuid, 'Alpha', 'alpha', 'professional', '{}'::jsonb),
    -- Small enough to see a limit being reached.
    ('01900000-0000-7000-8000-00000000b000'::uuid, 'Beta', 'beta', 'starter', '{"executions": 2, "workflows": 3}')
  ) as seeded (id, name, subdomain, plan, limit_overrides)
  join public.subscription_plans p on p.key = seeded.plan
on conflict (id) do nothing;

insert into public.roles (tenant_id, key, name, permissions, built_in)
select t.id, r.key, r.name, r.permissions, true
  from public.tenants t cross join private.built_in_roles r
 where t.subdomain in ('alpha', 'beta')
on conflict (tenant_id, key) do nothing;

insert into public.memberships (tenant_id, user_id, role)
select t.id, u.id, split_part(u.email, '@', 1)
  from public.users u
  join public.tenants t on t.subdomain = split_part(split_part(u.email, '@', 2), '.', 1)
 where t.subdomain in ('alpha', 'beta')
on conflict (tenant_id, user_id) do nothing;

insert into public.ai_agents (tenant_id, id, name, slug, description, model, config)
values (
  '01900000-0000-7000-8000-00000000a000', '01900000-0000-7000-8000-00000000a0a1',
  'Greeter', 'greeter', 'Says hello in one sentence.', 'openai/gpt-4o-mini',
  '{"temperature": 0.2, "max_tokens": 100, "system_prompt": "You greet people in one friendly sentence."}'
)
on conflict (tenant_id, id) do nothing;

insert into public.workflows (tenant_id, id, name, description, status, nodes, connections)
values (
  '01900000-0000-7000-8000-00000000a000', '01900000-0000-7000-8000-00000000a0f1',
  'Hello', 'The smallest useful workflow: a trigger, an agent and a transform.', 'active',
  '[
    {"id": "start", "type": "trigger", "position": {"x": 0, "y": 0}, "config": {"kind": "manual"}},
    {"id": "greet", "type": "ai_processing", "position": {"x": 240, "y": 0},
     "config": {"agent_id": "01900000-0000-7000-8000-00000000a0a1", "prompt": "Greet {{ input.name | default(''a visitor'') }}."}},
    {"id": "reply", "type": "action", "position": {"x": 480, "y": 0},
     "config": {"kind": "transform", "output": {"greeting": "{{ steps.greet.output.text }}"}}}
  ]',
  '[
    {"id": "e1", "source": "start", "target": "greet"},
    {"id": "e2", "source": "greet", "target": "reply"}
  ]'
)
on conflict (tenant_id, id) do nothing;
