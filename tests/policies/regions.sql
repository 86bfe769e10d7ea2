-- public.regions: anyone reads where data can live; only the operator writes it.

begin;
\ir ../fixtures/world.sql
select plan(32);

-- owner, viewer, key, stranger, anon ------------------------------------------------------------------------------------------------------

select sees(actor, 'select from public.regions', 1, 'reads the regions')
  from unnest(array['owner@alpha.test', 'viewer@alpha.test', 'key:robot', 'stranger@gamma.test', 'anon']) actor;
select denied(actor, $$insert into public.regions (key, name) values ('moon', 'Moon')$$, 'adds no region')
  from unnest(array['owner@alpha.test', 'key:manager', 'stranger@gamma.test', 'anon']) actor;
select denied(actor, $$update public.regions set name = 'Mine'$$, 'renames no region')
  from unnest(array['owner@alpha.test', 'key:manager', 'stranger@gamma.test', 'anon']) actor;
select denied(actor, 'delete from public.regions', 'deletes no region')
  from unnest(array['owner@alpha.test', 'key:manager', 'stranger@gamma.test', 'anon']) actor;

-- The operator ----------------------------------------------------------------------------------------------------------------------------

select throws_ok($$insert into public.regions (key, name) values ('No word', 'X')$$, '23514', null, 'a region''s key is a word');
select throws_ok($$update public.tenants set region = 'moon' where subdomain = 'alpha'$$, '23503', null, 'a tenant is in a region that exists');
select throws_ok($$delete from public.regions where key = 'default'$$, '23503', null, 'a region with a tenant stays');

select * from finish();
rollback;
