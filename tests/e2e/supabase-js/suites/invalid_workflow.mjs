// A drawing with mistakes is kept as a draft, and activating it names every one of them.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ALPHA, assertBody, assertRefused, drawing, manual, must, newTenant, rest, signIn } from '../stack.mjs'

/** A cycle, a node of no known type, an agent of somebody else, a template that does not parse and a switch without a way out. */
const mistakes = drawing(
  [
    manual,
    { id: 'teleport', type: 'teleporter', config: { kind: 'beam' } },
    { id: 'ask', type: 'ai_processing', config: { agent_id: ALPHA.agent, prompt: 'Hi' } },
    { id: 'render', type: 'action', config: { kind: 'transform', output: '{{ input. }}' } },
    { id: 'there', type: 'action', config: { kind: 'transform', output: 1 } },
    { id: 'back', type: 'action', config: { kind: 'transform', output: 2 } },
  ],
  [
    { source: 'start', target: 'teleport' },
    { source: 'start', target: 'ask' },
    { source: 'start', target: 'render' },
    { source: 'start', target: 'there' },
    { source: 'there', target: 'back' },
    { source: 'back', target: 'there' },
    { source: 'back', target: 'nowhere' },
  ],
)

function assertEveryMistakeIsNamed(problems) {
  for (const problem of problems) {
    assert.deepEqual(Object.keys(problem).sort(), ['code', 'message', 'node_id', 'pointer', 'severity'])
    assert.match(problem.pointer, /^\/(nodes|connections)/)
    assert.match(problem.code, /^[a-z_]+$/)
    assert.ok(problem.message.length > 10, problem.message)
  }
  const errors = problems.filter(({ severity }) => severity === 'error')
  for (const pointer of ['/nodes/1', '/nodes/2/config/agent_id', '/nodes/3/config', '/connections/6']) {
    assert.ok(errors.some((problem) => problem.pointer.startsWith(pointer)), `${pointer} is not named in ${JSON.stringify(errors, null, 2)}`)
  }
  assert.ok(errors.some(({ code }) => code === 'cycle'), `the cycle is not named in ${JSON.stringify(errors, null, 2)}`)
}

describe('an invalid workflow', () => {
  test('is kept as a draft, and refused with every problem when it is activated', async () => {
    const { supabase, tenant, token } = await newTenant()
    const draft = must(await supabase.from('workflows').insert({ tenant_id: tenant.id, name: 'Half drawn', ...mistakes }).select().single())
    assert.equal(draft.status, 'draft')

    const error = assertRefused(await supabase.rpc('activate_workflow', { workflow_id: draft.id }), 422, 'workflow_invalid')
    assertEveryMistakeIsNamed(JSON.parse(error.details))

    // By whatever road.
    const { status, body } = await rest(`workflows?id=eq.${draft.id}`, { token, method: 'PATCH', body: { status: 'active' } })
    assert.equal(status, 422)
    assertBody(body, 'workflow_invalid')
    assert.equal(body.details, error.details, 'the same problems in the same order')
    assertRefused(
      await supabase.from('workflows').insert({ tenant_id: tenant.id, name: 'Born active', status: 'active', ...mistakes }),
      422, 'workflow_invalid',
    )
    assertRefused(await supabase.rpc('start_execution', { workflow_id: draft.id }), 409, 'workflow_not_active')

    const kept = must(await supabase.from('workflows').select('name, status, version'))
    assert.deepEqual(kept, [{ name: 'Half drawn', status: 'draft', version: 0 }])
  })

  test('is checked for an editor without being saved', async () => {
    const { supabase } = await signIn('viewer@alpha.test')
    const problems = must(await supabase.rpc('workflow_problems', { nodes: mistakes.nodes, connections: mistakes.connections }))
    assert.ok(problems.length >= 4)
    assert.deepEqual(must(await supabase.rpc('workflow_problems', { nodes: mistakes.nodes, connections: mistakes.connections })), problems)
  })

  test('that is no graph at all is refused as well', async () => {
    const { supabase, tenant } = await newTenant()
    for (const [index, nodes] of [{}, 'text', 7, [null], [[]], [{ id: {} }]].entries()) {
      const draft = must(await supabase.from('workflows').insert({ tenant_id: tenant.id, name: `Hostile ${index}`, nodes }).select('id').single())
      assertRefused(await supabase.rpc('activate_workflow', { workflow_id: draft.id }), 422, 'workflow_invalid')
      must(await supabase.from('workflows').delete().eq('id', draft.id))
    }
  })
})
