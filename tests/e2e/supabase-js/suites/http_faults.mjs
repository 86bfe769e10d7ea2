// Another system that answers badly, or that must not be asked.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { activeWorkflow, drawing, manual, newTenant, run, stack } from '../stack.mjs'

const call = (url, more = {}) => ({ id: 'call', type: 'action', config: { kind: 'http', url }, retry: { max_attempts: 1 }, ...more })

function assertSaysWhy(error) {
  assert.match(error.code, /^[a-z0-9_]+$/)
  assert.ok(error.message.length > 10, JSON.stringify(error))
}

describe('HTTP faults', () => {
  test('a 404 fails the step and the execution, and both say why', async () => {
    const person = await newTenant()
    const workflow = await activeWorkflow(person, drawing([manual, call(`${stack.helpdesk}/customers/nobody@nowhere.example`)]))
    const { execution, steps } = await run(person, workflow)
    assert.equal(steps.start.status, 'succeeded')
    assert.equal(steps.call.status, 'failed')
    assertSaysWhy(steps.call.error)
    assert.match(JSON.stringify(steps.call.error), /404/)
    assert.equal(execution.status, 'failed')
    assertSaysWhy(execution.error)
    assert.equal(execution.error.node_id, 'call')
  })

  test('on_error branch takes the other way', async () => {
    const person = await newTenant()
    const workflow = await activeWorkflow(person, drawing(
      [
        manual,
        call(`${stack.helpdesk}/customers/nobody@nowhere.example`, { on_error: 'branch' }),
        { id: 'good', type: 'action', config: { kind: 'transform', output: 'good' } },
        { id: 'sorry', type: 'action', config: { kind: 'transform', output: { why: '{{ steps.call.error.message }}' } } },
      ],
      [{ source: 'start', target: 'call' }, { source: 'call', target: 'good' }, { source: 'call', target: 'sorry', sourceHandle: 'error' }],
    ))
    const { execution, steps } = await run(person, workflow)
    assert.equal(execution.status, 'succeeded')
    assert.equal(steps.call.status, 'failed')
    assert.equal(steps.good.status, 'skipped')
    assert.match(execution.output.sorry.why, /./)
  })

  test('private addresses that the operator did not allow are not reached', async () => {
    const person = await newTenant()
    for (const url of ['http://169.254.169.254/latest/meta-data/', 'http://127.0.0.1:1/', 'http://localhost:1/', 'http://[::1]:1/', 'http://10.0.0.1/']) {
      const workflow = await activeWorkflow(person, drawing([manual, call(url)]), url)
      const { execution, steps } = await run(person, workflow)
      assert.equal(execution.status, 'failed', url)
      assertSaysWhy(steps.call.error)
      assert.match(steps.call.error.message, /allow|private|forbidden|not permitted/i, url)
    }
  })
})
