// A subscription from its beginning to its end, at a stand-in that sends its own signed events and answers questions: the tenant's plan, limits
// and status follow. It tells of no change of a subscription but its beginning and end; that Stripe is asked is what makes the others known.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { eventually, mailTo, must, newTenant, sql } from '../stack.mjs'
import { deliver, event, noStripe, stripe, tellEdge } from '../stripe.mjs'

const PRICES = {
  'e2e-professional-month': ['professional', { amount: 4900, interval: 'month' }],
  'e2e-enterprise-year': ['enterprise', { amount: 499_000, interval: 'year' }],
  'e2e-enterprise-2-years': ['enterprise', { amount: 990_000, interval: 'year', interval_count: 2 }],
}

describe('a subscription in Stripe', { skip: noStripe }, () => {
  before(async () => {
    await tellEdge()
    const product = await stripe.products.create({ name: 'AIAS', type: 'service' })
    for (const [id, [plan, price]] of Object.entries(PRICES)) {
      await stripe.plans.create({ id, product: product.id, currency: 'usd', ...price })
      await sql`insert into billing.plan_prices (price, plan_id) select ${id}, p.id from public.subscription_plans p where p.key = ${plan}`
    }
  })
  after(async () => {
    await sql`update billing.settings set grace_days = 7`
  })

  test('subscribe, change, fail, recover, cancel', async () => {
    const person = await newTenant()
    const customer = await stripe.customers.create({ email: person.email, metadata: { tenant_id: person.tenant.id } })
    const payWith = async (number) => {
      const card = await stripe.paymentMethods.create({ type: 'card', card: { number, exp_month: 12, exp_year: 2040, cvc: '123' } })
      await stripe.paymentMethods.attach(card.id, { customer: customer.id })
      await stripe.customers.update(customer.id, { invoice_settings: { default_payment_method: card.id } })
      return card.id
    }
    /** Waits until the tenant is as it is to be, and says how it is. */
    const comesTo = async (wanted) => {
      let seen
      await eventually(async () => {
        const [tenant] = must(await person.supabase.from('tenants').select('status, plan:subscription_plans(key)'))
        const [subscription] = must(await person.supabase.from('subscriptions').select('status'))
        const [limit] = await sql`select quota_limit::int as executions from aias.quota_status(${person.tenant.id}) where meter = 'executions'`
        seen = { plan: tenant?.plan.key, status: tenant?.status, subscription: subscription?.status, ...limit }
        return JSON.stringify(seen) === JSON.stringify({ ...seen, ...wanted })
      })
      assert.deepEqual(seen, { ...seen, ...wanted })
      return seen
    }
    /** Waits for a mail of this subject. */
    const mailWith = async (subject) => {
      for (let seen; seen !== subject; ) seen = (await mailTo(person.email)).subject
    }
    const limits = Object.fromEntries(
      (await sql`select p.key, (p.limits ->> 'executions')::int as executions from public.subscription_plans p`).map(({ key, executions }) => [key, executions]),
    )
    await comesTo({ plan: 'starter', status: 'active', executions: limits.starter })

    const good = await payWith('4242424242424242')
    const { id } = await stripe.subscriptions.create({ customer: customer.id, items: [{ plan: 'e2e-professional-month' }] })
    await comesTo({ plan: 'professional', status: 'active', subscription: 'active', executions: limits.professional })
    await mailWith('Receipt for End to end: 49.00 USD')

    await stripe.subscriptions.update(id, { items: [{ plan: 'e2e-enterprise-year' }] })
    await comesTo({ plan: 'enterprise', status: 'active', subscription: 'active', executions: limits.enterprise })

    // A card that can be kept and not be charged: https://docs.stripe.com/testing#declined-payments
    await payWith('4000000000000341')
    await stripe.subscriptions.update(id, { items: [{ plan: 'e2e-enterprise-2-years' }] })
    await comesTo({ plan: 'enterprise', status: 'active', subscription: 'past_due', executions: limits.enterprise })
    const open = (await stripe.invoices.list({ customer: customer.id })).data.find(({ status }) => status === 'open')
    assert.ok(open, 'an invoice is open')
    // The stand-in does not say that a payment has failed; Stripe does.
    assert.equal((await deliver(event('invoice.payment_failed', open))).status, 200)
    await mailWith('A payment for End to end has failed')
    // The grace is over at once.
    await sql`update billing.settings set grace_days = 0`
    await eventually(async () => (await sql`select status from public.tenants where id = ${person.tenant.id}`)[0].status === 'suspended', 90)
    await comesTo({ status: 'suspended' })

    await stripe.customers.update(customer.id, { invoice_settings: { default_payment_method: good } })
    await stripe.invoices.pay(open.id)
    await comesTo({ plan: 'enterprise', status: 'active', subscription: 'active', executions: limits.enterprise })

    await stripe.subscriptions.cancel(id)
    await comesTo({ plan: 'starter', status: 'active', subscription: 'canceled', executions: limits.starter })

    const invoices = must(await person.supabase.from('invoices').select('status, total').order('created_at'))
    assert.deepEqual(invoices.map(({ status }) => status), invoices.map(() => 'paid'))
    const dead = await sql`select id, problem from billing.dead_letters`
    assert.deepEqual([...dead], [])
  })
})
