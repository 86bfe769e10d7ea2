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
    const edge = await fetch(`${process.env.AIAS_E2E_EDGE_URL}/v1/executions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ workflow_id: workflow.id, input: {} }),
    })
    assertPaymentRequired({ status: edge.status, headers: edge.headers, body: await edge.json() }, 'executions', 2)

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
})
