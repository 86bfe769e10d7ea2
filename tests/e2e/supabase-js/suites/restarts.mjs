// What was accepted survives kill -9, and what was recorded is not done again.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { afterEach, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { activeWorkflow, drawing, events, follow, manual, must, newTenant, provider, sleep, stack, unique } from '../stack.mjs'

const { AIAS_E2E_XTASK: xtask, AIAS_E2E_DIR: directory } = process.env
const skip = xtask && directory ? false : 'AIAS_E2E_XTASK and AIAS_E2E_DIR are not set: only a stack of `cargo xtask` can be killed piece by piece'
const service = (action, name) => promisify(execFile)(xtask, ['service', action, name, '--dir', directory])

/** A step that another system counts, and then one that takes its time. */
async function slowWorkflow(person) {
  return activeWorkflow(
    person,
    drawing([
      manual,
      { id: 'assign', type: 'action', config: { kind: 'http', method: 'POST', url: `${stack.helpdesk}/tickets/{{ input.ticket }}/assign`, body: { team: 'support' } } },
      { id: 'answer', type: 'ai_processing', config: { model: 'openai/gpt-4o-mini', prompt: 'Answer {{ input.ticket }}.' } },
      { id: 'reply', type: 'action', config: { kind: 'http', method: 'POST', url: `${stack.helpdesk}/tickets/{{ input.ticket }}/reply`, body: { body: '{{ steps.answer.output.text }}' } } },
    ]),
  )
}

/** What the help desk was asked to do with a ticket. */
async function done(ticket) {
  const { history } = await (await fetch(`${stack.helpdesk}/tickets/${ticket}`)).json()
  return history.map(({ action }) => action)
}

describe('restarts', { skip }, () => {
  afterEach(provider.behave)

  test('a worker that is killed in the middle repeats nothing that was recorded', async () => {
    const person = await newTenant()
    const workflow = await slowWorkflow(person)
    const start = (ticket) => person.supabase.rpc('start_execution', { workflow_id: workflow.id, input: { ticket } }).then(must)
    const [ticket, later] = [unique(), unique()]

    await provider.misbehave({ latencyMs: 15_000 })
    const { id } = await start(ticket)
    for await (const { event, data } of events(person.token, id)) {
      if (event === 'step' && data.node_id === 'answer' && data.status === 'running') break
    }
    await service('kill', 'worker')
    await provider.behave()
    assert.deepEqual(await done(ticket), ['assign'], 'it was in the middle')

    // Nobody works, and the door is open all the same.
    const accepted = await start(later)
    assert.equal(accepted.status, 'queued')
    await service('start', 'worker')

    assert.equal((await follow(person.token, accepted.id)).at(-1).data.status, 'succeeded')
    // The first one waits for the end of the lease that the dead worker held.
    assert.equal((await follow(person.token, id, { seconds: 120 })).at(-1).data.status, 'succeeded')
    assert.deepEqual(await done(ticket), ['assign', 'reply'])
    assert.deepEqual(await done(later), ['assign', 'reply'])
    const steps = must(await person.supabase.from('execution_steps').select('node_id, status, attempt').eq('execution_id', id).order('revision'))
    assert.deepEqual(Object.fromEntries(steps.map(({ node_id, attempt }) => [node_id, attempt])), { start: 1, assign: 1, answer: 2, reply: 1 })
    assert.ok(steps.every(({ status }) => status === 'succeeded'))
    assert.equal(must(await person.supabase.from('usage').select('id').eq('execution_id', id)).length, 1, 'the call that was paid for is counted once')
  })

  test('a stream that breaks with edge-api is resumed where it broke', async () => {
    const person = await newTenant()
    const workflow = await slowWorkflow(person)
    await provider.misbehave({ latencyMs: 3_000 })
    const { id } = must(await person.supabase.rpc('start_execution', { workflow_id: workflow.id, input: { ticket: unique() } }))

    const seen = []
    const broken = (async () => {
      for await (const event of events(person.token, id)) {
        seen.push(event)
        if (event.event === 'step' && event.data.node_id === 'answer') await service('kill', 'edge-api')
      }
    })()
    await broken.catch(() => {})
    assert.notEqual(seen.at(-1).data.status, 'succeeded', 'the stream broke before the end')
    await service('start', 'edge-api')

    const lastEventId = seen.findLast((event) => event.id)?.id
    const rest = await follow(person.token, id, { lastEventId })
    assert.equal(rest.at(-1).data.status, 'succeeded')
    const revisions = [...seen, ...rest].filter((event) => event.event === 'step').map((event) => Number(event.id))
    assert.deepEqual(revisions, [...new Set(revisions)].sort((a, b) => a - b), 'nothing twice, in order')
    const told = new Map([...seen, ...rest].filter((event) => event.event === 'step').map(({ data }) => [data.node_id, data.status]))
    assert.deepEqual(Object.fromEntries(told), { start: 'succeeded', assign: 'succeeded', answer: 'succeeded', reply: 'succeeded' })
  })

  test('what is queued while everything is down runs when it is up', async () => {
    const person = await newTenant()
    const workflow = await slowWorkflow(person)
    await service('kill', 'worker')
    const accepted = []
    for (let index = 0; index < 5; index++) {
      accepted.push(must(await person.supabase.rpc('start_execution', { workflow_id: workflow.id, input: { ticket: unique() } })))
    }
    await sleep(500)
    const waiting = must(await person.supabase.from('executions').select('status'))
    assert.ok(waiting.every(({ status }) => status === 'queued'))
    await service('start', 'worker')
    for (const { id } of accepted) assert.equal((await follow(person.token, id)).at(-1).data.status, 'succeeded')
  })
})
