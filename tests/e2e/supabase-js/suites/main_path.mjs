// The main job: draw, activate, start, watch, read.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ALPHA, activeWorkflow, drawing, edge, follow, manual, must, newTenant, run, signIn, sql, stack, unique } from '../stack.mjs'

/** Two branches that run at the same time and join: a look-up and an agent, then a condition and a card. */
const triage = (agent) =>
  drawing(
    [
      manual,
      { id: 'customer', type: 'action', config: { kind: 'http', url: `${stack.helpdesk}/customers/{{ input.email }}` } },
      { id: 'answer', type: 'ai_processing', config: { agent_id: agent.id, prompt: 'Answer: {{ input.question }}' } },
      { id: 'both', type: 'action', config: { kind: 'transform', output: { plan: '{{ steps.customer.output.body.plan }}', text: '{{ steps.answer.output.text }}' } } },
      { id: 'paying', type: 'condition', config: { kind: 'if', condition: 'steps.both.output.plan != "starter"' } },
      { id: 'fast', type: 'action', config: { kind: 'transform', output: { lane: 'fast', reply: '{{ steps.both.output.text }}' } } },
      { id: 'slow', type: 'action', config: { kind: 'transform', output: { lane: 'slow', reply: '{{ steps.both.output.text }}' } } },
    ],
    [
      { source: 'start', target: 'customer' },
      { source: 'start', target: 'answer' },
      { source: 'customer', target: 'both' },
      { source: 'answer', target: 'both' },
      { source: 'both', target: 'paying' },
      { source: 'paying', target: 'fast', sourceHandle: 'true' },
      { source: 'paying', target: 'slow', sourceHandle: 'false' },
    ],
  )

const input = { email: 'mara.lindqvist@northwind.example', question: 'Where is my invoice?' }

