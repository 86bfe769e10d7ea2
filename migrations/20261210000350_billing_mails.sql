-- Mails about money: that an invoice is paid, that a payment has failed, that a trial ends. They are promised by the transaction that changes what
-- they are about, once for each of the tenant's people who look after its billing, however often and in whatever order events come.
--
--   receipt          the invoice has become paid
--   payment_failed   an attempt to pay it has failed
--   trial_ending     the trial ends within three days, and a payment follows

alter table queue.mails
  drop constraint mail_template_is_known,
  add constraint mail_template_is_known check (template in ('invitation', 'workflow', 'receipt', 'payment_failed', 'trial_ending'));

create function billing.amount_text(amount bigint, currency text) returns text
language sql
immutable
set search_path = ''
as $$
  -- https://docs.stripe.com/currencies#zero-decimal and #three-decimal
  select to_char(amount / 10::numeric ^ c.digits, 'FM999999999999990' || case c.digits when 0 then '' else '.' || repeat('0', c.digits) end)
         || ' ' || upper(currency)
    from (select case
            when lower(currency) in ('bif', 'clp', 'djf', 'gnf', 'jpy', 'kmf', 'krw', 'mga', 'pyg', 'rwf', 'vnd', 'vuv', 'xaf', 'xof', 'xpf') then 0
            when lower(currency) in ('bhd', 'jod', 'kwd', 'omr', 'tnd') then 3
            else 2 end as digits) c
$$;

comment on function billing.amount_text is 'Minor units as a person reads them: 4900 of usd is "49.00 USD", of jpy "4900 JPY".';

create function billing.caretakers(tenant uuid) returns table (user_id uuid, email text)
language sql
stable
set search_path = ''
as $$
  select u.id, u.email
    from private.access a
    join public.users u on u.id = a.principal
   where a.tenant_id = tenant and a.ends_at > now() and (a.granted | a.granted_with_second_factor) & private.mask_of('{billing.manage}') <> 0
   order by u.id
$$;

comment on function billing.caretakers is 'Who looks after a tenant''s billing: people with billing.manage, whether or not they have a second factor at the moment.';

create function billing.promise_mail(tenant uuid, template text, about text, variables jsonb, expires_at timestamptz) returns integer
language plpgsql
set search_path = ''
as $$
declare
  promised integer;
begin
  insert into queue.mails (tenant_id, idempotency_key, template, recipient, variables, expires_at)
  select tenant, format('%s:%s:%s', template, about, c.user_id), template, c.email, variables || jsonb_build_object('tenant_name', t.name), expires_at
    from billing.caretakers(tenant) c join public.tenants t on t.id = tenant
   where t.status <> 'cancelled'
  on conflict on constraint mail_is_promised_once do nothing;
  get diagnostics promised = row_count;
  if promised > 0 then
    perform pg_notify('aias_mails', '');
  end if;
  return promised;
end
$$;

comment on function billing.promise_mail is 'Puts a mail about something into the outbox, one for each caretaker: once, however often it is called. Answers how many that were.';

create function billing.mail_receipt() returns trigger
language plpgsql
-- Definer: the row may be derived because somebody has changed something else, and the outbox is nobody's.
security definer
set search_path = ''
as $$
begin
  update queue.mails m set status = 'dropped', finished_at = now(), claimed_by = null, error = 'it has been paid'
   where m.tenant_id = new.tenant_id and m.template = 'payment_failed' and m.status = 'queued' and starts_with(m.idempotency_key, format('payment_failed:%s:', new.id));
  perform billing.promise_mail(new.tenant_id, 'receipt', new.id, jsonb_build_object(
    'number', new.number, 'link', new.hosted_invoice_url, 'amount', billing.amount_text(new.amount_paid, new.currency), 'paid_at', to_json(new.paid_at)),
    now() + interval '3 days');
  return null;
end
$$;

comment on function billing.mail_receipt is 'Promises a receipt. What was promised of failed payments and has not gone is dropped.';

-- What is known late, of a customer who has been there before us, is not told as news.
create trigger _700_mail_receipt after insert or update of status on public.invoices
  for each row when (new.status = 'paid' and new.amount_paid > 0 and new.paid_at > now() - interval '3 days') execute function billing.mail_receipt();

create function billing.mail_about_failures(events text[]) returns void
language sql
set search_path = ''
as $$
  -- An invoice alone does not say it: it is open, too, and has been attempted, while a bank takes days to debit.
  select billing.promise_mail(i.tenant_id, 'payment_failed', format('%s:%s', i.id, i.attempt), jsonb_build_object(
           'number', i.number, 'link', i.hosted_invoice_url, 'amount', billing.amount_text(i.amount_remaining, i.currency),
           'next_attempt_at', to_json(i.next_payment_attempt_at),
           'suspended_at', (select to_json(s.grace_ends_at) from public.subscriptions s
                             where s.tenant_id = i.tenant_id and s.id = i.subscription_id and s.decides and s.grace_ends_at > now())),
           now() + interval '3 days')
    from (
      select p.*, coalesce(e.payload #>> '{data,object,attempt_count}', '1') as attempt
        from billing.events e
        join public.invoices p on p.id = e.payload #>> '{data,object,id}'
       where e.id = any (events) and e.type = 'invoice.payment_failed' and e.account = '' and e.created > now() - interval '3 days' and p.status = 'open'
    ) i
$$;

comment on function billing.mail_about_failures is 'Promises word of the payments that these events say have failed, unless the invoice is paid by now.';

create index subscriptions_trial_end on public.subscriptions (trial_end) where status = 'trialing';

create function billing.mail_about_trials(most integer) returns integer
language plpgsql
set search_path = ''
as $$
declare
  ending record;
  found integer := 0;
begin
  for ending in
    select s.tenant_id, s.id, s.trial_end, p.name as plan_name
      from public.subscriptions s left join public.subscription_plans p on p.id = s.plan_id
     where s.status = 'trialing' and s.trial_end > now() and s.trial_end <= now() + interval '3 days'
       -- Who has cancelled is not asked to pay.
       and s.cancel_at is null and not s.cancel_at_period_end
       and not exists (
         select from queue.mails m where m.tenant_id = s.tenant_id
            and starts_with(m.idempotency_key, format('trial_ending:%s@%s:', s.id, extract(epoch from s.trial_end)::bigint)))
     order by s.trial_end limit most
  loop
    found := found + billing.promise_mail(ending.tenant_id, 'trial_ending', format('%s@%s', ending.id, extract(epoch from ending.trial_end)::bigint),
      jsonb_build_object('trial_ends_at', to_json(ending.trial_end), 'plan_name', ending.plan_name), ending.trial_end);
  end loop;
  return found;
end
$$;

comment on function billing.mail_about_trials is 'Promises a mail about trials that end within three days. A trial that is prolonged is told of again.';
