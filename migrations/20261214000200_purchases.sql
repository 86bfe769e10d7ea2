-- Who has bought what: purchases, and what each use costs.
--
--   edge.begin_purchase ──► public.purchases, pending ──(what Stripe tells: …0400)──► active, or not any more
--   rpc accept_listing_price ──► active at once, for a listing that is paid by use
--
-- A purchase keeps the words and the price that the buyer saw: no change of the listing changes it, and it outlives the seller. Who the seller is, is in
-- billing.sales, which no client reads.

alter table billing.settings
  add column marketplace_fee_basis_points integer not null default 1500,
  add constraint marketplace_fee_is_a_part check (marketplace_fee_basis_points between 0 and 10000);
comment on column billing.settings.marketplace_fee_basis_points is
  'The platform''s part of what buyers pay, in hundredths of a percent, for purchases from now on. Rounded down to a whole minor unit; the rest is the seller''s.';

create table public.purchases (
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  id uuid not null default aias.uuid7(),
  listing_id uuid not null,
  slug text not null,
  title text not null,
  price_kind text not null,
  amount bigint not null,
  currency text not null,
  "interval" text,
  state text not null default 'pending',
  created_by uuid references public.users (id) on delete set null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (tenant_id, id),
  -- Stripe names a purchase without its tenant.
  constraint purchase_id_is_global unique (id),
  constraint purchase_price_kind_is_known check (price_kind in ('per_use', 'subscription', 'one_time')),
  constraint purchase_state_is_known check (state in ('pending', 'active', 'paused', 'ended', 'refunded', 'disputed'))
);
create index purchases_listing on public.purchases (listing_id, tenant_id);
create index purchases_created_by on public.purchases (created_by);
alter table public.purchases enable row level security;

comment on table public.purchases is 'What the tenant has bought in the marketplace, at which price. Derived from what Stripe tells; begun by Checkout, or by rpc accept_listing_price.';
comment on column public.purchases.listing_id is 'Of public.catalogue, as long as it is there. No reference: what was bought outlives what is sold.';
comment on column public.purchases.state is
  'active: workflows may ask the listing''s agent. pending: nothing is paid yet. paused: a subscription that is unpaid or paused. ended: a subscription that is over. '
  'refunded, disputed: the money went back, all of it or by a lost dispute.';

create trigger _800_audit after insert or update or delete on public.purchases
  for each row execute function aias.record_change('tenant_id', 'id');
create trigger _900_touch before update on public.purchases
  for each row execute function private.touch_updated_at();

create function private.keep_sold_agent() returns trigger
language plpgsql
-- Definer: it looks at what others have bought.
security definer
set search_path = ''
as $$
begin
  -- Whoever buys one of these just now is waited for, and seen below.
  perform from public.listings l where l.tenant_id = old.tenant_id and l.agent_id = old.id for update;
  if exists (
       select from public.listings l join public.purchases p on p.listing_id = l.id
        where l.tenant_id = old.tenant_id and l.agent_id = old.id and p.state in ('active', 'paused'))
     -- A tenant that goes takes all along.
     and exists (select from public.tenants t where t.id = old.tenant_id) then
    perform private.refuse(409, 'agent_is_sold', 'somebody has bought this agent', null, 'withdraw its listing: then nobody else does');
  end if;
  return old;
end
$$;

comment on function private.keep_sold_agent is 'Refuses to delete an agent that others have bought and still have.';

create trigger _060_keep_sold_agent before delete on public.ai_agents
  for each row execute function private.keep_sold_agent();

create table billing.parties (
  tenant_id uuid primary key references public.tenants (id) on delete cascade,
  id uuid not null default aias.uuid7(),
  constraint party_is_of_one_tenant unique (id)
);
alter table billing.parties enable row level security;

comment on table billing.parties is 'What tenants are called in the books. It goes with the tenant: then the books are kept, and nobody can say whose they were.';

create function billing.party_of(tenant uuid) returns uuid
language plpgsql
set search_path = ''
as $$
declare
  party uuid := (select p.id from billing.parties p where p.tenant_id = tenant);
begin
  if party is null then
    insert into billing.parties (tenant_id) values (tenant) on conflict (tenant_id) do nothing;
    select p.id into party from billing.parties p where p.tenant_id = tenant;
  end if;
  return party;
end
$$;

comment on function billing.party_of is 'What a tenant is called in the books.';

create table billing.sales (
  tenant_id uuid not null,
  purchase_id uuid not null,
  seller_id uuid not null,
  fee_basis_points integer not null,
  primary key (tenant_id, purchase_id),
  constraint sale_is_of_a_purchase foreign key (tenant_id, purchase_id) references public.purchases (tenant_id, id) on delete cascade,
  constraint sale_fee_is_a_part check (fee_basis_points between 0 and 10000)
);
alter table billing.sales enable row level security;

comment on table billing.sales is 'The other side of each purchase: who sold it, and what the platform''s part is. As it was when it was begun.';
comment on column billing.sales.seller_id is 'Of billing.parties. No reference: what was sold outlives who sold it.';

create table public.marketplace_charges (
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  id uuid not null default aias.uuid7(),
  listing_id uuid not null,
  purchase_id uuid not null,
  amount bigint not null,
  currency text not null,
  created_at timestamptz not null default now(),
  usage_key text not null,
  primary key (tenant_id, id),
  constraint use_is_charged_once unique (tenant_id, usage_key),
  constraint charge_is_of_a_purchase foreign key (tenant_id, purchase_id) references public.purchases (tenant_id, id) on delete cascade,
  constraint charge_is_an_amount check (amount > 0)
);
create index marketplace_charges_purchase on public.marketplace_charges (tenant_id, purchase_id);
alter table public.marketplace_charges enable row level security;

