-- In which tenants the caller may do something, for policies to ask once a statement. They answer from private.access and public.permissions, which
-- are the project's; where these are missing they raise 42P01.

-- Parallel safe: workers have the leader's settings, snapshot and now().
create function aias.tenants_with(permission text) returns uuid[]
language c stable strict parallel safe as 'MODULE_PATHNAME', 'aias_tenants_with';

create function aias.own_tenants() returns uuid[]
language c stable parallel safe as 'MODULE_PATHNAME', 'aias_own_tenants';

create function aias.tenants_asking_for_second_factor() returns uuid[]
language c stable parallel safe as 'MODULE_PATHNAME', 'aias_tenants_asking_for_second_factor';

create function aias.among_support(internal) returns internal
language c strict as 'MODULE_PATHNAME', 'aias_among_support';

-- Leakproof, as = of uuid is: it says nothing but its answer. So an index may be asked for it ahead of another table's policies.
create function aias.among(tenant uuid, tenants uuid[]) returns boolean
language c immutable strict leakproof parallel safe support aias.among_support as 'MODULE_PATHNAME', 'aias_among';

revoke execute on function aias.tenants_with, aias.own_tenants, aias.tenants_asking_for_second_factor, aias.among from public;
revoke execute on function aias.among_support from public;
grant execute on function aias.tenants_with, aias.own_tenants, aias.tenants_asking_for_second_factor, aias.among to @extowner@;
