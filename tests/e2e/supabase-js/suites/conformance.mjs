// Every case with every provider format, through the door, by OpenAI's own SDK. What the cases are is in ../conformance/; llm/README.md names
// the tests that hold the same ones in process.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import OpenAI from 'openai'
import { answers } from '../conformance/answers.mjs'
import { faults } from '../conformance/faults.mjs'
import { eventually, must, newTenant, provider, sql, stack, unique } from '../stack.mjs'

/** A model of each format. */
const MODELS = {
  openai: 'openai/gpt-4o-mini',
  'openai-compatible': 'openai-compatible/llama-3.1-8b',
  anthropic: 'anthropic/claude-haiku-4-5',
  gemini: 'gemini/gemini-2.5-flash',
}
const formats = Object.keys(MODELS)

for (const [index, format] of formats.entries()) {
  describe(`conformance: ${format}`, () => {
    let person, openai
    before(async () => {
      person = await newTenant({ requests_per_minute: null, llm_tokens: null })
      const [{ key }] = must(await person.supabase.rpc('create_api_key', { tenant_id: person.tenant.id, name: 'SDK', scopes: ['models.call'] }))
      // Nothing is tried twice by the SDK, so that what fails is seen.
      openai = new OpenAI({ baseURL: `${stack.edge}/v1`, apiKey: key, maxRetries: 0 })
    })
    after(provider.unscript)

    for (const [name, play] of Object.entries({ ...answers, ...faults })) {
      test(name, async () => {
        const asks = `${name} ${unique()}`
        await play({
          model: MODELS[format],
          other: MODELS[formats[(index + 1) % formats.length]],
          asks,
          messages: [{ role: 'user', content: asks }],
          complete: (body) => openai.chat.completions.create(body),
          /** Answers what this case asks, one after the other; `when` says to whom. */
          script: (...replies) => provider.script(replies.map(({ when, ...reply }) => ({ match: { userMessage: asks, ...when }, ...reply }))),
          calls: async () => (await provider.calls()).filter(({ body }) => JSON.stringify(body).includes(asks)),
          usage: () => lastUsage(person),
        })
      })
    }

    test('and nothing stays set aside', async () => {
      const settled = await eventually(async () => {
        const [{ reserved }] = await sql`select coalesce(sum(reserved), 0)::int as reserved from aias.quota_usage(${person.tenant.id})`
        return reserved === 0
      })
      assert.ok(settled, 'tokens are still reserved')
    })
  })
}

/** The rows of calls so far, the latest first. */
async function lastUsage({ supabase }) {
  return must(await supabase.from('usage').select().order('created_at', { ascending: false }))
}
