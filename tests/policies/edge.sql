-- What edge-api asks as itself: whose key, whose host. public.api_keys, public.tenant_domains

begin;
\ir ../fixtures/world.sql
select plan(51);

-- edge.authenticate_key -------------------------------------------------------------------------------------------------------------------

select answers('aias_edge', format('select edge.authenticate_key(sha256(%L))', 'text of ' || name), claims, 'knows the key ' || name)
  from (values
    ('robot', '{"role": "authenticated", "tenant_id": "01900000-0000-7000-8000-00000000a000", "api_key_id": "01900000-0000-7000-8000-00000000a0c1"}'),
    ('beta robot',
      '{"role": "authenticated", "tenant_id": "01900000-0000-7000-8000-00000000b000", "api_key_id": "01900000-0000-7000-8000-00000000b0c1"}'),
    ('revoked', null), ('expired', null), ('nobody', null), ('', null)
  ) known (name, claims);
select answers('aias_edge', 'select edge.authenticate_key(null)', null, 'knows no key of null');
select answers('aias_edge', $$select edge.authenticate_key('text of robot')$$, null, 'knows no key by anything but its hash');
update public.api_keys set expires_at = '2099-01-01 00:00:00.9Z' where name = 'robot';
select answers('aias_edge', $$select edge.authenticate_key(sha256('text of robot')) -> 'exp'$$,
  extract(epoch from timestamptz '2099-01-01 00:00:00Z')::bigint::text,
  'learns when a key ends');

update public.api_keys set expires_at = 'infinity' where name = 'robot';
select answers('aias_edge', $$select edge.authenticate_key(sha256('text of robot')) ? 'exp'$$, 'false', 'learns that it does not');

-- Its last use, to the minute.
select keep('aias_edge', $$select edge.authenticate_key(sha256('text of robot'))$$) \g /dev/null
select is(last_used_at, now(), 'a use is noted') from public.api_keys where name = 'robot';
update public.api_keys set last_used_at = now() - interval '59 seconds' where name = 'robot';
select keep('aias_edge', $$select edge.authenticate_key(sha256('text of robot'))$$) \g /dev/null
select is(last_used_at, now() - interval '59 seconds', 'another in the same minute is not') from public.api_keys where name = 'robot';
update public.api_keys set last_used_at = now() - interval '61 seconds' where name = 'robot';
select keep('aias_edge', $$select edge.authenticate_key(sha256('text of robot'))$$) \g /dev/null
select is(last_used_at, now(), 'one in the next is') from public.api_keys where name = 'robot';
select keep('aias_edge', $$select edge.authenticate_key(sha256('text of revoked'))$$) \g /dev/null
select is(last_used_at, null, 'a key that is refused is not used') from public.api_keys where name = 'revoked';

-- edge.tenant_of_host, edge.domain_is_served ----------------------------------------------------------------------------------------------

select answers('aias_edge', format('select tenant_id || '' '' || name || '' '' || subdomain from edge.tenant_of_host(%L, %L)', host, base), found,
  format('finds whose host %s is, below %s', host, base))
  from (values
    ('alpha.aias.test', 'aias.test', :'alpha' || ' Alpha alpha'),
    ('app.alpha.test', 'aias.test', :'alpha' || ' Alpha alpha'),
    -- Suspended is not gone.
    ('frozen.aias.test', 'aias.test', :'frozen' || ' Frozen frozen'),
    ('closed.aias.test', 'aias.test', null),
    -- Claimed is not proven.
    ('www.alpha.test', 'aias.test', null),
    ('app.beta.test', 'aias.test', null),
    ('aias.test', 'aias.test', null), ('.aias.test', 'aias.test', null), ('nobody.aias.test', 'aias.test', null),
    ('www.alpha.aias.test', 'aias.test', null), ('alpha.aias.test.evil.test', 'aias.test', null), ('alphaaias.test', 'aias.test', null),
    ('alpha.other.test', 'aias.test', null), ('', '', null), (null, 'aias.test', null)
  ) asked (host, base, found);
select answers('aias_edge', format('select edge.domain_is_served(%L, %L)', host, 'aias.test'), served::text,
  format('%s a certificate for %s', case when served then 'may ask for' else 'asks for no' end, host))
  from (values ('alpha.aias.test', true), ('app.alpha.test', true), ('www.alpha.test', false), ('closed.aias.test', false),
    ('nobody.aias.test', false), ('evil.test', false), ('', false)) asked (host, served);

-- What nobody else asks -------------------------------------------------------------------------------------------------------------------

select unreachable(actor, statement, 'does not ask')
  from unnest(array['owner@alpha.test', 'key:robot', 'anon', 'aias_worker', 'service_role']) actor,
       unnest(array[$$select edge.authenticate_key(sha256('text of robot'))$$, $$select * from edge.tenant_of_host('alpha.aias.test', 'aias.test')$$,
                    $$select edge.domain_is_served('alpha.aias.test', 'aias.test')$$]) statement;

select * from finish();
rollback;
