// What README.md says to type to a shell, to Node and to Python works as it is written there.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { eventually, must, newTenant, stack } from '../stack.mjs'

const root = new URL('../../../../', import.meta.url)
// Where `cargo xtask setup --tests` puts OpenAI's SDK for Python.
const python = process.env.AIAS_E2E_PYTHON ?? fileURLToPath(new URL('.aias/python/bin/python', root))

async function snippet(name, language) {
  const readme = await readFile(new URL('README.md', root), 'utf8')
  const [, code] = new RegExp(`<!-- ${name} -->\\s*\`\`\`${language}\\n(.*?)\\n\`\`\``, 's').exec(readme) ?? []
  assert.ok(code, `README.md has no ${language} block behind the line <!-- ${name} -->`)
  return code
}

describe('models for any client', () => {
  let person, environment
  before(async () => {
    person = await newTenant()
    const [{ key }] = must(await person.supabase.rpc('create_api_key', { tenant_id: person.tenant.id, name: 'README', scopes: ['models.call'] }))
    environment = { ...process.env, AIAS_EDGE_URL: stack.edge, AIAS_API_KEY: key }
  })
  const run = (program, ...args) => promisify(execFile)(program, args, { timeout: 60_000, env: environment, cwd: fileURLToPath(root) })

  test('curl', async () => {
    const { stdout } = await run('sh', '-c', await snippet('door-curl', 'sh'))
    const answer = JSON.parse(stdout)
    assert.equal(answer.model, 'openai/gpt-4o-mini')
    assert.match(answer.choices[0].message.content, /second calendar/)
  })

  test('Node', async () => {
    // Beside node_modules, or its import would not be found.
    const file = fileURLToPath(new URL(`models-${process.pid}.mjs`, root))
    await writeFile(file, await snippet('door-node', 'js'))
    try {
      assert.match((await run(process.execPath, file)).stdout, /second calendar/)
    } finally {
      await rm(file)
    }
  })

  test('Python', async () => {
    assert.match((await run(python, '-c', await snippet('door-python', 'python'))).stdout, /second calendar/)
  })

  test('and each call is a row', async () => {
    const rows = await eventually(async () => {
      const rows = must(await person.supabase.from('usage').select('provider').order('created_at'))
      return rows.length >= 3 && rows
    })
    assert.deepEqual(rows?.map(({ provider }) => provider), ['openai', 'anthropic', 'gemini'])
  })
})
