-- public.users: everybody reads themselves, members.read reads fellow members, everybody changes their own name and nothing else.

begin;
\ir ../fixtures/world.sql
select plan(55);

-- owner, admin, editor, viewer, billing: members.read --------------------------------------------------------------------------------

select sees(actor, 'select from public.users', 8, 'reads the members of their tenant and nobody else')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'editor@alpha.test', 'viewer@alpha.test', 'billing@alpha.test']) actor;
select sees('both@alpha.test', 'select from public.users', 9, 'reads the members of both of their tenants');
select sees('owner@beta.test', 'select from public.users', 2, 'reads the two members of Beta');
select answers('owner@beta.test', $$select string_agg(email, ' ' order by email) from public.users$$,
  'both@alpha.test owner@beta.test', 'reads nobody of Alpha but who is in Beta too');
select denied('owner@alpha.test', $$update public.users set name = 'Nickname' where email = 'viewer@alpha.test'$$, 'renames no fellow member');
select denied('owner@alpha.test', $$delete from public.users where email = 'viewer@alpha.test'$$, 'deletes no fellow member');

-- Everybody: themselves --------------------------------------------------------------------------------------------------------------

select allowed(actor, $$update public.users set name = 'Renamed'$$, 1, 'renames themselves and nobody else')
  from unnest(array['owner@alpha.test', 'viewer@alpha.test', 'auditor@alpha.test', 'stranger@gamma.test']) actor;
select denied(actor, $$update public.users set email = 'owner@beta.test'$$, 'changes no address, their own included')
  from unnest(array['owner@alpha.test', 'stranger@gamma.test']) actor;
select denied(actor, $$update public.users set id = aias.uuid7()$$, 'changes no id')
  from unnest(array['owner@alpha.test', 'stranger@gamma.test']) actor;
select denied(actor, $$update public.users set created_at = now() - interval '1 year'$$, 'becomes no older')
  from unnest(array['owner@alpha.test', 'stranger@gamma.test']) actor;
select denied(actor, $$insert into public.users (id, email, name) values (aias.uuid7(), 'x@x.test', 'X')$$, 'inserts nobody')
  from unnest(array['owner@alpha.test', 'stranger@gamma.test']) actor;
select denied(actor, 'delete from public.users', 'deletes nobody, themselves included')
  from unnest(array['owner@alpha.test', 'stranger@gamma.test']) actor;

-- auditor, stranger: no members.read -------------------------------------------------------------------------------------------------

select answers(actor, $$select string_agg(email, ' ') from public.users$$, actor, 'reads themselves and nobody else')
  from unnest(array['auditor@alpha.test', 'stranger@gamma.test']) actor;

-- anon -------------------------------------------------------------------------------------------------------------------------------

select denied('anon', 'select from public.users', 'reads nobody');
select denied('anon', $$insert into public.users (id, email, name) values (gen_random_uuid(), 'x@x.test', 'X')$$, 'inserts nobody');
select denied('anon', $$update public.users set name = 'Renamed'$$, 'renames nobody');
select denied('anon', 'delete from public.users', 'deletes nobody');
select unreachable('anon', 'select from public.users', 'cannot even ask for people');

-- Auth ---------------------------------------------------------------------------------------------------------------------------

insert into auth.users (id, email, raw_user_meta_data) values
  ('01900000-0000-7000-8000-0000000000e1', 'named@new.test', '{"name": " Ada "}'),
  ('01900000-0000-7000-8000-0000000000e2', 'unnamed@new.test', '{}');
select is(name, 'Ada', 'a new account gets a profile with the name that it gave') from public.users where email = 'named@new.test';
select is(name, 'unnamed', 'a new account without a name is called by its address') from public.users where email = 'unnamed@new.test';
update auth.users set email = 'married@new.test' where id = '01900000-0000-7000-8000-0000000000e1';
select is(email || ' ' || name, 'married@new.test Ada', 'a profile follows its account''s address and keeps its name')
  from public.users where id = '01900000-0000-7000-8000-0000000000e1';
delete from auth.users where id = '01900000-0000-7000-8000-0000000000e1';
select is_empty($$select from public.users where id = '01900000-0000-7000-8000-0000000000e1'$$, 'a profile goes with its account');
select unreachable(actor, 'select from auth.users', 'reads no account')
  from unnest(array['owner@alpha.test', 'anon', 'aias_worker', 'aias_edge']) actor;

select * from finish();
rollback;
