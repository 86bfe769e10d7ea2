-- Access to public.subscription_plans
--
-- | actor          | select | insert | update | delete |
-- | -------------- | ------ | ------ | ------ | ------ |
-- | anon           | all    | no     | no     | no     |
-- | authenticated  | all    | no     | no     | no     |
--
-- A pricing page is read before anybody signs in. Plans are changed by the operator.

select private.close_table('public.subscription_plans');
grant select on public.subscription_plans to anon, authenticated;

create policy "anyone reads the plans" on public.subscription_plans
  for select to anon, authenticated
  using (true);
