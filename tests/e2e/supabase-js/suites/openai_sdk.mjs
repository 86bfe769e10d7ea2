// OpenAI's own SDK, unchanged: nothing but a base URL and a key of ours.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import OpenAI from 'openai'
import { eventually, must, newTenant, provider, sql, stack } from '../stack.mjs'

const MODEL = 'openai/gpt-4o-mini'
const messages = [{ role: 'user', content: 'How do I add a second calendar?' }]

/** A client of OpenAI's with an API key of the tenant. Nothing is tried twice, so that what fails is seen. */
async function clientOf({ supabase, tenant }, scopes = ['models.call']) {
  const [{ id, key }] = must(await supabase.rpc('create_api_key', { tenant_id: tenant.id, name: 'SDK', scopes }))
  return { id, openai: new OpenAI({ baseURL: `${stack.edge}/v1`, apiKey: key, maxRetries: 0 }) }
}

/** What was written down of the tenant's calls, once that are so many. */
async function used({ supabase }, count) {
  const rows = await eventually(async () => {
    const rows = must(await supabase.from('usage').select().order('created_at'))
    return rows.length >= count && rows
  })
  assert.equal(rows?.length, count)
  return rows
}

describe("OpenAI's SDK", () => {
  test('asks a model, and the tenant sees what it took', async () => {
    const person = await newTenant()
    const { id, openai } = await clientOf(person)
    const answer = await openai.chat.completions.create({ model: MODEL, messages })
    assert.match(answer.choices[0].message.content, /second calendar/)
    assert.equal(answer.choices[0].finish_reason, 'stop')
    assert.deepEqual([answer.usage.prompt_tokens, answer.usage.completion_tokens], [207, 72])
    const [row] = await used(person, 1)
    assert.deepEqual(
      [row.api_key_id, row.provider, row.model, row.input_tokens, row.output_tokens, row.is_estimated],
      [id, 'openai', 'gpt-4o-mini', 207, 72, false],
    )
    assert.ok(row.cost_usd > 0)
  })

  test('reads a stream to its end', async () => {
    const person = await newTenant()
    const { openai } = await clientOf(person)
    const stream = await openai.chat.completions.create({ model: MODEL, messages, stream: true, stream_options: { include_usage: true } })
    let text = ''
    let usage
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? ''
      usage = chunk.usage ?? usage
    }
    assert.match(text, /kept apart/)
    assert.equal(usage.total_tokens, 279)
    assert.equal((await used(person, 1))[0].output_tokens, 72)
  })

  test('leaves a stream, and what came of it is paid', async () => {
    const person = await newTenant()
    const { openai } = await clientOf(person)
    const stream = await openai.chat.completions.create({ model: MODEL, messages, stream: true })
    for await (const chunk of stream) {
      if (chunk.choices[0].delta.content) break
    }
    const [row] = await used(person, 1)
    assert.ok(row.output_tokens > 0 && row.output_tokens <= 72, String(row.output_tokens))
    const [{ reserved }] = await sql`select coalesce(sum(reserved), 0)::int as reserved from aias.quota_usage(${person.tenant.id})`
    assert.equal(reserved, 0)
  })

  test('gets JSON of a shape', async () => {
    const { openai } = await clientOf(await newTenant())
    const schema = { type: 'object', properties: { category: { type: 'string' } }, required: ['category'] }
    const answer = await openai.chat.completions.create({
      model: MODEL,
      messages,
      response_format: { type: 'json_schema', json_schema: { name: 'ticket', schema } },
    })
    assert.equal(JSON.parse(answer.choices[0].message.content).category, 'how_to')
  })

  test('asks an agent of the tenant, and lists what it may ask', async () => {
    const person = await newTenant()
    must(await person.supabase.from('ai_agents').insert({
      tenant_id: person.tenant.id, name: 'Helper', slug: 'helper', model: 'anthropic/claude-3-5-haiku-latest', config: { system_prompt: 'Help.' },
    }))
    const { openai } = await clientOf(person)
    const answer = await openai.chat.completions.create({ model: 'agent:helper', messages })
    assert.equal(answer.model, 'anthropic/claude-3-5-haiku-latest')
    const models = []
    for await (const model of openai.models.list()) models.push(model.id)
    assert.ok(models.includes('agent:helper') && models.includes(MODEL), models.join())
  })

  test("asks an agent's other models when its own fails", async (t) => {
    const person = await newTenant()
    const made = await person.supabase.from('ai_agents').insert({
      tenant_id: person.tenant.id, name: 'Steady', slug: 'steady', model: 'gemini/gemini-2.0-flash',
      config: { fallback_models: ['gemini/gemini-2.5-flash', MODEL] },
    })
    must(made)
    const { openai } = await clientOf(person)
    t.after(provider.unscript)
    // Not again and again: that would open the circuit of all models of the provider.
    await provider.script([
      { match: { model: 'gemini-2.0-flash' }, response: { error: { message: 'there is no such model', type: 'invalid_request_error' }, status: 404 } },
      { match: { model: 'gemini-2.5-flash' }, response: { content: 'I can' } },
    ])
    const answer = await openai.chat.completions.create({ model: 'agent:steady', messages })
    assert.deepEqual([answer.choices[0].message.content, answer.model], ['I can', 'gemini/gemini-2.5-flash'])
    assert.equal((await used(person, 1))[0].model, 'gemini-2.5-flash')

    const nonsense = await person.supabase.from('ai_agents').update({ config: { fallback_models: ['gpt-4o'] } }).eq('slug', 'steady')
    assert.match(nonsense.error?.message ?? '', /agent_fallback_models_name_their_providers/, 'a model without its provider could never be asked')
  })

  test('is refused in its own words', async () => {
    const person = await newTenant({ llm_tokens: 50 })
    const { openai } = await clientOf(person)
    await assert.rejects(openai.chat.completions.create({ model: MODEL, messages }), (error) => {
      assert.deepEqual([error.status, error.code, error.type], [402, 'quota_exceeded', 'insufficient_quota'])
      return true
    })
    await assert.rejects(openai.chat.completions.create({ model: 'nowhere/model', messages, max_tokens: 5 }), OpenAI.NotFoundError)
    await assert.rejects(openai.chat.completions.create({ model: MODEL, messages, n: 2 }), OpenAI.BadRequestError)
    const stranger = new OpenAI({ baseURL: `${stack.edge}/v1`, apiKey: 'sk-nobody', maxRetries: 0 })
    await assert.rejects(stranger.chat.completions.create({ model: MODEL, messages }), OpenAI.AuthenticationError)
    const { openai: reader } = await clientOf(person, ['usage.read'])
    await assert.rejects(reader.models.list(), OpenAI.PermissionDeniedError)
  })

  test('works with a session in place of a key', async () => {
    const { token, tenant } = await newTenant()
    const openai = new OpenAI({ baseURL: `${stack.edge}/v1`, apiKey: token, defaultQuery: { tenant_id: tenant.id }, maxRetries: 0 })
    const answer = await openai.chat.completions.create({ model: MODEL, messages })
    assert.match(answer.choices[0].message.content, /second calendar/)
  })
})
