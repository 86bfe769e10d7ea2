-- public.permissions: whoever signed in reads the list; nobody writes it.

begin;
\ir ../fixtures/world.sql
select plan(30);

-- owner, viewer, stranger: signed in ---------------------------------------------------------------------------------------------------

select sees(actor, $$select from public.permissions where key = 'workflows.execute'$$, 1, 'reads what a role can allow')
  from unnest(array['owner@alpha.test', 'viewer@alpha.test', 'stranger@gamma.test']) actor;
select denied(actor, $$insert into public.permissions (key, description) values ('root', 'everything')$$, 'invents no permission')
  from unnest(array['owner@alpha.test', 'viewer@alpha.test', 'stranger@gamma.test']) actor;
select denied(actor, $$update public.permissions set description = 'nothing'$$, 'changes no permission')
  from unnest(array['owner@alpha.test', 'viewer@alpha.test', 'stranger@gamma.test']) actor;
select denied(actor, 'delete from public.permissions', 'deletes no permission')
  from unnest(array['owner@alpha.test', 'viewer@alpha.test', 'stranger@gamma.test']) actor;

-- anon -------------------------------------------------------------------------------------------------------------------------------

select denied('anon', 'select from public.permissions', 'reads no permission');
select denied('anon', $$insert into public.permissions (key, description) values ('root', 'everything')$$, 'invents no permission');
select denied('anon', $$update public.permissions set description = 'nothing'$$, 'changes no permission');
select denied('anon', 'delete from public.permissions', 'deletes no permission');
select unreachable('anon', 'select from public.permissions', 'cannot even ask for permissions');

select * from finish();
rollback;
