-- What buyers think of listings: one to five stars of a tenant, and of each listing how many and what they come to.
--
-- A score is a row of its own, held by whoever rates and by whoever publishes. So neither misses the other, and the catalogue shows what the ratings
-- come to, however many rate at once.

create table public.listing_ratings (
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  listing_id uuid not null,
  stars integer not null,
  rated_by uuid references public.users (id) on delete set null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (tenant_id, listing_id),
  constraint stars_are_one_to_five check (stars between 1 and 5)
);
create index listing_ratings_rated_by on public.listing_ratings (rated_by);
create index listing_ratings_listing on public.listing_ratings (listing_id);
alter table public.listing_ratings enable row level security;

comment on table public.listing_ratings is 'How the tenant has rated what it bought: rpc rate_listing. What all have said of a listing is in public.catalogue.';
comment on column public.listing_ratings.listing_id is 'Of public.catalogue, as long as it is there.';

create table private.listing_scores (
  listing_id uuid primary key,
  ratings integer not null default 0,
  stars bigint not null default 0,
  constraint score_is_of_ratings check (stars between ratings and 5 * ratings::bigint)
);
alter table private.listing_scores enable row level security;

comment on table private.listing_scores is 'What the ratings of a listing come to, whether or not it is published.';
comment on column private.listing_scores.stars is 'All together.';

alter table public.catalogue
  add column ratings integer not null default 0,
  add column rating numeric;
comment on column public.catalogue.ratings is 'How many tenants have rated it.';
comment on column public.catalogue.rating is 'Their stars on average, to a hundredth; null while nobody has.';

create function private.show_score(score private.listing_scores) returns void
language sql
set search_path = ''
as $$
  update public.catalogue c set ratings = score.ratings, rating = round(score.stars::numeric / nullif(score.ratings, 0), 2)
   where c.listing_id = score.listing_id
$$;

comment on function private.show_score is 'Has the catalogue show a score. Called by who holds the score''s row.';

create function private.keep_score() returns trigger
language plpgsql
-- Definer: clients do not write scores.
security definer
set search_path = ''
as $$
declare
  score private.listing_scores;
begin
  if tg_table_name = 'catalogue' then
    -- Published, perhaps once more.
    insert into private.listing_scores as s (listing_id) values (new.listing_id)
    on conflict (listing_id) do update set ratings = s.ratings
    returning s.* into score;
  else
    insert into private.listing_scores as s (listing_id) values (coalesce(new.listing_id, old.listing_id)) on conflict (listing_id) do nothing;
    update private.listing_scores s
       set ratings = s.ratings + (new.stars is not null)::integer - (old.stars is not null)::integer,
           stars = s.stars + coalesce(new.stars, 0) - coalesce(old.stars, 0)
     where s.listing_id = coalesce(new.listing_id, old.listing_id)
    returning s.* into score;
  end if;
  perform private.show_score(score);
  return null;
end
$$;

comment on function private.keep_score is 'Keeps what ratings come to, and has the catalogue show it.';

create trigger _200_keep_score after insert or update of stars or delete on public.listing_ratings
  for each row execute function private.keep_score();
create trigger _200_show_score after insert on public.catalogue
  for each row execute function private.keep_score();
create trigger _060_keep_identity before update on public.listing_ratings
  for each row
  when (new.tenant_id is distinct from old.tenant_id or new.listing_id is distinct from old.listing_id) execute function private.keep_identity();
create trigger _800_audit after insert or update or delete on public.listing_ratings
  for each row execute function aias.record_change('tenant_id', 'listing_id');
create trigger _900_touch before update on public.listing_ratings
  for each row execute function private.touch_updated_at();

create function private.rate_listing(tenant uuid, listing uuid, stars integer) returns public.listing_ratings
language plpgsql
-- Definer: clients do not write ratings. It asks for agents.write.
security definer
set search_path = ''
as $$
#variable_conflict use_column
declare
  rated public.listing_ratings;
begin
  perform private.demand(tenant, 'agents.write');
  if stars is null then
    delete from public.listing_ratings r where r.tenant_id = tenant and r.listing_id = listing returning r.* into rated;
    return rated;
  end if;
  if stars not between 1 and 5 then
    perform private.refuse(400, 'invalid_stars', 'a rating has one to five stars', null, 'null takes a rating back');
  end if;
  -- Who has paid, or has had it. Not whose money went back.
  if not exists (
    select from public.purchases p where p.tenant_id = tenant and p.listing_id = listing and p.state in ('active', 'paused', 'ended')) then
    perform private.refuse(403, 'not_a_buyer', 'those rate a listing who have bought it', null, 'the table purchases says what this tenant has bought');
  end if;
  insert into public.listing_ratings (tenant_id, listing_id, stars, rated_by)
  values (tenant, listing, rate_listing.stars, (select auth.uid()))
  on conflict (tenant_id, listing_id) do update set stars = excluded.stars, rated_by = excluded.rated_by
  returning * into rated;
  return rated;
end
$$;

comment on function private.rate_listing is 'See public.rate_listing.';

create function public.rate_listing(tenant_id uuid, listing_id uuid, stars integer) returns public.listing_ratings
language sql set search_path = '' as $$ select * from private.rate_listing(tenant_id, listing_id, stars) $$;

comment on function public.rate_listing is
  'Rates what the tenant has bought, one to five stars; again changes them, and null takes them back. Needs agents.write. 403 not_a_buyer, 400 invalid_stars.';
