// An LLM provider that answers 500, garbage or nothing: a clear error on the step, and nothing is lost.

import assert from 'node:assert/strict'
import { afterEach, describe, test } from 'node:test'
import { activeWorkflow, drawing, manual, must, newTenant, provider, run, stack } from '../stack.mjs'

/** A step with a side effect first: what it did must not be lost, or be done twice, when the next one fails. */
const ask = (retry, more = {}) =>
  drawing([
    manual,
    { id: 'customer', type: 'action', config: { kind: 'http', url: `${stack.helpdesk}/customers/sofia.reyes@kitebooks.example` } },
    { id: 'ask', type: 'ai_processing', config: { model: 'openai/gpt-4o-mini', prompt: 'Greet {{ steps.customer.output.body.name }}.' }, retry, ...more },
  ])
const once = { max_attempts: 1 }
const thrice = { max_attempts: 3, initial_seconds: 0.05, max_seconds: 0.2 }

async function assertNothingIsLost(person, { execution, steps }) {
  assert.equal(steps.start.status, 'succeeded')
  assert.equal(steps.customer.status, 'succeeded')
  assert.equal(steps.customer.attempt, 1)
  assert.equal(steps.customer.output.body.name, 'Sofia Reyes')
  assert.equal(steps.ask.status, 'failed')
  assert.match(steps.ask.error.code, /^[a-z0-9_]+$/)
  assert.ok(steps.ask.error.message.length > 10, JSON.stringify(steps.ask.error))
  assert.equal(execution.status, 'failed')
  assert.equal(execution.error.node_id, 'ask')
  assert.match(execution.error.message, /./)
  // What was set aside for the call was given back, and nothing is billed for an answer that never came.
  const meters = must(await person.supabase.rpc('quota_status', { tenant_id: person.tenant.id }))
  const tokens = meters.find(({ meter }) => meter === 'llm_tokens')
  assert.equal(Number(tokens.reserved), 0)
  assert.equal(Number(tokens.used), 0)
  assert.deepEqual(must(await person.supabase.from('usage').select('id')), [])
}

describe('provider faults', () => {
  afterEach(provider.behave)

  test('500 once costs a retry and no more', async () => {
    const person = await newTenant()
    const workflow = await activeWorkflow(person, ask(thrice))
    await provider.failNext(500)
    const { execution, steps } = await run(person, workflow)
    assert.equal(execution.status, 'succeeded')
    assert.equal(steps.ask.attempt, 2)
    assert.equal(steps.ask.error, null)
    assert.equal(steps.customer.attempt, 1)
    assert.equal(must(await person.supabase.from('usage').select('id')).length, 1)
  })

  test('500 again and again fails the step, and says that it was the provider', async () => {
    const person = await newTenant()
    const workflow = await activeWorkflow(person, ask(thrice))
    for (let attempt = 0; attempt < 3; attempt++) await provider.failNext(500)
    const result = await run(person, workflow)
    await assertNothingIsLost(person, result)
    assert.equal(result.steps.ask.attempt, 3)
    assert.match(JSON.stringify(result.steps.ask.error), /500|on fire/)

    const after = await run(person, workflow)
    assert.equal(after.execution.status, 'succeeded', 'and the next execution runs')
  })

  test('401 is not tried again', async () => {
    const person = await newTenant()
    const workflow = await activeWorkflow(person, ask(thrice))
    await provider.failNext(401)
    const result = await run(person, workflow)
    await assertNothingIsLost(person, result)
    assert.equal(result.steps.ask.attempt, 1)
  })

  test('garbage instead of an answer fails the step in plain words', async () => {
    const person = await newTenant()
    const workflow = await activeWorkflow(person, ask(once))
    await provider.misbehave({ malformedRate: 1 })
    const result = await run(person, workflow)
    await assertNothingIsLost(person, result)
    assert.doesNotMatch(result.steps.ask.error.message, /panicked|Error\(|line 1 column/, 'no insides of a parser')
  })

  test('a connection that breaks off fails the step', async () => {
    const person = await newTenant()
    const workflow = await activeWorkflow(person, ask(once))
    await provider.misbehave({ disconnectRate: 1 })
    await assertNothingIsLost(person, await run(person, workflow))
  })

  test('429 is waited out', async () => {
    const person = await newTenant()
    const workflow = await activeWorkflow(person, ask(thrice))
    const before = (await provider.answered(429)).length
    await provider.failNext(429)
    const { execution } = await run(person, workflow)
    assert.equal((await provider.answered(429)).length, before + 1, 'the provider said so once')
    assert.equal(execution.status, 'succeeded')
    assert.equal(must(await person.supabase.from('usage').select('id')).length, 1)
  })

  test('on_error continue goes on without an answer', async () => {
    const person = await newTenant()
    const drawn = ask(once, { on_error: 'continue' })
    drawn.nodes.push({ id: 'after', type: 'action', position: { x: 720, y: 0 }, config: { kind: 'transform', output: { said: '{{ steps.ask.output }}', why: '{{ steps.ask.error.code }}' } } })
    drawn.connections.push({ source: 'ask', target: 'after' })
    const workflow = await activeWorkflow(person, drawn)
    await provider.failNext(500)
    const { execution, steps } = await run(person, workflow)
    assert.equal(execution.status, 'succeeded')
    assert.equal(steps.ask.status, 'failed')
    assert.deepEqual(execution.output, { after: { said: null, why: steps.ask.error.code } })
  })
})
