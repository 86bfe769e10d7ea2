-- The marketplace's shelves: agents that a tenant sells to others.
--
--   public.listings, of the seller ──(while published)──► public.catalogue, for everybody who is signed in
--
-- What is reviewed is what is sold: a listing pins a version of its agent, which never changes, and its words and price change in a draft only. What is
-- in force for those who have bought is published_version, until the next one is published.
--
--   draft ──► submitted ──► approved ──► published ◄──► withdrawn
--     ▲           │  │          │                         │
--     ├───────────┘  ▼          │                         │
--     ├────────── rejected      │                         │              the operator: approved, rejected, suspended, and draft again after that;
--     ├─────────────────────────┴─────────────────────────┘              the seller: all else
--     └────────── suspended ◄── whatever was published once
--
-- Drawn in full in migrations/README.md, and equal to private.listing_may_become.

create table public.listings (
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  id uuid not null default aias.uuid7(),
  agent_id uuid not null,
  agent_version integer not null,
  slug text not null,
  title text not null,
  description text not null default '',
  category text not null,
  price_kind text not null,
  amount bigint not null,
  currency text not null,
  "interval" text,
  state text not null default 'draft',
  review_note text,
  published_version integer,
  created_by uuid references public.users (id) on delete set null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (tenant_id, id),
  -- Whoever buys names a listing without its seller.
  constraint listing_id_is_global unique (id),
  constraint listing_slug_is_global unique (slug),
  constraint listing_sells_a_version_of_an_agent foreign key (tenant_id, agent_id, agent_version)
    references public.agent_versions (tenant_id, agent_id, version) on delete cascade,
  constraint listing_slug_is_a_word check (slug ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
  constraint listing_title_is_not_empty check (length(btrim(title)) between 1 and 200),
  constraint listing_description_is_short check (length(description) <= 10000),
  constraint listing_category_is_a_word check (category ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
  constraint listing_price_kind_is_known check (price_kind in ('per_use', 'subscription', 'one_time')),
  -- Eight digits: https://docs.stripe.com/api/prices/create#create_price-unit_amount takes no more for most currencies.
  constraint listing_amount_is_a_price check (amount between 1 and 99999999),
  constraint listing_currency_is_a_code check (currency ~ '^[a-z]{3}$'),
  constraint listing_recurs_if_it_is_a_subscription check ((price_kind = 'subscription') = ("interval" is not null)),
  constraint listing_interval_is_known check ("interval" in ('day', 'week', 'month', 'year')),
  constraint listing_state_is_known check (
    state in ('draft', 'submitted', 'approved', 'rejected', 'published', 'withdrawn', 'suspended')
  ),
  constraint listing_on_sale_has_a_version check (
    state not in ('published', 'withdrawn', 'suspended') or published_version is not null
  )
);
create index listings_agent on public.listings (tenant_id, agent_id, agent_version);
create index listings_created_by on public.listings (created_by);
alter table public.listings enable row level security;

comment on table public.listings is 'Agents that a tenant sells. A draft is changed like any row; its state by rpc change_listing_state, and by the operator''s billing.review_listing.';
comment on column public.listings.amount is 'In minor units of the currency: for each use, for each interval, or once.';
comment on column public.listings.published_version is 'The version of the agent that buyers run; null while it was never published. A newer one is listed in a draft, reviewed and published.';
comment on column public.listings.review_note is 'What the reviewer said last.';

create table public.catalogue (
  listing_id uuid primary key,
  slug text not null unique,
  title text not null,
  description text not null,
  category text not null,
  seller_name text not null,
  price_kind text not null,
  amount bigint not null,
  currency text not null,
  "interval" text,
  published_at timestamptz not null default now()
);
create index catalogue_category on public.catalogue (category, published_at desc);
alter table public.catalogue enable row level security;

comment on column public.catalogue.seller_name is 'As it was when this was published.';
comment on table public.catalogue is 'The listings that are published, for everybody who is signed in: of the seller its name, and of the agent nothing. Kept by the database.';

-- States -----------------------------------------------------------------------------------------------------------------------------

create function private.listing_may_become(was text, becomes text) returns boolean
language sql
immutable
set search_path = ''
as $$
  select was || ' --> ' || becomes in (
    'draft --> submitted', 'submitted --> draft', 'submitted --> approved', 'submitted --> rejected', 'rejected --> draft',
    'approved --> published', 'approved --> draft', 'published --> withdrawn', 'withdrawn --> published', 'withdrawn --> draft',
    'published --> suspended', 'withdrawn --> suspended', 'draft --> suspended', 'submitted --> suspended', 'approved --> suspended',
    'rejected --> suspended',
    -- And not published: it may be another version by now than the one that was reviewed.
    'suspended --> draft')
$$;

comment on function private.listing_may_become is 'Every change of state that there is, by whomever.';

create function private.keep_listing() returns trigger
language plpgsql
set search_path = ''
as $$
declare
  -- Not by the session's role, which is the caller's in a definer's function too.
  is_client constant boolean := current_user in ('anon', 'authenticated');
begin
  if tg_op = 'INSERT' then
    if is_client then
      new.state := 'draft';
      new.published_version := null;
      new.review_note := null;
    end if;
    return new;
  end if;
  if tg_op = 'DELETE' then
    if is_client and old.published_version is not null then
      perform private.refuse(409, 'listing_was_published', 'a listing that was published stays, for those who have bought it', null, 'withdraw it');
    end if;
    return old;
  end if;
  if is_client then
    new.review_note := old.review_note;
    new.published_version := old.published_version;
    if new.state <> old.state then
      perform private.refuse(409, 'listing_state_is_fixed', 'the state of a listing is not written', null, 'call rpc change_listing_state');
    end if;
  end if;
  if new.state <> old.state and not private.listing_may_become(old.state, new.state) then
    perform private.refuse(409, 'listing_state', format('a listing that is %s cannot become %s', old.state, new.state));
  end if;
  if (new.agent_id, new.agent_version, new.slug, new.title, new.description, new.category, new.price_kind, new.amount, new.currency, new."interval")
     is distinct from
     (old.agent_id, old.agent_version, old.slug, old.title, old.description, old.category, old.price_kind, old.amount, old.currency, old."interval") then
    if old.state <> 'draft' then
      perform private.refuse(409, 'listing_is_no_draft', format('a listing that is %s does not change', old.state), null,
        'make it a draft again with rpc change_listing_state; what is published stays for those who have bought it');
    end if;
    if new.slug <> old.slug and old.published_version is not null then
      perform private.refuse(409, 'listing_slug_is_fixed', 'workflows of buyers name a listing that was published by its slug');
    end if;
  end if;
  if new.state = 'published' then
    new.published_version := new.agent_version;
  end if;
  return new;
end
$$;

comment on function private.keep_listing is 'Holds a listing to its states: clients change drafts, functions change states, and what was reviewed stays as it was.';

create trigger _050_stamp_author before insert on public.listings
  for each row execute function private.stamp_author();
create trigger _050_keep_columns before update on public.listings
  for each row execute function private.keep_columns('created_by', 'created_at');
create trigger _060_keep_identity before update on public.listings
  for each row
  when (new.tenant_id is distinct from old.tenant_id or new.id is distinct from old.id) execute function private.keep_identity();
create trigger _100_keep_listing before insert or update or delete on public.listings
  for each row execute function private.keep_listing();
create trigger _800_audit after insert or update or delete on public.listings
  for each row execute function aias.record_change('tenant_id', 'id');
create trigger _900_touch before update on public.listings
  for each row execute function private.touch_updated_at();

-- The catalogue ----------------------------------------------------------------------------------------------------------------------

create function private.keep_catalogue() returns trigger
language plpgsql
-- Definer: nobody else writes the catalogue.
security definer
set search_path = ''
as $$
begin
  if tg_op = 'DELETE' or new.state <> 'published' then
    delete from public.catalogue c where c.listing_id = old.id;
    return null;
  end if;
  insert into public.catalogue (listing_id, slug, title, description, category, seller_name, price_kind, amount, currency, "interval")
  select new.id, new.slug, new.title, new.description, new.category, t.name, new.price_kind, new.amount, new.currency, new."interval"
    from public.tenants t where t.id = new.tenant_id
  on conflict (listing_id) do nothing;
  return null;
end
$$;

comment on function private.keep_catalogue is 'Has the catalogue show what is published, and no more.';

create trigger _200_keep_catalogue after insert on public.listings
  for each row when (new.state = 'published') execute function private.keep_catalogue();
create trigger _200_keep_catalogue_as_it_is after update on public.listings
  for each row when (new.state <> old.state) execute function private.keep_catalogue();
create trigger _200_leave_catalogue after delete on public.listings
  for each row execute function private.keep_catalogue();

-- What the seller does ---------------------------------------------------------------------------------------------------------------

create function private.listing_problem(listing public.listings) returns text
language sql
stable
set search_path = ''
as $$
  select case
    when jsonb_path_exists(v.config, '$.tools[*] ? (@.type != "function" && exists (@.type))') then
      'an agent that is sold declares functions and has no tools that workers run: those act with the seller''s secrets, documents and workflows'
    when v.config -> 'mcp_servers' not in ('null', '[]') then
      'an agent that is sold asks no MCP servers'
    when v.config::text ~ '\msecrets\M' then
      'an agent that is sold names no secrets'
  end
    from public.agent_versions v
   where v.tenant_id = listing.tenant_id and v.agent_id = listing.agent_id and v.version = listing.agent_version
$$;

comment on function private.listing_problem is 'Why the version of an agent that a listing names cannot be sold; null when it can.';

create function private.change_listing_state(listing uuid, becomes text) returns public.listings
language plpgsql
-- Definer: clients do not write states. It asks for billing.manage, since what is sold is a matter of money.
security definer
set search_path = ''
as $$
declare
  found_listing public.listings;
  problem text;
begin
  select l.* into found_listing from public.listings l
   where l.id = listing and l.tenant_id = any (array(select private.own_tenants())) for update;
  if not found then
    perform private.refuse(404, 'not_found', 'there is no such listing');
  end if;
  perform private.demand(found_listing.tenant_id, 'billing.manage');
  if becomes not in ('draft', 'submitted', 'published', 'withdrawn') or found_listing.state = 'suspended' then
    perform private.refuse(409, 'listing_state', format('a listing that is %s becomes %s by the operator alone', found_listing.state, becomes));
  end if;
  if becomes in ('submitted', 'published') then
    problem := private.listing_problem(found_listing);
    if problem is not null then
      perform private.refuse(409, 'agent_cannot_be_sold', problem);
    end if;
  end if;
  update public.listings l set state = becomes where l.tenant_id = found_listing.tenant_id and l.id = listing returning l.* into found_listing;
  return found_listing;
end
$$;

create function public.change_listing_state(listing_id uuid, state text) returns public.listings
language sql set search_path = '' as $$ select * from private.change_listing_state(listing_id, state) $$;

comment on function public.change_listing_state is
  'For the seller, with billing.manage: submitted, for review; draft again, to be changed; published, once it is approved; withdrawn from sale, which those who have bought do not notice.';

-- What the operator does -------------------------------------------------------------------------------------------------------------

create function billing.review_listing(listing uuid, becomes text, note text default null) returns text
language plpgsql
set search_path = ''
as $$
declare
  was text;
begin
  select l.state into was from public.listings l where l.id = listing for update;
  if not found then
    raise exception 'there is no listing %', listing using errcode = 'no_data_found';
  end if;
  if not (was = 'submitted' and becomes in ('approved', 'rejected') or was = 'suspended' and becomes = 'draft' or becomes = 'suspended') then
    raise exception 'a listing that is % becomes % by its seller alone', was, becomes using errcode = 'check_violation';
  end if;
  if becomes in ('rejected', 'suspended') and coalesce(btrim(note), '') = '' then
    raise exception 'who rejects or suspends says why' using errcode = 'check_violation';
  end if;
  update public.listings l set state = becomes, review_note = note where l.id = listing;
  return becomes;
end
$$;

comment on function billing.review_listing is
  'For the operator: approves or rejects what is submitted; suspends what was published, which then nobody runs, until it is a draft again. The note is for the seller, and is in its audit log.';
