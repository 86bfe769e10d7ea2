-- The page of Stripe's on which a purchase is paid: one at a time, so that nobody pays one purchase on two pages.

alter table billing.sales
  add column session text,
  add column pages_over integer not null default 0;

comment on column billing.sales.session is 'The checkout session on which it can be paid, as far as is known.';
comment on column billing.sales.pages_over is 'How many sessions before it are over. With the purchase it is the idempotency key of the next one, so all who ask at once get one.';

create function edge.purchase_page(tenant uuid, purchase uuid)
returns table (customer text, name text, key text, session text, pages_over integer)
language plpgsql
stable
-- Definer: see edge.secrets.
security definer
set search_path = ''
as $$
begin
  perform private.demand(tenant, 'billing.manage');
  perform billing.demand_open(tenant);
  return query
    select p.customer, p.name, p.key, s.session, s.pages_over
      from billing.sales s cross join billing.payer(tenant) p
     where s.tenant_id = tenant and s.purchase_id = purchase;
end
$$;

comment on function edge.purchase_page is 'Who pays a purchase (see billing.payer), and on which session, as far as is known.';

create function edge.record_purchase_page(tenant uuid, purchase uuid, of_pages_over integer, made text) returns boolean
language plpgsql
-- Definer: see edge.secrets.
security definer
set search_path = ''
as $$
begin
  perform private.demand(tenant, 'billing.manage');
  update billing.sales s set session = made
   where s.tenant_id = tenant and s.purchase_id = purchase and s.pages_over = of_pages_over and coalesce(s.session, made) = made;
  return found;
end
$$;

comment on function edge.record_purchase_page is 'Writes down on which session a purchase can be paid. False when it is another one by now: then this one must not stay open.';

create function edge.end_purchase_page(tenant uuid, purchase uuid, over text) returns void
language plpgsql
-- Definer: see edge.secrets.
security definer
set search_path = ''
as $$
begin
  perform private.demand(tenant, 'billing.manage');
  update billing.sales s set session = null, pages_over = s.pages_over + 1
   where s.tenant_id = tenant and s.purchase_id = purchase and s.session = over;
end
$$;

comment on function edge.end_purchase_page is 'A session on which nobody can pay any more makes room for the next.';
