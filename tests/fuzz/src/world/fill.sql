-- Rows that say only what matters: whatever else a table's constraints ask for is made up, so that a column more is no change here.

-- A value for a column that must have one: by its foreign key, or by its type. As an expression.
create function fuzz.filling(place regclass, col name, tenant uuid) returns text
language sql stable as $$
  select coalesce((
           select format('(select r.%I from %s r where %s order by 1 limit 1)', t.attname, c.confrelid::regclass,
                    coalesce((select format('r.%I = %L', o.owner, tenant) from fuzz.places o where o.place = c.confrelid::regclass
                               and o.nspname = 'public' and o.relname <> 'users'), 'true'))
             from pg_catalog.pg_constraint c
             cross join unnest(c.conkey, c.confkey) k (here, there)
             join pg_catalog.pg_attribute t on t.attrelid = c.confrelid and t.attnum = k.there
            where c.conrelid = filling.place and c.contype = 'f' and k.here = a.attnum limit 1),
         case a.atttypid::regtype::text
           when 'uuid' then quote_literal(md5(format('%s %s %s', place, col, tenant))::uuid)
           when 'jsonb' then '''{}''' when 'json' then '''{}''' when 'text[]' then '''{}'''
           when 'boolean' then 'false' when 'text' then '''filled''' when 'bytea' then 'sha256(''filled'')'
           when 'timestamp with time zone' then '''2025-01-15''' else '1' end)
    from pg_catalog.pg_attribute a
   where a.attrelid = filling.place and a.attname = filling.col
$$;

-- A row of a tenant: what is given of it, and what it must have besides. Whatever is given for a column that is no more is left out.
create function fuzz.add(place regclass, tenant uuid, given jsonb) returns void
language plpgsql as $$
declare
  row_given jsonb := given || (select jsonb_build_object(p.owner, tenant) from fuzz.places p where p.place = add.place);
  names text;
  fillings text;
begin
  select string_agg(quote_ident(a.attname), ', ' order by a.attnum),
         string_agg(case when row_given ? a.attname then format('(jsonb_populate_record(null::%s, $1)).%I', place, a.attname)
                         else fuzz.filling(place, a.attname, tenant) end, ', ' order by a.attnum)
    into names, fillings
    from pg_catalog.pg_attribute a
   where a.attrelid = place and a.attnum > 0 and not a.attisdropped and a.attgenerated = '' and a.attidentity = ''
     and (row_given ? a.attname or a.attnotnull and not a.atthasdef);
  execute format('insert into %s (%s) values (%s)', place, names, fillings) using row_given;
end
$$;

-- A row in every exposed table that has none of a tenant. Answers what could not be filled, and why.
create function fuzz.fill(tenant uuid) returns table (place text, reason text)
language plpgsql as $$
declare
  exposed record;
  has_row boolean;
begin
  for exposed in select p.place as rel, p.owner from fuzz.places p where p.nspname = 'public' and p.relname <> 'users' order by p.relname loop
    execute format('select exists (select from %s where %I = $1)', exposed.rel, exposed.owner) into has_row using tenant;
    continue when has_row;
    begin
      perform fuzz.add(exposed.rel, tenant, '{}');
    exception when others then
      place := exposed.rel::text;
      reason := sqlerrm;
      return next;
    end;
  end loop;
end
$$;
