-- Which schemas an API role can look into. `public` is the door; the other two only lend functions to policies and RPCs.

revoke all on schema private, queue, aias from public, anon, authenticated, service_role, aias_edge, aias_worker;
grant usage on schema public to anon, authenticated, service_role;
grant usage on schema private, aias to authenticated;
grant usage on schema queue to aias_worker;
