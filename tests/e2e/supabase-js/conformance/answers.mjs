// What a provider answers, and what comes of it at the door. A case gets: model, messages, asks (what the user says), script (what the provider
// answers), complete (the SDK's call), calls (what the provider was asked), usage (what was written down).

import assert from 'node:assert/strict'
import { eventually } from '../stack.mjs'

const temperature = {
  type: 'function',
  function: {
    name: 'temperature',
    description: 'The temperature of a city in °C',
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  },
}
const inGdansk = { id: 'call_a1', name: 'temperature', arguments: { city: 'Gdańsk' } }
const inKrakow = { id: 'call_a2', name: 'temperature', arguments: { city: 'Kraków' } }

const saidBy = (call) => [call.id, call.function.name, JSON.parse(call.function.arguments)]
const wanted = ({ id, name, arguments: given }) => [id, name, given]

/** A stream to its end: {text, calls, reasons, usage, chunks}. */
async function drain(stream) {
  const read = { text: '', calls: [], reasons: [], usage: undefined, chunks: 0 }
  for await (const chunk of stream) {
    read.chunks += 1
    read.usage = chunk.usage ?? read.usage
    const [choice] = chunk.choices
    if (!choice) continue
    read.text += choice.delta.content ?? ''
    if (choice.finish_reason) read.reasons.push(choice.finish_reason)
    for (const { index, id, function: called } of choice.delta.tool_calls ?? []) {
      read.calls[index] ??= { id, function: { name: called.name, arguments: '' } }
      read.calls[index].function.arguments += called.arguments ?? ''
    }
  }
  return read
}

export const answers = {
  plain: async ({ model, messages, script, complete, usage }) => {
    await script({ response: { content: 'Paris', usage: { prompt_tokens: 11, completion_tokens: 3 } } })
    const answer = await complete({ model, messages })
    assert.equal(answer.choices[0].message.content, 'Paris')
    assert.equal(answer.choices[0].finish_reason, 'stop')
    assert.equal(answer.model, model)
    assert.deepEqual([answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens], [11, 3, 14])
    const rows = await eventually(async () => ((await usage()).length > 0 ? usage() : undefined))
    assert.deepEqual([`${rows[0].provider}/${rows[0].model}`, rows[0].input_tokens, rows[0].output_tokens], [model, 11, 3])
  },

  stream: async ({ model, messages, script, complete }) => {
    const story = 'Once upon a time there was a crab who could not count. '.repeat(10)
    await script({ response: { content: story, usage: { prompt_tokens: 5, completion_tokens: 120 } }, chunkSize: 7, latency: 0 })
    const read = await drain(await complete({ model, messages, stream: true, stream_options: { include_usage: true } }))
    assert.equal(read.text, story)
    assert.ok(read.chunks > 50, `${read.chunks} chunks`)
    assert.deepEqual(read.reasons, ['stop'])
    assert.equal(read.usage.total_tokens, 125)
  },

  tools: async ({ model, messages, script, complete }) => {
    await script(
      { when: { hasToolResult: false }, response: { toolCalls: [inGdansk] } },
      { when: { hasToolResult: true }, response: { content: '18 degrees' } },
    )
    const first = await complete({ model, messages, tools: [temperature] })
    assert.equal(first.choices[0].finish_reason, 'tool_calls')
    const { message } = first.choices[0]
    assert.deepEqual(message.tool_calls.map(saidBy), [wanted(inGdansk)])
    const result = { role: 'tool', tool_call_id: message.tool_calls[0].id, content: '18' }
    const second = await complete({ model, messages: [...messages, message, result], tools: [temperature] })
    assert.equal(second.choices[0].message.content, '18 degrees')
  },

  'parallel tools': async ({ model, messages, script, complete }) => {
    await script({ response: { toolCalls: [inGdansk, inKrakow] }, chunkSize: 3, latency: 0 })
    const whole = await complete({ model, messages, tools: [temperature] })
    assert.deepEqual(whole.choices[0].message.tool_calls.map(saidBy), [inGdansk, inKrakow].map(wanted))
    const read = await drain(await complete({ model, messages, tools: [temperature], stream: true }))
    assert.deepEqual(read.calls.map(saidBy), [inGdansk, inKrakow].map(wanted))
    assert.deepEqual(read.reasons, ['tool_calls'])
  },

  structured: async ({ model, messages, script, complete, calls }) => {
    // The first answer is not of the shape and is mended once: the last thing said is then what is wrong with it.
    const [first, second] = [0, 1].map((sequenceIndex) => ({ userMessage: undefined, endpoint: 'chat', sequenceIndex }))
    await script({ when: first, response: { content: { category: 'complaint' } } }, { when: second, response: { content: { category: 'billing' } } })
    const schema = { type: 'object', properties: { category: { enum: ['billing', 'bug'] } }, required: ['category'] }
    const answer = await complete({ model, messages, response_format: { type: 'json_schema', json_schema: { name: 'ticket', schema } } })
    assert.deepEqual(JSON.parse(answer.choices[0].message.content), { category: 'billing' })
    assert.equal((await calls()).length, 2)
  },

  'image in': async ({ model, asks, script, complete, calls }) => {
    await script({ response: { content: 'a heron' } })
    const url = 'data:image/png;base64,iVBORw0KGgo='
    const content = [{ type: 'text', text: asks }, { type: 'image_url', image_url: { url } }]
    const answer = await complete({ model, messages: [{ role: 'user', content }] })
    assert.equal(answer.choices[0].message.content, 'a heron')
    const [{ body }] = await calls()
    // aimock keeps pictures of OpenAI's format alone; llm/tests/chat/seeing.rs reads the others from the wire.
    if (model.startsWith('openai')) assert.deepEqual(body.messages.at(-1).content[1], { type: 'image_url', image_url: { url } })
  },

  long: async ({ model, asks, script, complete }) => {
    const written = 'All work and no play. '.repeat(5000)
    await script({ response: { content: written }, chunkSize: 4000, latency: 0 })
    const answer = await complete({ model, messages: [{ role: 'user', content: `${'Read this. '.repeat(10_000)}${asks}` }], max_tokens: 30_000 })
    assert.equal(answer.choices[0].message.content, written)
  },

  refusal: async ({ model, messages, script, complete, calls }) => {
    const finishReason = model.startsWith('anthropic/') ? 'refusal' : 'content_filter'
    await script({ response: { content: 'I will not.', finishReason } })
    const answer = await complete({ model, messages })
    assert.deepEqual([answer.choices[0].finish_reason, answer.choices[0].message.content], ['content_filter', 'I will not.'])
    assert.equal((await calls()).length, 1, 'it is not asked again')
  },

  empty: async ({ model, messages, script, complete }) => {
    // aimock takes no empty text; a list of no calls comes to the same.
    await script({ response: { toolCalls: [], finishReason: 'stop' } })
    const answer = await complete({ model, messages })
    assert.deepEqual([answer.choices[0].message.content, answer.choices[0].finish_reason], ['', 'stop'])
  },

  unicode: async ({ model, messages, script, complete }) => {
    const written = '🦀 żółć «日本語» \u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467} "\\ \n\u{2028} end'
    for (const chunkSize of [1, 3]) {
      await script({ response: { content: written }, chunkSize, latency: 0 })
      const read = await drain(await complete({ model, messages, stream: true }))
      assert.equal(read.text, written, `${chunkSize} at a time`)
    }
  },
}