describe('the main path', () => {
  test('a workflow with an agent runs, is watched live and read back as rows', async () => {
    const person = await newTenant()
    const { supabase, tenant, token, user } = person
    const agent = must(
      await supabase.from('ai_agents')
        .insert({ tenant_id: tenant.id, name: 'Clerk', slug: 'clerk', model: 'openai/gpt-4o-mini', config: { max_tokens: 200 } })
        .select().single(),
    )
    assert.equal(agent.created_by, user.id)
    const workflow = await activeWorkflow(person, triage(agent))
    assert.equal(workflow.status, 'active')
    assert.equal(workflow.version, 1)

    const { execution, steps, events } = await run(person, workflow, input)

    // The stream told it as it happened.
    const statuses = events.filter(({ event }) => event === 'execution').map(({ data }) => data.status)
    assert.equal(statuses.at(-1), 'succeeded')
    const told = events.filter(({ event }) => event === 'step')
    const revisions = told.map(({ id }) => Number(id))
    assert.deepEqual(revisions, [...revisions].sort((a, b) => a - b), 'revisions grow')
    assert.deepEqual(new Set(told.map(({ data }) => data.node_id)), new Set(Object.keys(steps)), 'every step was told')

    // The rows say the same.
    assert.equal(execution.status, 'succeeded')
    assert.equal(execution.started_by, user.id)
    assert.deepEqual(execution.input, input)
    assert.equal(execution.output.fast.lane, 'fast')
    assert.match(execution.output.fast.reply, /./)
    assert.equal(steps.customer.output.body.company, 'Northwind')
    assert.equal(steps.paying.handle, 'true')
    assert.equal(steps.slow.status, 'skipped')
    for (const id of ['start', 'customer', 'answer', 'both', 'paying', 'fast']) assert.equal(steps[id].status, 'succeeded', id)

    // Tokens and their price, once per call.
    assert.equal(steps.answer.model, 'openai/gpt-4o-mini')
    assert.ok(steps.answer.input_tokens > 0 && steps.answer.output_tokens > 0 && steps.answer.cost_usd > 0)
    const usage = must(await supabase.from('usage').select().eq('execution_id', execution.id))
    assert.equal(usage.length, 1)
    assert.equal(usage[0].input_tokens, steps.answer.input_tokens)
    const meters = must(await supabase.rpc('quota_status', { tenant_id: tenant.id }))
    const used = Object.fromEntries(meters.map(({ meter, used, reserved }) => [meter, Number(used) + Number(reserved)]))
    assert.equal(used.executions, 1)
    assert.equal(used.workflows, 1)
    assert.equal(used.llm_tokens, steps.answer.input_tokens + steps.answer.output_tokens)

    // Nothing is left to do.
    assert.deepEqual([...(await sql`select 1 from queue.jobs where execution_id = ${execution.id}`)], [])
    // A stream that is opened afterwards tells it again, and one that is resumed tells the rest.
    const again = await follow(token, execution.id)
    assert.deepEqual(new Set(again.map(({ data }) => data.node_id)), new Set(told.map(({ data }) => data.node_id).concat(undefined)))
    const resumed = await follow(token, execution.id, { lastEventId: revisions.at(-2) })
    assert.deepEqual(resumed.filter(({ event }) => event === 'step').map(({ id }) => Number(id)), [revisions.at(-1)])
  })

  test('the same idempotency key starts one execution', async () => {
    const person = await newTenant()
    const workflow = await activeWorkflow(person, drawing([manual, { id: 'echo', type: 'action', config: { kind: 'transform', output: '{{ input }}' } }]))
    const start = (value, key) =>
      person.supabase.rpc('start_execution', { workflow_id: workflow.id, input: { value }, idempotency_key: key })
    const key = unique()
    const answers = await Promise.all(Array.from({ length: 8 }, () => start(1, key)))
    const ids = new Set(answers.map((answer) => must(answer).id))
    assert.equal(ids.size, 1)
    const { error, status } = await start(2, key)
    assert.equal(`${status} ${error.code}`, '409 idempotency_key_reused')
    const [id] = ids
    const seen = await follow(person.token, id)
    assert.deepEqual(seen.at(-1).data.output, { echo: { value: 1 } })
    assert.equal(must(await person.supabase.from('executions').select('id')).length, 1)
  })

  test('types come through as they went in: numbers, arrays, null, text in any script', async () => {
    const person = await newTenant()
    const workflow = await activeWorkflow(person, drawing([manual, { id: 'echo', type: 'action', config: { kind: 'transform', output: { whole: '{{ input }}', n: '{{ input.n }}' } } }]))
    const value = { n: 1.5, list: [1, [true, null]], text: 'größer ≥ 大 🧭 "quoted" \\ {{ not a template }}', nested: { empty: {}, none: null } }
    const { execution } = await run(person, workflow, value)
    assert.deepEqual(execution.output, { echo: { whole: value, n: 1.5 } })
  })

  test('edge-api starts and waits, for those who want one request', async () => {
    const { token } = await signIn('editor@alpha.test')
    const start = (more, headers = {}) =>
      edge('/v1/executions', {
        token,
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify({ workflow_id: ALPHA.workflow, input: { name: 'Ada' }, ...more }),
      })
    const waited = await start({ wait: 30 })
    assert.equal(waited.status, 200)
    const finished = await waited.json()
    assert.equal(finished.status, 'succeeded')
    assert.match(finished.output.reply.greeting, /./)
    const read = await edge(waited.headers.get('location'), { token })
    assert.deepEqual(await read.json(), finished)

    // The key means the same at both doors.
    const key = unique()
    const accepted = await start({}, { 'idempotency-key': key })
    assert.equal(accepted.status, 202)
    const { id } = await accepted.json()
    const { supabase } = await signIn('editor@alpha.test')
    const again = must(await supabase.rpc('start_execution', { workflow_id: ALPHA.workflow, input: { name: 'Ada' }, idempotency_key: key }))
    assert.equal(again.id, id)
    await follow(token, id)
  })
})