comment on table public.marketplace_charges is 'One row for each use of a listing that is paid by use, in minor units of its currency. Never changed.';
comment on column public.marketplace_charges.usage_key is
  'The key of the usage that it is for, up to the step: a step that is tried again, or asks its model in several rounds, is one use.';

-- Beginning --------------------------------------------------------------------------------------------------------------------------

create function private.sell(tenant uuid, listing uuid, becomes text) returns public.purchases
language plpgsql
set search_path = ''
as $$
declare
  offered public.listings;
  purchase public.purchases;
begin
  -- Two who begin at once buy once.
  perform pg_advisory_xact_lock(hashtextextended(concat_ws(':', 'purchase', tenant, listing), 0));
  -- Shared, so that it is still sold, at this price, when we commit.
  select l.* into offered from public.listings l where l.id = listing and l.state = 'published' for share;
  if not found then
    perform private.refuse(404, 'listing_not_found', 'there is no such listing', null, 'the table catalogue has those that are sold');
  end if;
  if offered.tenant_id = tenant then
    perform private.refuse(409, 'listing_is_your_own', 'this tenant sells this listing itself', null, 'its own agent needs no purchase');
  end if;
  if exists (select from public.purchases p where p.tenant_id = tenant and p.listing_id = listing and p.state in ('active', 'paused')) then
    perform private.refuse(409, 'already_purchased', 'this tenant has bought this listing already');
  end if;
  -- A Checkout that nobody has finished is begun again, unless the offer is another one by now.
  select p.* into purchase from public.purchases p
   where p.tenant_id = sell.tenant and p.listing_id = listing and p.state = 'pending'
     and (p.price_kind, p.amount, p.currency, p."interval") is not distinct from (offered.price_kind, offered.amount, offered.currency, offered."interval")
   order by p.created_at desc limit 1;
  if found then
    return purchase;
  end if;
  insert into public.purchases (tenant_id, listing_id, slug, title, price_kind, amount, currency, "interval", state, created_by)
  values (tenant, listing, offered.slug, offered.title, offered.price_kind, offered.amount, offered.currency, offered."interval", becomes, (select auth.uid()))
  returning * into purchase;
  insert into billing.sales (tenant_id, purchase_id, seller_id, fee_basis_points)
  select tenant, purchase.id, billing.party_of(offered.tenant_id), s.marketplace_fee_basis_points from billing.settings s;
  return purchase;
end
$$;

comment on function private.sell is 'Writes a purchase at the price of now, or finds the one that was begun. Called by those that have asked for a permission.';

create function edge.begin_purchase(tenant uuid, listing uuid)
returns table (purchase_id uuid, mode text, name text, amount bigint, currency text, "interval" text)
language plpgsql
-- Definer: edge-api has no rights on tables. It asks for those who hold billing.manage.
security definer
set search_path = ''
as $$
declare
  offered public.catalogue;
  purchase public.purchases;
begin
  perform private.demand(tenant, 'billing.manage');
  select c.* into offered from public.catalogue c where c.listing_id = listing;
  if offered.price_kind = 'per_use' then
    return query select null::uuid, 'none', offered.title, offered.amount, offered.currency, offered."interval";
    return;
  end if;
  purchase := private.sell(tenant, listing, 'pending');
  return query
    select purchase.id, case purchase.price_kind when 'subscription' then 'subscription' else 'payment' end, purchase.title, purchase.amount,
           purchase.currency, purchase."interval";
end
$$;

comment on function edge.begin_purchase is
  'Begins a purchase, with the claims of its caller, and answers what Checkout is to ask for: mode as Stripe has it (https://docs.stripe.com/api/checkout/sessions/create#create_checkout_session-mode). '
  'Mode none: nothing is paid by Checkout, the price of a use is accepted by rpc accept_listing_price. The session, and what comes of it, has purchase_id in its metadata: by that it is known again.';

create function private.accept_listing_price(tenant uuid, listing uuid, seen_amount bigint, seen_currency text) returns public.purchases
language plpgsql
-- Definer: clients do not write purchases. It asks for billing.manage.
security definer
set search_path = ''
as $$
declare
  purchase public.purchases;
begin
  perform private.demand(tenant, 'billing.manage');
  if exists (select from public.catalogue c where c.listing_id = listing and c.price_kind <> 'per_use') then
    perform private.refuse(409, 'listing_is_not_paid_by_use', 'this listing is bought by Checkout', null, 'POST /v1/billing/checkout begins one');
  end if;
  purchase := private.sell(tenant, listing, 'active');
  if (purchase.amount, purchase.currency) is distinct from (seen_amount, seen_currency) then
    perform private.refuse(409, 'price_has_changed', format('a use costs %s %s', purchase.amount, purchase.currency), null, 'accept the price that it has now');
  end if;
  return purchase;
end
$$;

create function public.accept_listing_price(tenant_id uuid, listing_id uuid, amount bigint, currency text) returns public.purchases
language sql set search_path = '' as $$ select * from private.accept_listing_price(tenant_id, listing_id, amount, currency) $$;

comment on function public.accept_listing_price is
  'Accepts what a use of a listing costs, as the catalogue says it, in the tenant''s name: from now on its workflows may ask the listing''s agent. Needs billing.manage.';
