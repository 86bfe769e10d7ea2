-- Everything that the exposed schema offers, and the names of what is not exposed, as one JSON object.
select jsonb_build_object(
  'relations', (
    select jsonb_agg(jsonb_build_object(
      'name', c.relname,
      'columns', (
        select jsonb_agg(jsonb_build_object('name', a.attname, 'type', t.typname, 'optional', not a.attnotnull or a.atthasdef) order by a.attnum)
          from pg_catalog.pg_attribute a join pg_catalog.pg_type t on t.oid = a.atttypid
         where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped),
      'key', coalesce((
        select jsonb_agg(a.attname order by k.place)
          from pg_catalog.pg_constraint p
          cross join unnest(p.conkey) with ordinality k (attnum, place)
          join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum = k.attnum
         where p.conrelid = c.oid and p.contype = 'p'), '[]'),
      'uniques', coalesce((
        select jsonb_agg((select jsonb_agg(a.attname) from unnest(u.conkey) k join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum = k)
                         order by u.conname)
          from pg_catalog.pg_constraint u
         where u.conrelid = c.oid and u.contype in ('p', 'u')), '[]'),
      'links', coalesce((
        select jsonb_agg(jsonb_build_object('constraint', f.conname, 'target', o.relname) order by f.conname, o.relname)
          from pg_catalog.pg_constraint f
          join pg_catalog.pg_class o on o.oid = case when f.conrelid = c.oid then f.confrelid else f.conrelid end
         where f.contype = 'f' and c.oid in (f.conrelid, f.confrelid) and o.relnamespace = 'public'::regnamespace), '[]')
    ) order by c.relname)
      from pg_catalog.pg_class c
     where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'v', 'm', 'p', 'f') and not c.relispartition),
  'functions', (
    select jsonb_agg(jsonb_build_object(
      'name', p.proname,
      'arguments', coalesce((
        select jsonb_agg(jsonb_build_object('name', a.name, 'type', t.typname, 'optional', a.place > p.pronargs - p.pronargdefaults) order by a.place)
          from unnest(p.proargtypes::oid[], p.proargnames[1:p.pronargs]) with ordinality a (type, name, place)
          join pg_catalog.pg_type t on t.oid = a.type), '[]'),
      'answers', coalesce((
        select jsonb_agg(jsonb_build_object('name', a.name, 'type', t.typname))
          from unnest(p.proallargtypes, p.proargmodes, p.proargnames) a (type, mode, name)
          join pg_catalog.pg_type t on t.oid = a.type
         where a.mode = 't'), (
        select jsonb_agg(jsonb_build_object('name', a.attname, 'type', t.typname) order by a.attnum)
          from pg_catalog.pg_type r
          join pg_catalog.pg_attribute a on a.attrelid = r.typrelid and a.attnum > 0 and not a.attisdropped
          join pg_catalog.pg_type t on t.oid = a.atttypid
         where r.oid = p.prorettype and r.typrelid <> 0), '[]')
    ) order by p.proname)
      from pg_catalog.pg_proc p
     where p.pronamespace = 'public'::regnamespace and p.prokind = 'f'
       -- Not what other extensions brought along.
       and not exists (select from pg_catalog.pg_depend d where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e')),
  'hidden', (
    select jsonb_agg(jsonb_build_object('schema', h.nspname, 'name', h.name) order by h.nspname, h.name)
      from (
        select n.nspname, c.relname as name from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace where c.relkind in ('r', 'v', 'p')
        union
        select n.nspname, p.proname from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace where n.nspname !~ '^(pg_|information)'
      ) h
     where h.nspname not in ('public') and (h.nspname !~ '^(pg_|information)' or h.name in ('pg_class', 'pg_stats', 'pg_stat_activity', 'pg_roles', 'tables', 'columns')))
)
