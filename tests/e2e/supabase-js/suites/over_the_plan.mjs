// A plan's limit: exactly as many as it says, and a refusal that says what to do.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { activeWorkflow, assertBody, drawing, follow, manual, must, newTenant, rest, run, sql } from '../stack.mjs'

const echo = drawing([manual, { id: 'echo', type: 'action', config: { kind: 'transform', output: '{{ input }}' } }])

function assertPaymentRequired({ status, headers, body }, meter, limit) {
  assert.equal(status, 402)
  assertBody(body, 'quota_exceeded')
  assert.match(body.hint, /plan/)
  const details = JSON.parse(body.details)
  assert.equal(details.meter, meter)
  assert.equal(details.limit, limit)
  assert.equal(details.used, limit)
  assert.equal(details.requested, 1)
  assert.equal(headers.get('x-quota-limit'), String(limit))
  assert.equal(headers.get('x-quota-remaining'), '0')
  assert.ok(Number(headers.get('retry-after')) > 0)
  assert.ok(headers.get('x-quota-reset'))
  return details
}

/** Through both doors: PostgREST and edge-api. */
async function startAtBothDoors(token, workflow, key) {
  const edge = await fetch(`${process.env.AIAS_E2E_EDGE_URL}/v1/executions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ workflow_id: workflow.id, input: {}, idempotency_key: key }),
  })
  return [
    await rest('rpc/start_execution', { token, method: 'POST', body: { workflow_id: workflow.id, idempotency_key: key } }),
    { status: edge.status, headers: edge.headers, body: await edge.json() },
  ]
}

describe('over the plan', () => {
  test('one execution more is 402 with the limit in body and headers', async () => {
    const person = await newTenant({ executions: 2 })
    const workflow = await activeWorkflow(person, echo)
    await run(person, workflow)
    await run(person, workflow)

    const { token } = person
    const start = () => rest('rpc/start_execution', { token, method: 'POST', body: { workflow_id: workflow.id } })
    const details = assertPaymentRequired(await start(), 'executions', 2)
    assert.ok(Date.parse(details.resets_at) > Date.now())

    // The other door says the same.
    for (const answer of await startAtBothDoors(token, workflow)) assertPaymentRequired(answer, 'executions', 2)

    assert.equal(must(await person.supabase.from('executions').select('id')).length, 2, 'nothing is left of what was refused')
    await sql`update public.tenants set limit_overrides = '{"executions": 3}' where id = ${person.tenant.id}`
    assert.equal((await run(person, workflow)).execution.status, 'succeeded', 'a larger plan counts at once')
    assert.equal((await start()).status, 402)
  })

  test('many at once are admitted exactly as often as the plan says', async () => {
    const person = await newTenant({ executions: 5 })
    const workflow = await activeWorkflow(person, echo)
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => rest('rpc/start_execution', { token: person.token, method: 'POST', body: { workflow_id: workflow.id } })),
    )
    const started = answers.filter(({ status }) => status === 200)
    assert.equal(started.length, 5)
    assert.ok(answers.every(({ status }) => status === 200 || status === 402))
    for (const { body } of started) await follow(person.token, body.id)
  })

  test('one workflow more is 402, and a deleted one makes room', async () => {
    const { supabase, tenant, token } = await newTenant({ workflows: 1 })
    const first = must(await supabase.from('workflows').insert({ tenant_id: tenant.id, name: 'First' }).select().single())
    const second = () => rest('workflows', { token, method: 'POST', body: { tenant_id: tenant.id, name: 'Second' } })
    assertPaymentRequired(await second(), 'workflows', 1)
    must(await supabase.from('workflows').delete().eq('id', first.id))
    assert.equal((await second()).status, 201)
  })

  test('too many in a minute are 429, with the time to wait in body and headers', async () => {
    const person = await newTenant({ requests_per_minute: 2 })
    const { supabase, tenant, token } = person
    const workflow = await activeWorkflow(person, echo)
    const first = must(await supabase.rpc('start_execution', { workflow_id: workflow.id, idempotency_key: 'first' }))
    await run(person, workflow)

    for (const { status, headers, body } of await startAtBothDoors(token, workflow)) {
      assert.equal(status, 429)
      assertBody(body, 'rate_limited')
      const { resets_at, ...details } = JSON.parse(body.details)
      assert.deepEqual(details, { meter: 'requests_per_minute', limit: 2, used: 2, requested: 1 })
      const wait = Date.parse(resets_at) - Date.now()
      assert.ok(wait > 0 && wait <= 61_000, `resets in ${wait} ms`)
      assert.equal(headers.get('x-quota-limit'), '2')
      assert.equal(headers.get('x-quota-remaining'), '0')
      // One leaves every thirty seconds.
      const retry = Number(headers.get('retry-after'))
      assert.ok(retry >= 1 && retry <= 30, `Retry-After: ${retry}`)
      assert.equal(Number(headers.get('x-quota-reset')), Math.ceil(Date.parse(resets_at) / 1000))
    }
    // Who repeats a call because the answer was lost gets the answer.
    for (const { status, body } of await startAtBothDoors(token, workflow, 'first')) {
      assert.ok(status === 200 || status === 202, `${status} ${JSON.stringify(body)}`)
      assert.equal(body.id, first.id)
    }

    assert.equal(must(await supabase.from('executions').select('id')).length, 2, 'nothing is left of what was refused')
    await sql`update public.tenants set limit_overrides = '{"requests_per_minute": null}' where id = ${tenant.id}`
    assert.equal((await run(person, workflow)).execution.status, 'succeeded', 'no limit counts at once')
  })
})
