// Events that were answered are applied, once, whatever is killed between.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { after, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { edge, eventually, newTenant, sleep, sql } from '../stack.mjs'
import { deliver, event, noStripe, states } from '../stripe.mjs'

const { AIAS_E2E_XTASK: xtask, AIAS_E2E_DIR: directory } = process.env
const skip = noStripe || (xtask && directory ? false : 'only a stack of `cargo xtask` can be killed piece by piece')
const service = (action, name) => promisify(execFile)(xtask, ['service', action, name, '--dir', directory])
const PRICE = 'e2e-crash-professional'
const SECOND = Math.floor(Date.now() / 1000) - 600

/** What Stripe tells of a customer with so many subscriptions, each of which ends but the last. */
function history(tenant, customer, subscriptions) {
  const events = [event('customer.created', { id: customer, object: 'customer', metadata: { tenant_id: tenant } }, { created: SECOND })]
  for (let number = 0; number < subscriptions; number++) {
    const created = SECOND + 3 * number
    const subscription = {
      id: `${customer.replace('cus', 'sub')}_${String(number).padStart(3, '0')}`, object: 'subscription', customer, status: 'active', currency: 'usd', created,
      billing_cycle_anchor: created, cancel_at_period_end: false, metadata: {},
      items: { object: 'list', data: [{ id: 'si_1', quantity: 1, price: { id: PRICE }, current_period_start: created, current_period_end: created + 2_592_000 }] },
    }
    events.push(event('customer.subscription.created', subscription, { created }))
    if (number < subscriptions - 1)
      events.push(event('customer.subscription.deleted', { ...subscription, status: 'canceled', ended_at: created + 1 }, { created: created + 1 }))
  }
  return events
}

/** Holds a tenant's row until it is let go: by what this answers, or because its server has died. */
async function hold(tenant) {
  const { promise: isLetGo, resolve: letGo } = withResolvers()
  const { promise: isHeld, resolve: held } = withResolvers()
  const over = sql
    .begin(async (session) => {
      await session`select from public.tenants where id = ${tenant} for update`
      held()
      await isLetGo
    })
    .catch(() => {})
  await isHeld
  return () => {
    letGo()
    return over
  }
}

function withResolvers() {
  let resolve
  const promise = new Promise((settle) => (resolve = settle))
  return { promise, resolve }
}

const isWaiting = async () =>
  (await sql`select from pg_stat_activity where usename = 'aias_worker' and wait_event_type = 'Lock' and query like '%apply_events%'`).length > 0

const ended = (ids) => async () => (await states(ids)).every(([, state]) => state === 'applied')

/** Asserts that each was applied, and that what follows was done once. */
async function assertApplied(tenant, events, subscriptions) {
  const ids = events.map((payload) => JSON.parse(payload).id)
  await eventually(ended(ids), 120)
  assert.deepEqual(await states(ids), ids.toSorted().map((id) => [id, 'applied']))
  const [{ plan }] = await sql`select p.key as plan from public.tenants t join public.subscription_plans p on p.id = t.plan_id where t.id = ${tenant}`
  assert.equal(plan, 'professional')
  const rows = await sql`select status, count(*)::int as number from public.subscriptions where tenant_id = ${tenant} group by 1 order by 1`
  assert.deepEqual([...rows], [{ status: 'active', number: 1 }, { status: 'canceled', number: subscriptions - 1 }])
  // Each that came into being is in the audit log once: chained, or on the way.
  const [{ entries, named }] = await sql`
    select count(*)::int as entries, count(distinct subject_id)::int as named from public.audit_log
     where tenant_id = ${tenant} and subject = 'subscriptions' and before is null`
  assert.deepEqual({ entries, named }, { entries: subscriptions, named: subscriptions })
}

describe('events and crashes', { skip }, () => {
  after(async () => {
    for (const name of ['worker', 'edge-api']) await service('start', name)
  })

  test('edge-api is killed while events come, and again: what it has answered is kept, what it has not comes again', async () => {
    await sql`insert into billing.plan_prices (price, plan_id) select ${PRICE}, p.id from public.subscription_plans p where p.key = 'professional' on conflict do nothing`
    const { tenant } = await newTenant()
    const events = history(tenant.id, 'cus_crash_1', 40)
    await service('kill', 'worker')

    const answered = new Set()
    const send = async (payload) => {
      const answer = await deliver(payload).catch(() => undefined)
      if (answer?.status === 200) answered.add(JSON.parse(payload).id)
    }
    for (const half of [events.slice(0, 40), events.slice(40)]) {
      const sending = half.map((payload, number) => sleep(3 * number).then(() => send(payload)))
      await sleep(50)
      await service('kill', 'edge-api')
      await Promise.all(sending)
      const kept = await sql`select id from billing.events where id = any (${[...answered]})`
      assert.equal(kept.length, answered.size, 'all that was answered is kept')
      await service('start', 'edge-api')
    }
    assert.ok(answered.size < events.length, 'some were not answered')

    // Stripe sends again what was not answered, and sometimes what was.
    for (const payload of events) assert.equal((await deliver(payload)).status, 200)
    await service('start', 'worker')
    await assertApplied(tenant.id, events, 40)
  })

  test('the worker and Postgres are killed while events are applied: none is lost, and none is applied twice', async () => {
    const { tenant } = await newTenant()
    const events = history(tenant.id, 'cus_crash_2', 95)
    await service('kill', 'worker')
    const ids = events.map((payload) => JSON.parse(payload).id)
    await Promise.all(events.toReversed().map(async (payload) => assert.equal((await deliver(payload)).status, 200)))

    const applied = async () => (await states(ids)).filter(([, state]) => state === 'applied').length
    for (const killed of ['worker', 'postgres']) {
      // Somebody holds the tenant: whoever applies stands still in the middle, with the mirror changed and the tenant not yet.
      const letGo = await hold(tenant.id)
      try {
        await service('start', 'worker')
        assert.ok(await eventually(isWaiting), 'it was in the middle')
        await service('kill', 'worker')
        if (killed === 'postgres') {
          await service('kill', 'postgres')
          await service('start', 'postgres')
        }
        assert.equal(await applied(), 0, 'nothing is half done')
        // Its server process would go on by itself.
        await sql`select pg_terminate_backend(pid) from pg_stat_activity where usename = 'aias_worker' and wait_event_type = 'Lock'`
      } finally {
        // With its server the session is gone: there is nothing to be let go, and nothing to be written to it.
        if (killed === 'worker') await letGo()
      }
    }
    await service('start', 'worker')
    await assertApplied(tenant.id, events, 95)
    assert.ok(await eventually(async () => (await edge('/readyz')).ok), 'edge-api has its database again')
  })
})
