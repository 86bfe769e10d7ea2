// Workflows that start by themselves, and the mails of steps, as a frontend and another system see them.

import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { before, describe, test } from 'node:test'
import { activeWorkflow, assertBody, assertRefused, drawing, edge, eventually, mailTo, manual, must, newTenant, run, signUp, sql } from '../stack.mjs'

const startedBy = (config) => ({ id: 'start', type: 'trigger', config })
const echo = { id: 'echo', type: 'action', config: { kind: 'transform', output: '{{ input }}' } }

/** The only execution of a workflow, once it is over. */
async function theExecution({ supabase }, workflow) {
  const ended = await eventually(async () => {
    const found = must(await supabase.from('executions').select().eq('workflow_id', workflow.id))
    return found.length > 0 && found.every(({ finished_at }) => finished_at) && found
  })
  assert.equal(ended?.length, 1, `one execution of ${workflow.name} came to its end`)
  assert.equal(ended[0].status, 'succeeded', JSON.stringify(ended[0].error))
  return ended[0]
}

describe('what starts a workflow', () => {
  let owner
  before(async () => {
    owner = await newTenant({ workflows: 10 })
  })

  test('a webhook: by its address, and then by a signature', async () => {
    const workflow = await activeWorkflow(owner, drawing([startedBy({ kind: 'webhook' }), echo]), 'Order paid')
    const address = must(await owner.supabase.rpc('webhook_url', { workflow_id: workflow.id }))
    const path = address.slice(address.indexOf('/hooks/'))
    const body = '{ "order":  17.50 }'
    const post = (headers = {}) => edge(`${path}?from=shop`, { method: 'POST', body, headers: { 'content-type': 'application/json', 'webhook-id': 'evt-1', ...headers } })

    const [first, again] = [await post(), await post()]
    assert.deepEqual([first.status, again.status], [202, 202])
    const { execution_id } = await first.json()
    assert.equal((await again.json()).execution_id, execution_id, 'a delivery that is repeated starts nothing')
    const execution = await theExecution(owner, workflow)
    assert.equal(execution.id, execution_id)
    const { body: read, raw, query, method } = execution.output.echo
    assert.deepEqual({ read, raw, query, method }, { read: { order: 17.5 }, raw: body, query: { from: 'shop' }, method: 'POST' })

    const secret = must(await owner.supabase.rpc('enable_hook_signing', { workflow_id: workflow.id }))
    const refused = await post()
    assert.equal(refused.status, 401)
    assertBody(await refused.json(), 'signature_missing')
    const at = Math.floor(Date.now() / 1000)
    const signature = createHmac('sha256', secret).update(`${at}.${body}`).digest('hex')
    const signed = await post({ 'x-aias-timestamp': String(at), 'x-aias-signature': `sha256=${signature}`, 'webhook-id': 'evt-2' })
    assert.equal(signed.status, 202)
    assert.notEqual((await signed.json()).execution_id, execution_id)

    const stranger = await signUp()
    assertRefused(await stranger.supabase.rpc('webhook_url', { workflow_id: workflow.id }), 404, 'not_found')
  })

  test('a schedule: at its time, which members see', async () => {
    const workflow = await activeWorkflow(owner, drawing([startedBy({ kind: 'schedule', cron: '0 12 1 1 *', timezone: 'Europe/Berlin', missed: 'once' }), echo]), 'New year')
    const schedule = async () => must(await owner.supabase.from('workflow_schedules').select().eq('workflow_id', workflow.id).single())
    const planned = await eventually(async () => (await schedule()).next_run_at && schedule())
    assert.match(new Date(planned.next_run_at).toISOString(), /-01-01T11:00:00/, 'noon in Berlin')

    // As if no worker had been there since before the last new year.
    await sql`update queue.schedules set handled_until = now() - interval '1 year', run_at = now() where workflow_id = ${workflow.id}`
    const { output } = await theExecution(owner, workflow)
    assert.equal(output.echo.timezone, 'Europe/Berlin')
    assert.match(output.echo.scheduled_at, /-01-01T11:00:00Z$/)
    const { last_run_at, next_run_at, last_error } = await schedule()
    assert.ok(Date.parse(last_run_at) < Date.now() && Date.parse(next_run_at) > Date.now() && last_error === null)
  })

  test('a changed row: in the transaction that changes it', async () => {
    const workflow = await activeWorkflow(owner, drawing([startedBy({ kind: 'event', table: 'ai_agents', operations: ['insert'] }), echo]), 'New agent')
    must(await owner.supabase.from('ai_agents').insert({ tenant_id: owner.tenant.id, name: 'Greeter', slug: 'greeter', model: 'openai/gpt-4o-mini' }))
    const { output } = await theExecution(owner, workflow)
    const { table, operation, row, old } = output.echo
    assert.deepEqual([table, operation, row.name, old], ['ai_agents', 'insert', 'Greeter', null])

    const nothing = drawing([startedBy({ kind: 'event', table: 'executions', operations: ['insert'] })])
    const drawn = must(await owner.supabase.from('workflows').insert({ tenant_id: owner.tenant.id, name: 'Loop', ...nothing }).select().single())
    const { details } = assertRefused(await owner.supabase.rpc('activate_workflow', { workflow_id: drawn.id }), 422, 'workflow_invalid')
    assert.deepEqual(JSON.parse(details).map(({ code, pointer }) => [code, pointer]), [['unknown_table', '/nodes/0/config/table']])
  })
})

test('a step sends a mail in its tenant\'s name', async () => {
  const owner = await newTenant()
  const workflow = await activeWorkflow(owner, drawing([
    manual,
    { id: 'notify', type: 'action', config: { kind: 'email', to: '{{ input.to }}', subject: 'Order {{ input.number }}', text: 'Hello {{ input.name }}' } },
  ]))
  const { execution } = await run(owner, workflow, { to: owner.email, number: 7, name: 'Ada' })
  assert.equal(execution.status, 'succeeded', JSON.stringify(execution.error))
  assert.deepEqual(execution.output.notify.to, [owner.email])
  const mail = await mailTo(owner.email)
  assert.equal(mail.subject, 'Order 7')
  assert.match(mail.text, /Hello Ada/)
  assert.match(JSON.stringify(mail.headers.from), /End to end via /)
})
