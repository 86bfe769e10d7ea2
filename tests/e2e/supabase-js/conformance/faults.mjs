// What goes wrong at a provider, and what comes of it at the door. A case gets what those in answers.mjs get, and `other`, a model of another format.

import assert from 'node:assert/strict'
import OpenAI from 'openai'
import { eventually } from '../stack.mjs'

const failure = (status, more) => ({ response: { error: { message: 'not now', type: 'server_error' }, status, ...more } })

export const faults = {
  '429 then success': async ({ model, messages, script, complete, calls }) => {
    await script({ when: { sequenceIndex: 0 }, ...failure(429, { retryAfter: 1 }) }, { when: { sequenceIndex: 1 }, response: { content: 'now' } })
    const began = Date.now()
    const answer = await complete({ model, messages })
    assert.equal(answer.choices[0].message.content, 'now')
    assert.ok(Date.now() - began >= 900, 'it waited as long as was asked')
    assert.equal((await calls()).length, 2)
  },

  '500s then fallback': async ({ model, other, messages, script, complete, calls, usage }) => {
    const named = (full) => full.slice(full.indexOf('/') + 1)
    await script({ when: { model: named(model) }, ...failure(500) }, { when: { model: named(other) }, response: { content: 'I can' } })
    const before = (await usage()).length
    const answer = await complete({ model, models: [other], messages })
    assert.deepEqual([answer.choices[0].message.content, answer.model], ['I can', other])
    const asked = (await calls()).map(({ body }) => body.model)
    assert.deepEqual(asked, [...Array(asked.length - 1).fill(named(model)), named(other)])
    assert.ok(asked.length > 2, 'the first is asked again before the next is')
    const rows = await eventually(async () => ((await usage()).length > before ? usage() : undefined))
    assert.equal(`${rows[0].provider}/${rows[0].model}`, other, 'it is entered for the one that answered')

    // And it is well again.
    await script({ response: { content: 'better' } })
    assert.equal((await complete({ model, messages })).choices[0].message.content, 'better')
  },

  'malformed JSON': async ({ model, messages, script, complete }) => {
    await script({ response: { content: 'x' }, chaos: { malformedRate: 1 } })
    await assert.rejects(complete({ model, messages }), (error) => {
      assert.deepEqual([error.status, error.code], [502, 'llm_malformed_response'])
      assert.doesNotMatch(error.message, /line \d+ column|expected value/, 'no insides of a parser')
      return true
    })
  },

  'mid-stream disconnect': async ({ model, messages, script, complete, calls, usage }) => {
    // With a delay, so that what was said reaches the door before the connection ends.
    await script({ response: { content: 'a long answer that nobody will hear to its end' }, chunkSize: 4, truncateAfterChunks: 5, latency: 80 })
    const before = (await usage()).length
    const stream = await complete({ model, messages, stream: true })
    let text = ''
    await assert.rejects(
      async () => {
        for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? ''
      },
      (error) => error instanceof OpenAI.APIError && error.code === 'llm_connection',
    )
    assert.match(text, /^a lo/)
    assert.equal((await calls()).length, 1, 'what was heard is not said anew')
    const rows = await eventually(async () => ((await usage()).length > before ? usage() : undefined))
    assert.ok(rows[0].is_estimated && rows[0].output_tokens > 0, 'what was said is paid')
  },

  'slow first token': async ({ model, messages, script, complete }) => {
    await script({ response: { content: 'at last' }, streamingProfile: { ttft: 1500 } })
    const began = Date.now()
    const stream = await complete({ model, messages, stream: true })
    let text = ''
    for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? ''
    assert.equal(text, 'at last')
    assert.ok(Date.now() - began >= 1400, 'it was slow')
  },

  'client disconnect': async ({ model, messages, script, complete, usage }) => {
    await script({ response: { content: 'and so on, and so on, '.repeat(200) }, chunkSize: 10, latency: 50 })
    const before = (await usage()).length
    for await (const chunk of await complete({ model, messages, stream: true })) {
      if (chunk.choices[0].delta.content) break
    }
    const rows = await eventually(async () => ((await usage()).length > before ? usage() : undefined))
    assert.ok(rows[0].is_estimated, 'nobody counted it')
    assert.ok(rows[0].output_tokens > 0 && rows[0].output_tokens < 200, `${rows[0].output_tokens} of about 1,600: the call upstream was closed`)
  },
}
