-- In which tenants the caller may do something, for policies to ask once a statement. They answer from private.access and public.permissions, which
-- are the project's; where these are missing they raise 42P01.

-- Parallel safe: workers have the leader's settings, snapshot and now().
create function aias.tenants_with(permission text) returns uuid[]
language c stable strict parallel safe as 'MODULE_PATHNAME', 'aias_tenants_with';

create function aias.own_tenants() returns uuid[]
language c stable parallel safe as 'MODULE_PATHNAME', 'aias_own_tenants';

create function aias.tenants_asking_for_second_factor() returns uuid[]
language c stable parallel safe as 'MODULE_PATHNAME', 'aias_tenants_asking_for_second_factor';

revoke execute on function aias.tenants_with, aias.own_tenants, aias.tenants_asking_for_second_factor from public;
grant execute on function aias.tenants_with, aias.own_tenants, aias.tenants_asking_for_second_factor to @extowner@;
