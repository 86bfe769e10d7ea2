-- rpc my_tenants: whoever asks learns where they belong and what is in force for them there, in this session.

begin;
\ir ../fixtures/world.sql
select plan(37);

create function pg_temp.mine(wanted text) returns text language sql as $$
  select format('select string_agg(
      format(%L, name, role, status, cardinality(permissions), requires_second_factor, second_factor_missing, access_ends_at - now()), '';'')
    from public.my_tenants() where subdomain = %L', '%s %s %s %s %s %s %s', wanted)
$$;

select answers(actor, pg_temp.mine(subdomain), mine, 'is told what is in force in ' || subdomain)
  from (values
    ('owner@alpha.test',          'alpha',   'Alpha owner active 21 f f '),
    ('admin@alpha.test',          'alpha',   'Alpha admin active 19 f f '),
    ('editor@alpha.test',         'alpha',   'Alpha editor active 10 f f '),
    ('viewer@alpha.test',         'alpha',   'Alpha viewer active 4 f f '),
    ('billing@alpha.test',        'alpha',   'Alpha billing active 4 f f '),
    ('auditor@alpha.test',        'alpha',   'Alpha auditor active 1 f f '),
    -- A key has scopes and no role.
    ('key:robot',                 'alpha',   'Alpha  active 7 f f '),
    -- Suspended: what reads, and what gets it out of there.
    ('owner@frozen.test',         'frozen',  'Frozen owner suspended 10 f f '),
    ('editor@frozen.test',        'frozen',  'Frozen editor suspended 5 f f '),
    -- Cancelled: the owner's, and until when.
    ('owner@closed.test',         'closed',  'Closed owner cancelled 10 f f 29 days'),
    ('admin@closed.test',         'closed',  null),
    -- A second factor: less without it, and told so; nothing is missing where the role has no more.
    ('owner@guarded.test',        'guarded', 'Guarded owner active 4 t t '),
    ('owner@guarded.test+aal1',   'guarded', 'Guarded owner active 4 t t '),
    ('owner@guarded.test+aal2',   'guarded', 'Guarded owner active 21 t f '),
    ('auditor@guarded.test',      'guarded', 'Guarded auditor active 1 t f '),
    ('key:guarded robot',         'guarded', 'Guarded  active 4 t f '),
    -- Nobody else's.
    ('owner@beta.test',           'alpha',   null),
    ('guest@delta.test',          'alpha',   null)
  ) told (actor, subdomain, mine);

select sees(actor, 'select from public.my_tenants()', n, format('is told of %s', n))
  from (values ('both@alpha.test', 2), ('owner@beta.test', 1), ('stranger@gamma.test', 0), ('guest@delta.test', 0), ('key:revoked', 0),
    ('key:expired', 0), ('authenticated', 0)) told (actor, n);
select answers('both@alpha.test', $$select string_agg(name, ' ') from public.my_tenants()$$, 'Alpha Beta', 'is told in the order of names');
select unreachable('anon', 'select * from public.my_tenants()', 'cannot ask');
select unreachable(actor, 'select * from private.my_tenants()', 'cannot ask by the back door')
  from unnest(array['anon', 'aias_worker', 'aias_edge', 'service_role']) actor;

-- It is what policies go by.
select is(mine.permissions, array(select p.key from public.permissions p where :'alpha' = any (array(
    select assertions.keep(mine.actor, format('select tenants_with from private.tenants_with(%L) where tenants_with = %L', p.key, :'alpha'))))
      order by 1),
  mine.actor || ': holds what policies let through, and no more')
  from (select actor, keep(actor, $$select permissions from public.my_tenants() where subdomain = 'alpha'$$)::text[] as permissions
          from unnest(array['owner@alpha.test', 'admin@alpha.test', 'editor@alpha.test', 'viewer@alpha.test', 'billing@alpha.test',
            'key:manager']) actor) mine;

select * from finish();
rollback;
