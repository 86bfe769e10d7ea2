-- What edge-api asks before and after it asks Stripe: in the name of its caller, who needs billing.manage. billing.checkouts

begin;
\ir ../fixtures/world.sql
select plan(72);

update public.subscription_plans set stripe_price_monthly = 'price_' || key, trial_days = 7 where key <> 'starter';
\set begins 'select edge.begin_checkout(%L, %L, ''month'', null, ''asked'')'

-- Who may ---------------------------------------------------------------------------------------------------------------------------------

select refused('aias_edge:' || actor, statement, status, code, 'asks nothing')
  from (values
    ('admin@alpha.test', 403, 'forbidden'), ('editor@alpha.test', 403, 'forbidden'), ('viewer@alpha.test', 403, 'forbidden'),
    ('key:robot', 403, 'forbidden'), ('key:revoked', 404, 'not_found'), ('stranger@gamma.test', 404, 'not_found'), ('owner@beta.test', 404, 'not_found')
  ) asking (actor, status, code),
  unnest(array[
    format(:'begins', :'alpha', 'professional'), format('select from edge.customer_for_checkout(%L, ''professional'', ''month'')', :'alpha'),
    calling('edge.link_customer', :'alpha', 'cus_x'), format('select edge.record_checkout(%L, 1, ''cs_1'', ''{}'')', :'alpha'),
    format('select edge.end_checkout(%L, 1)', :'alpha'), calling('edge.billing_customer', :'alpha'), calling('edge.subscription_to_change', :'alpha'),
    format('select edge.subscription_changed(%L, ''sub_alpha'', ''{}'')', :'alpha')
  ]) statement;
select refused('aias_edge', calling('edge.billing_customer', :'alpha'), 404, 'not_found', 'is nobody by itself');
select answers('aias_edge:' || actor, calling('edge.billing_customer', :'alpha'), 'cus_alpha', 'is told who pays')
  from unnest(array['owner@alpha.test', 'billing@alpha.test']) actor;
select refused('aias_edge:owner@guarded.test', calling('edge.billing_customer', :'guarded'), 403, 'second_factor_required', 'waits for a second factor');
select refused('aias_edge:owner@closed.test', format(:'begins', :'closed', 'professional'), 403, 'tenant_cancelled', 'buys nothing for what is closed');
-- It is how it pays, and is lifted out of it.
select refused('aias_edge:owner@frozen.test', calling('edge.billing_customer', :'frozen'), 409, 'no_customer', 'may, though its tenant is suspended');

-- One checkout at a time ------------------------------------------------------------------------------------------------------------------

update public.subscriptions set decides = true;
select refused('aias_edge:owner@alpha.test', format(:'begins', :'alpha', 'professional'), 409, 'already_subscribed', 'has one');
update public.subscriptions set status = 'canceled';
select answers('aias_edge:owner@alpha.test', format(:'begins', :'alpha', 'professional') || ' ->> ''trial_days''', '7', 'has a trial');
update public.subscriptions set trial_end = now();
select answers('aias_edge:owner@alpha.test', format(:'begins', :'alpha', 'professional') || ' ->> ''trial_days''', null, 'has one trial');

-- Asked as a member would, and kept.
select keep('aias_edge:owner@alpha.test', format(:'begins', :'alpha', 'professional')) \g /dev/null
select keep('aias_edge:owner@alpha.test', format('select edge.record_checkout(%L, 1, ''cs_1'', ''{}'')', :'alpha')) \g /dev/null
select keep('aias_edge:owner@alpha.test', format(:'begins', :'alpha', 'professional')) \g /dev/null
select results_eq('select generation, session, to_expire from billing.checkouts', $$values (1::bigint, 'cs_1', '{}'::text[])$$, 'the same again is the same');
select keep('aias_edge:owner@alpha.test', format(:'begins', :'alpha', 'enterprise')) \g /dev/null
select results_eq('select generation, session, to_expire from billing.checkouts', $$values (2::bigint, null, '{cs_1}'::text[])$$, 'another has the one before expire');
select answers('aias_edge:owner@alpha.test', format('select edge.record_checkout(%L, 1, ''cs_2'', ''{}'')', :'alpha'), 'false', 'is too late with the first');
select keep('aias_edge:owner@alpha.test', format('select edge.record_checkout(%L, 2, ''cs_3'', ''{cs_1}'')', :'alpha')) \g /dev/null
select results_eq('select generation, session, to_expire from billing.checkouts', $$values (2::bigint, 'cs_3', '{}'::text[])$$, 'what is expired is forgotten');
select results_eq($$select subject_id from audit.inbox where action = 'billing.checkout_begun' order by id$$, $$values ('cs_1'), ('cs_3')$$, 'and what has begun is told once');

-- One customer ----------------------------------------------------------------------------------------------------------------------------

select answers('aias_edge:owner@alpha.test', calling('edge.link_customer', :'alpha', 'cus_second'), 'cus_alpha', 'has one already');
select is(count(*), 1::bigint, 'and there is no other') from billing.customers where tenant_id = :'alpha';

select finish();
rollback;
