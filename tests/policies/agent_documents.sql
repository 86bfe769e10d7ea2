-- public.agent_documents: agents.read sees, agents.write changes; own tenant only. And what they are cut into.

begin;
\ir ../fixtures/world.sql
select plan(60);

create function pg_temp.making(tenant text default '01900000-0000-7000-8000-00000000a000', agent text default '01900000-0000-7000-8000-00000000a0a1',
  title text default 'New', content text default 'Something.') returns text language sql as $$
  select format('insert into public.agent_documents (tenant_id, agent_id, title, content) values (%L, %L, %L, %L)', tenant, agent, title, content)
$$;

-- owner, admin, editor: agents.read and agents.write -------------------------------------------------------------------------------

select sees(actor, 'select from public.agent_documents', 1, 'reads the documents of their tenant and no other')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'editor@alpha.test']) actor;
select allowed(actor, pg_temp.making(), 1, 'makes a document')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'editor@alpha.test']) actor;
select allowed(actor, $$update public.agent_documents set content = 'Changed.'$$, 1, 'changes the documents of their tenant and no other')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'editor@alpha.test']) actor;
select allowed(actor, 'delete from public.agent_documents', 1, 'deletes the documents of their tenant and no other')
  from unnest(array['owner@alpha.test', 'admin@alpha.test', 'editor@alpha.test']) actor;

select denied('owner@alpha.test', pg_temp.making('01900000-0000-7000-8000-00000000b000', '01900000-0000-7000-8000-00000000b0a1'),
  'makes no document in a foreign tenant');
select broken('owner@alpha.test', pg_temp.making(agent => '01900000-0000-7000-8000-00000000b0a1'), '23503', 'gives a foreign agent no document');
select denied('owner@alpha.test', $$update public.agent_documents set title = 'Mine' where id = '01900000-0000-7000-8000-00000000b0d1'$$,
  'changes no foreign document');
select denied('owner@alpha.test', $$delete from public.agent_documents where id = '01900000-0000-7000-8000-00000000b0d1'$$, 'deletes no foreign document');
select refused('both@alpha.test', $$update public.agent_documents set tenant_id = '01900000-0000-7000-8000-00000000b000'
    where id = '01900000-0000-7000-8000-00000000a0d1'$$, 409, 'identity_is_fixed', 'moves no document even between their own tenants');
select denied('editor@alpha.test', format('update public.agent_documents set %s', change), 'rewrites no history: ' || change)
  from unnest(array[$$created_by = '01900000-0000-7000-8000-0000000000a1'$$, $$created_at = now() - interval '1 year'$$,
    $$agent_id = '01900000-0000-7000-8000-00000000a0a2'$$]) change;
select answers('editor@alpha.test', pg_temp.making() || ' returning created_by', '01900000-0000-7000-8000-0000000000a3', 'is the author of what they make');

-- Checks hold for whoever may write.
select broken('owner@alpha.test', pg_temp.making(title => ' '), '23514', 'gives no document an empty title');
select broken('owner@alpha.test', pg_temp.making(content => E' \n'), '23514', 'makes no document that says nothing');
select broken('owner@alpha.test', pg_temp.making(content => repeat('é', 524289)), '23514', 'makes no document of more than 1 MiB');

-- viewer: agents.read --------------------------------------------------------------------------------------------------------------

select sees('viewer@alpha.test', 'select from public.agent_documents', 1, 'reads the documents of their tenant');
select denied('viewer@alpha.test', pg_temp.making(), 'makes no document');
select denied('viewer@alpha.test', $$update public.agent_documents set title = 'Renamed'$$, 'changes no document');
select denied('viewer@alpha.test', 'delete from public.agent_documents', 'deletes no document');

-- billing, auditor, stranger, anon: nothing ------------------------------------------------------------------------------------------

select denied(actor, 'select from public.agent_documents', 'reads no document')
  from unnest(array['billing@alpha.test', 'auditor@alpha.test', 'stranger@gamma.test', 'anon']) actor;
select denied(actor, pg_temp.making(), 'makes no document')
  from unnest(array['billing@alpha.test', 'auditor@alpha.test', 'stranger@gamma.test', 'anon']) actor;
select unreachable('owner@alpha.test', 'select from private.document_chunks', 'reads no pieces but by searching');

-- Pieces -----------------------------------------------------------------------------------------------------------------------------

select is(private.chunks_of(E'One.\n\nTwo.\r\n \r\nThree.\n'), array[E'One.\n\nTwo.\n\nThree.'], 'paragraphs stay together as far as they fit');
select is(private.chunks_of(repeat('a', 1500) || E'\n\n' || repeat('b', 1500)), array[repeat('a', 1500), repeat('b', 1500)], 'and are not cut where they do not');
select is(private.chunks_of(repeat('word ', 500)), array[rtrim(repeat('word ', 400)), rtrim(repeat('word ', 100))], 'a long one is cut between words');
select is(private.chunks_of(repeat('é', 4001)), array[repeat('é', 2000), repeat('é', 2000), 'é'], 'or anywhere when it has none');
select is((select string_agg(c.content, '|') from private.document_chunks c where c.document_id = '01900000-0000-7000-8000-00000000a0d1'),
  'What Alpha knows.', 'a document is cut when it is made');
update public.agent_documents set content = repeat('x', 2001) where id = '01900000-0000-7000-8000-00000000a0d1';
select is((select string_agg(length(c.content)::text, ' ' order by c.position) from private.document_chunks c
            where c.document_id = '01900000-0000-7000-8000-00000000a0d1'), '2000 1', 'and again when it changes');

select * from finish();
rollback;
