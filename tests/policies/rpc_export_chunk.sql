-- rpc export_chunk: tenant.export reads an export that is ready, piece by piece.

begin;
\ir ../fixtures/world.sql
select plan(40);

select calling('public.export_chunk', '01900000-0000-7000-8000-00000000a0ea', '1') as call \gset

-- owner, admin, key manager: tenant.export ------------------------------------------------------------------------------------------------

select answers(actor, calling('public.export_chunk', '01900000-0000-7000-8000-00000000a0ea', number::text), content, format('reads piece %s', number))
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'key:manager']) actor,
       (values (1, E'{"part": 1}\n'), (2, E'{"part": 2}\n'), (3, null), (0, null), (-1, null)) piece (number, content);
select answers('owner@alpha.test', calling('public.export_chunk', '01900000-0000-7000-8000-00000000a0ea', null), null,
  'reads no piece without a number');
select answers('both@alpha.test', calling('public.export_chunk', '01900000-0000-7000-8000-00000000b0ea', '1'), E'{"beta": 1}\n',
  'reads another tenant''s of theirs');
select refused('owner@alpha.test', calling('public.export_chunk', '01900000-0000-7000-8000-00000000a0eb', '1'), 410, 'export_expired',
  'reads none that is over');
select refused('owner@alpha.test', calling('public.export_chunk', null, '1'), 404, 'not_found', 'reads none without an id');
select keep('owner@alpha.test', asking('id', 'public.export_tenant', :'alpha')) as asked \gset
select refused('owner@alpha.test', calling('public.export_chunk', :'asked', '1'), 409, 'export_not_ready', 'reads none that is not ready');
update public.tenant_exports set status = 'failed', finished_at = now() where id = :'asked';
select refused('owner@alpha.test', calling('public.export_chunk', :'asked', '1'), 409, 'export_not_ready', 'reads none that failed');

-- editor, viewer, billing, auditor, blind, key robot: members without tenant.export -------------------------------------------------------

select refused(actor, :'call', 403, 'forbidden', 'reads nothing')
  from unnest(array['editor@alpha.test', 'viewer@alpha.test', 'billing@alpha.test', 'auditor@alpha.test', 'blind@alpha.test', 'key:robot']) actor;

-- the other tenant, keys that are over, stranger ------------------------------------------------------------------------------------------

select refused(actor, :'call', 404, 'not_found', 'finds no such export')
  from unnest(array['owner@beta.test', 'key:beta robot', 'key:revoked', 'guest@delta.test', 'stranger@gamma.test']) actor;
select is(body(actor, :'call'), body(actor, replace(:'call', 'a0ea', 'ffff')), actor || ': cannot tell a foreign export from none')
  from unnest(array['owner@beta.test', 'stranger@gamma.test']) actor;

-- anon ------------------------------------------------------------------------------------------------------------------------------------

select unreachable('anon', :'call', 'reads nothing');
select unreachable(actor, replace(:'call', 'public.', 'private.'), 'reads nothing by the back door')
  from unnest(array['anon', 'aias_worker', 'aias_edge', 'service_role']) actor;

-- At once ---------------------------------------------------------------------------------------------------------------------------------

update public.memberships set role = 'editor' where user_id = :'admin';
select refused('admin@alpha.test', :'call', 403, 'forbidden', 'reads no further piece once the role is weaker');

select * from finish();
rollback;
