// An execution that is not wanted any more.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { activeWorkflow, assertRefused, drawing, edge, events, follow, manual, must, newTenant, sql } from '../stack.mjs'

const patience = drawing([
  manual,
  { id: 'wait', type: 'action', config: { kind: 'delay', seconds: 3600 } },
  { id: 'late', type: 'action', config: { kind: 'transform', output: 'never' } },
])

/** Starts it and waits until it sleeps. */
async function sleeping(person) {
  const workflow = await activeWorkflow(person, patience)
  const { id } = must(await person.supabase.rpc('start_execution', { workflow_id: workflow.id }))
  for await (const { event, data } of events(person.token, id)) {
    if (event === 'step' && data.node_id === 'wait' && data.status === 'waiting') break
    if (event === 'execution') assert.doesNotMatch(data.status, /^(succeeded|failed|cancelled)$/)
  }
  return id
}

describe('cancelling', () => {
  test('ends a sleeping execution, by rpc', async () => {
    const person = await newTenant()
    const id = await sleeping(person)
    must(await person.supabase.rpc('cancel_execution', { execution_id: id }))
    const end = (await follow(person.token, id)).at(-1).data
    assert.equal(end.status, 'cancelled')
    const steps = must(await person.supabase.from('execution_steps').select('node_id, status').eq('execution_id', id).order('node_id'))
    assert.deepEqual(steps.filter(({ node_id }) => node_id !== 'late'), [
      { node_id: 'start', status: 'succeeded' },
      { node_id: 'wait', status: 'cancelled' },
    ])
    assert.ok(steps.every(({ node_id, status }) => node_id !== 'late' || status !== 'succeeded'))
    assert.deepEqual([...(await sql`select 1 from queue.jobs where execution_id = ${id}`)], [])
    assertRefused(await person.supabase.rpc('cancel_execution', { execution_id: id }), 409, 'execution_finished')
  })

  test('ends it through edge-api too', async () => {
    const person = await newTenant()
    const id = await sleeping(person)
    const answer = await edge(`/v1/executions/${id}/cancel`, { token: person.token, method: 'POST' })
    assert.ok([200, 202].includes(answer.status), String(answer.status))
    assert.equal((await follow(person.token, id)).at(-1).data.status, 'cancelled')
  })
})
