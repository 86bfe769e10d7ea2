-- Everything that the fuzzer made, by the shape of its ids: also when the run that made it was killed.
do $do$
begin
  if to_regprocedure('fuzz.take_away(uuid[])') is not null then
    perform fuzz.take_away(array(select t.id from fuzz.tenants t));
  end if;
  perform set_config('session_replication_role', 'origin', true);
  delete from public.tenants t
   where t.id::text like '0190f0__-0000-7000-8000-0000%'
      or t.id in (select m.tenant_id from public.memberships m where m.user_id::text like '0190f0__-0000-7000-8000-0001%');
  if to_regclass('auth.identities') is not null then
    delete from auth.identities i where i.user_id::text like '0190f0__-0000-7000-8000-0001%';
  end if;
  delete from auth.users u where u.id::text like '0190f0__-0000-7000-8000-0001%';
  drop schema if exists fuzz cascade;
end
$do$;
