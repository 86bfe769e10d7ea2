-- Mails that a worker sends: an outbox, so that a mail is promised by the same transaction as what it is about.
--
--   queued ──► sent        the mail server took it
--   queued ──► dead        it never will, or ten attempts failed
--   queued ──► dropped     it has become pointless: the invitation was used, withdrawn, or is over
--
-- A claim pushes run_at to the end of a lease and raises the fencing token, as with jobs. A worker that dies between the server's answer and
-- our note of it repeats the mail, under the same Message-ID.

create table queue.mails (
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  id uuid not null default aias.uuid7(),
  idempotency_key text not null,
  template text not null,
  recipient text not null,
  subject_id uuid,
  variables jsonb not null default '{}',
  status text not null default 'queued',
  run_at timestamptz not null default now(),
  expires_at timestamptz,
  attempt integer not null default 0,
  fencing_token bigint not null default 0,
  claimed_by text,
  error text,
  created_at timestamptz not null default now(),
  finished_at timestamptz,
  primary key (tenant_id, id),
  constraint mail_is_promised_once unique (tenant_id, idempotency_key),
  constraint mail_template_is_known check (template in ('invitation')),
  constraint mail_status_is_known check (status in ('queued', 'sent', 'dead', 'dropped')),
  constraint mail_is_finished_when_it_says_so check ((status in ('sent', 'dead', 'dropped')) = (finished_at is not null))
);
create index mails_run_at on queue.mails (run_at) where status = 'queued';
create index mails_finished_at on queue.mails (finished_at) where status <> 'queued';
alter table queue.mails enable row level security;

comment on table queue.mails is 'The outbox. Holds no token: a worker makes one for each sending, and only its hash comes back.';
comment on column queue.mails.subject_id is 'What it is about: the invitation.';
comment on column queue.mails.expires_at is 'From then on it makes no sense to send it.';
comment on column queue.mails.error is 'What the mail server last said.';

create function queue.claim_mails(worker text, max_mails integer, lease interval)
returns table (
  tenant_id uuid, id uuid, fencing_token bigint, attempt integer, idempotency_key text, template text, recipient text, variables jsonb,
  expires_at timestamptz
)
language sql
-- Definer: see queue.claim.
security definer
set search_path = ''
as $$
  with due as (
    select m.tenant_id, m.id from queue.mails m
     where m.status = 'queued' and m.run_at <= now()
     order by m.run_at
     limit max_mails
       for update skip locked
  )
  update queue.mails m
     set run_at = now() + lease, fencing_token = m.fencing_token + 1, attempt = m.attempt + 1, claimed_by = worker
    from due
   where m.tenant_id = due.tenant_id and m.id = due.id
  returning m.tenant_id, m.id, m.fencing_token, m.attempt, m.idempotency_key, m.template, m.recipient, m.variables, m.expires_at
$$;

comment on function queue.claim_mails is 'Takes up to max_mails due mails for a lease. What is not recorded by its end is claimed again.';

create function queue.record_mail(
  worker text, tenant uuid, mail uuid, token bigint, outcome text, error text default null, retry_at timestamptz default null
) returns boolean
language plpgsql
-- Definer: see queue.claim.
security definer
set search_path = ''
as $$
declare
  recorded queue.mails;
begin
  -- The invitation first, then the mail: the order in which an invitation ends.
  perform from public.invitations i
    where i.tenant_id = tenant
      and i.id = (select m.subject_id from queue.mails m where m.tenant_id = tenant and m.id = mail and m.template = 'invitation')
      for no key update;
  update queue.mails m
     set status = case outcome when 'retry' then 'queued' else outcome end,
         run_at = case outcome when 'retry' then coalesce(retry_at, now()) else m.run_at end,
         finished_at = case outcome when 'retry' then null else now() end,
         claimed_by = null,
         error = record_mail.error
   where m.tenant_id = tenant and m.id = mail and m.fencing_token = token and m.claimed_by = worker and m.status = 'queued'
  returning * into recorded;
  if recorded.id is null then
    return false;
  end if;
  if recorded.template = 'invitation' and outcome <> 'dropped' then
    update public.invitations i
       set sent_at = case when outcome = 'sent' then now() else i.sent_at end,
           delivery_error = case when outcome = 'sent' then null else record_mail.error end
     where i.tenant_id = tenant and i.id = recorded.subject_id;
  end if;
  return true;
end
$$;

comment on function queue.record_mail is
  'Writes what became of a claimed mail: sent, retry (at retry_at), dead or dropped. False when the lease was lost.';

create function queue.next_mail_due() returns timestamptz
language sql
stable
-- Definer: see queue.claim.
security definer
set search_path = ''
as $$
  select min(m.run_at) from queue.mails m where m.status = 'queued'
$$;

comment on function queue.next_mail_due is 'When the next mail may be claimed.';
