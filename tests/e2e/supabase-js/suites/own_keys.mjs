// A tenant's own key to a provider: set by edge-api, seen through PostgREST without the key, used by the next step, and gone again.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { activeWorkflow, assertBody, drawing, edge, manual, must, mustNotStay, newTenant, run } from '../stack.mjs'

const KEY = mustNotStay('sk-proj-Hunter2Hunter2')

describe('own keys', () => {
  test('a step calls with it while there is one', async () => {
    const person = await newTenant()
    const of = (path) => `/v1/providers${path}?tenant_id=${person.tenant.id}`
    const put = (body) =>
      edge(of('/openai'), { token: person.token, method: 'PUT', body: JSON.stringify(body), headers: { 'content-type': 'application/json' } })

    const address = await put({ key: KEY, base_url: 'http://169.254.169.254/v1' })
    assert.equal(address.status, 400)
    assertBody(await address.json(), 'invalid_body')
    const set = await put({ key: KEY })
    assert.equal(set.status, 200)
    assert.equal((await set.json()).last_four, 'ter2')

    const listed = await (await edge(of(''), { token: person.token })).json()
    assert.deepEqual(listed.map(({ provider, own_key }) => [provider, own_key]), [['anthropic', false], ['gemini', false], ['openai', true]])
    const rows = must(await person.supabase.from('provider_keys').select())
    assert.deepEqual(rows.map(({ provider, last_four }) => [provider, last_four]), [['openai', 'ter2']])
    const byHand = await person.supabase.from('provider_keys').insert({ tenant_id: person.tenant.id, provider: 'gemini' })
    assert.ok(byHand.error, 'nobody writes the table by hand')

    const ask = drawing([manual, { id: 'ask', type: 'ai_processing', config: { model: 'openai/gpt-4o-mini', prompt: 'Greet me.' } }])
    const workflow = await activeWorkflow(person, ask)
    const withOwn = await run(person, workflow)
    assert.equal(withOwn.execution.status, 'succeeded')
    assert.ok(!JSON.stringify(withOwn).includes('Hunter2'))

    assert.equal((await edge(of('/openai'), { token: person.token, method: 'DELETE' })).status, 204)
    assert.equal((await run(person, workflow)).execution.status, 'succeeded')
    const usage = must(await person.supabase.from('usage').select('own_key').order('created_at'))
    assert.deepEqual(usage, [{ own_key: true }, { own_key: false }])
  })
})
