-- What the benchmark runs inside the server. The loops are there, so that the wire is not measured: one statement calls many times.

create extension if not exists aias;

create function repeat_is_valid(nodes jsonb, connections jsonb, times integer) returns void
language plpgsql as $$
declare
  answer boolean;
begin
  for n in 1 .. times loop
    answer := aias.workflow_is_valid(nodes, connections);
    if answer is not true then
      raise exception 'the workflow is not valid';
    end if;
  end loop;
end
$$;

-- What a project without the extension might write: whether the graph has one trigger, no cycle, and no node that the trigger does
-- not reach. It looks at nothing else. A walk that keeps the path it came by would never end on a graph whose branches join again,
-- so this one keeps the distance: without a cycle no path is as long as there are nodes, and equal pairs are walked once.
create function graph_is_sound(nodes jsonb, connections jsonb) returns boolean
language plpgsql immutable as $$
declare
  start text;
  total integer := jsonb_array_length(nodes);
  reached integer;
  longest integer;
begin
  select n ->> 'id' into strict start from jsonb_array_elements(nodes) n where n ->> 'type' = 'trigger';

  with recursive edges as materialized (
    select c ->> 'source' as source, c ->> 'target' as target from jsonb_array_elements(connections) c
  ),
  walk (node, distance) as (
    select start, 0
    union
    select edges.target, walk.distance + 1 from walk join edges on edges.source = walk.node where walk.distance < total
  )
  select count(distinct node), max(distance) into reached, longest from walk;

  return reached = total and longest < total;
end
$$;

-- The same as the manual writes it: a walk that keeps the path it came by. Branches that join again multiply its paths.
-- <https://www.postgresql.org/docs/current/queries-with.html#QUERIES-WITH-CYCLE>
create function graph_is_sound_by_paths(nodes jsonb, connections jsonb) returns boolean
language plpgsql immutable as $$
declare
  start text;
begin
  select n ->> 'id' into strict start from jsonb_array_elements(nodes) n where n ->> 'type' = 'trigger';

  return (
    with recursive edges as materialized (
      select c ->> 'source' as source, c ->> 'target' as target from jsonb_array_elements(connections) c
    ),
    walk (node) as (
      select start
      union all
      select edges.target from walk join edges on edges.source = walk.node
    ) cycle node set is_cycle using path
    select not bool_or(is_cycle) and count(distinct node) = jsonb_array_length(nodes) from walk
  );
end
$$;

-- The same by the whole of what reaches what.
create function graph_is_sound_by_closure(nodes jsonb, connections jsonb) returns boolean
language plpgsql immutable as $$
declare
  start text;
begin
  select n ->> 'id' into strict start from jsonb_array_elements(nodes) n where n ->> 'type' = 'trigger';

  return (
    with recursive edges as materialized (
      select c ->> 'source' as source, c ->> 'target' as target from jsonb_array_elements(connections) c
    ),
    reach (source, target) as (
      select source, target from edges
      union
      select reach.source, edges.target from reach join edges on edges.source = reach.target
    )
    select not exists (select from reach where source = target)
       and not exists (
         select from jsonb_array_elements(nodes) n
         where n ->> 'id' <> start and n ->> 'id' not in (select target from reach where source = start)
       )
  );
end
$$;

create function repeat_walk(nodes jsonb, connections jsonb, times integer) returns void
language plpgsql as $$
begin
  for n in 1 .. times loop
    if graph_is_sound(nodes, connections) is not true then
      raise exception 'the graph is not sound';
    end if;
  end loop;
end
$$;

create function repeat_closure(nodes jsonb, connections jsonb, times integer) returns void
language plpgsql as $$
begin
  for n in 1 .. times loop
    if graph_is_sound_by_closure(nodes, connections) is not true then
      raise exception 'the graph is not sound';
    end if;
  end loop;
end
$$;
