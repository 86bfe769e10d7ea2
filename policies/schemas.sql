-- Which schemas an API role can look into. `public` is the door; `private` and `aias` only lend functions to policies and RPCs.

revoke all on schema private, queue, billing, history, audit, edge, aias from public, anon, authenticated, service_role, aias_edge, aias_worker;
grant usage on schema public to anon, authenticated, service_role;
grant usage on schema private, aias to authenticated;
grant usage on schema queue, billing to aias_worker;
grant usage on schema edge to aias_edge;
