-- A word of its own in every text and every JSON value of the foreign tenants: wherever one of them turns up, it was read there.

create sequence fuzz.words minvalue 0;

create function fuzz.word(stem text) returns text
language sql volatile as $$ select stem || lpad(nextval('fuzz.words')::text, 6, '0') $$;

-- One value, in the first form that the table's constraints take. A value that can only be one of a few, as a status, stays.
create function fuzz.mark_one(place regclass, spot tid, partition oid, col name, type regtype, stem text) returns boolean
language plpgsql as $$
declare
  word text := fuzz.word(stem);
  form text;
  forms text[] := case
    when type in ('text', 'varchar') then array[
      quote_literal(word), quote_literal(word || '@canary.test'), quote_literal(word || '/model'), quote_literal(word || '.canary.test')]
    when type = 'text[]'::regtype then array[format('coalesce(%I, ''{}'') || array[%L]', col, word)]
    else array[format(
      'case when jsonb_typeof(%1$I::jsonb) = ''array'' then %1$I::jsonb || jsonb_build_array(jsonb_build_object(''canary'', %2$L::text))
            when %1$I is null or jsonb_typeof(%1$I::jsonb) = ''object'' then coalesce(%1$I::jsonb, ''{}'') || jsonb_build_object(''canary'', %2$L::text)
            else to_jsonb(%2$L::text) end', col, word)] end;
begin
  foreach form in array forms loop
    begin
      execute format('update %s set %I = (%s)::%s where ctid = $1 and tableoid = $2', place, col, form, type) using spot, partition;
      return true;
    exception when check_violation or unique_violation or string_data_right_truncation then
      null;
    end;
  end loop;
  return false;
end
$$;

create function fuzz.mark(which uuid[], stem text) returns bigint
language plpgsql as $$
declare
  place record;
  spot record;
  marked bigint := 0;
begin
  perform set_config('session_replication_role', 'replica', true);
  for place in
    select p.place, p.owner, a.attname as col, a.atttypid::regtype as type
      from fuzz.places p
      join pg_catalog.pg_attribute a on a.attrelid = p.place and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
     where a.atttypid in ('text'::regtype, 'varchar'::regtype, 'json'::regtype, 'jsonb'::regtype, 'text[]'::regtype)
       -- Sign-in and the counters are others' tables; keys and what points to them stay what they are.
       and p.nspname not in ('auth', 'aias')
       and not exists (
         select from pg_catalog.pg_constraint c
          where c.contype in ('p', 'f')
            and (c.conrelid = p.place and a.attnum = any (c.conkey) or c.confrelid = p.place and a.attnum = any (c.confkey)))
     order by p.place::text, a.attnum
  loop
    for spot in execute format('select ctid as at, tableoid as partition from %s where %s', place.place, fuzz.owned(place.place, '$1'))
      using which
    loop
      -- Each mark moves its row, so a row is looked for where it is now.
      marked := marked + fuzz.mark_one(place.place, spot.at, spot.partition, place.col, place.type, stem)::integer;
    end loop;
  end loop;
  perform set_config('session_replication_role', 'origin', true);
  return marked;
end
$$;

-- What the database drew by itself, ids of the log and times, becomes the same in every run: a seed is to give the same requests.
create function fuzz.make_repeatable() returns void
language plpgsql as $$
declare
  place record;
begin
  perform set_config('session_replication_role', 'replica', true);
  update audit.log l set id = fuzz.id(t.number, '000b', l.seq::integer) from fuzz.tenants t where t.id = l.tenant_id;
  update audit.inbox i set id = fuzz.id(t.number, '000c', o.place::integer)
    from fuzz.tenants t, (select x.tenant_id, x.id, row_number() over (partition by x.tenant_id order by x.id) as place from audit.inbox x) o
   where t.id = i.tenant_id and o.tenant_id = i.tenant_id and o.id = i.id;
  for place in
    select p.place, p.owner, a.attname as col
      from fuzz.places p
      join pg_catalog.pg_attribute a on a.attrelid = p.place and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
     where a.atttypid = 'timestamptz'::regtype and p.nspname <> 'aias'
  loop
    execute format('update %1$s set %2$I = $1 where %3$s and %2$I between $2 and $3', place.place, place.col,
      fuzz.owned(place.place, 'array(select t.id from fuzz.tenants t)'))
      using timestamptz '2025-01-15', timestamptz '2025-06-01', timestamptz '2090-01-01';
  end loop;
  perform set_config('session_replication_role', 'origin', true);
end
$$;
