-- Nobody grants what they do not hold: by a role that is made, changed or deleted. public.roles

begin;
\ir ../fixtures/world.sql
\ir ../fixtures/climbers.sql
select plan(55);

\set insert 'insert into public.roles (tenant_id, key, name, permissions) values (''01900000-0000-7000-8000-00000000a000'', ''new'', ''New'', %L)'

-- A new role ------------------------------------------------------------------------------------------------------------------------------

select caught(actor, format(:'insert', wanted), 'roles', missing::text[], 'makes no role that allows more: ' || wanted)
  from (values
    ('hr@alpha.test', '{agents.read,workflows.write}', '{workflows.write}'),
    ('hr@alpha.test', '{workflows.write,audit.read,members.read,billing.read}', '{audit.read,billing.read,workflows.write}'),
    ('admin@alpha.test', '{billing.manage,agents.read}', '{billing.manage}'),
    ('admin@alpha.test', '{tenant.close,billing.manage}', '{billing.manage,tenant.close}'),
    ('key:manager', '{workflows.read}', '{workflows.read}')
  ) asked (actor, wanted, missing);
select caught('admin@alpha.test', $$insert into public.roles (tenant_id, key, name, permissions)
    select tenant_id, 'copy', 'Copy', permissions from public.roles where key = 'owner'$$, 'roles', '{billing.manage,tenant.close}',
      'copies no stronger role');
select caught('hr@alpha.test', $$insert into public.roles (tenant_id, key, name, permissions) values
    ('01900000-0000-7000-8000-00000000a000', 'one', 'One', '{agents.read}'), ('01900000-0000-7000-8000-00000000a000', 'two', 'Two',
      '{tenant.manage}')$$,
  'roles', '{tenant.manage}', 'hides no stronger role behind a weak one');
select refused('hr@alpha.test', format(:'insert', '{Tenant.Manage}'), 400, 'unknown_permission', 'writes a permission in no other way');

-- A role that is there --------------------------------------------------------------------------------------------------------------------

select caught(actor, statement, 'roles', missing::text[], why)
  from (values
    ('hr@alpha.test', $$update public.roles set permissions = permissions || '{tenant.manage}' where key = 'hr'$$, '{tenant.manage}',
      'edits their own role to no more'),
    ('hr@alpha.test', $$update public.roles set permissions = permissions || '{tenant.manage}' where key = 'weak'$$, '{tenant.manage}',
      'edits no other role to more'),
    ('hr@alpha.test', $$update public.roles set permissions = '{agents.read}' where key = 'strong'$$, '{billing.manage}',
      'takes nothing away that they do not hold'),
    ('hr@alpha.test', $$update public.roles set name = 'Mine' where key = 'strong'$$, '{billing.manage}', 'renames no stronger role'),
    ('hr@alpha.test', $$delete from public.roles where key = 'strong'$$, '{billing.manage}', 'deletes no stronger role'),
    ('hr@alpha.test', $$update public.roles set permissions = '{tenant.manage}' where key in ('weak', 'hr')$$, '{tenant.manage}',
      'edits no two roles to more'),
    ('admin@alpha.test', $$update public.roles set permissions = '{billing.manage}' where key = 'weak'$$, '{billing.manage}',
      'edits no role to more'),
    ('key:manager', $$update public.roles set permissions = '{executions.read}' where key = 'weak'$$, '{executions.read}', 'edits no role to more'),
    ('hr@alpha.test', $$insert into public.roles (tenant_id, key, name, permissions)
      values ('01900000-0000-7000-8000-00000000a000', 'weak', 'Weak', '{agents.read}')
       on conflict (tenant_id, key) do update set permissions = '{tenant.manage}'$$, '{tenant.manage}', 'edits no role by an upsert'),
    ('hr@alpha.test', $$merge into public.roles r using (select 'weak') as wanted (key) on r.tenant_id = '01900000-0000-7000-8000-00000000a000'
      and r.key = wanted.key
       when matched then update set permissions = '{tenant.manage}'$$, '{tenant.manage}', 'edits no role by a merge'),
    ('hr@alpha.test', $$with edited as (update public.roles set permissions = '{tenant.manage}' where key = 'weak' returning 1) select *
      from edited$$,
       '{tenant.manage}', 'edits no role inside a query')
  ) tried (actor, statement, missing, why);

-- With whole tables granted, the trigger stands where the grants do.
select denied('hr@alpha.test', statement, 'wins nothing by a role')
  from unnest(array[format(:'insert', '{tenant.manage}'), $$update public.roles set permissions = '{tenant.manage}' where key = 'hr'$$,
                    $$delete from public.roles where key = 'strong'$$]) statement;

-- Who holds it may: otherwise all of the above would prove nothing ------------------------------------------------------------------------

select allowed(actor, statement, 1, 'may')
  from (values
    ('owner@alpha.test', format(:'insert', '{billing.manage,tenant.close}')),
    ('super@alpha.test', format(:'insert', '{billing.manage,tenant.close}')),
    ('key:everything', format(:'insert', '{billing.manage,tenant.close}')),
    ('owner@alpha.test', $$update public.roles set permissions = permissions || '{tenant.manage}' where key = 'hr'$$),
    ('owner@alpha.test', $$delete from public.roles where key = 'strong'$$),
    ('hr@alpha.test', format(:'insert', '{members.manage}')),
    -- Even their own: nothing is won by it.
    ('hr@alpha.test', $$update public.roles set permissions = '{members.read}' where key = 'hr'$$)
  ) held (actor, statement);

-- What is in force counts, not what the role says: in a suspended tenant, and by one factor.
select denied('owner@frozen.test', replace(format(:'insert', '{agents.read}'), :'alpha', :'frozen'), 'makes no role while suspended');
select denied('owner@guarded.test', replace(format(:'insert', '{agents.read}'), :'alpha', :'guarded'), 'makes no role by one factor');
select allowed('owner@guarded.test+aal2', replace(format(:'insert', '{billing.manage}'), :'alpha', :'guarded'), 1, 'makes one by two');

select * from finish();
rollback;
