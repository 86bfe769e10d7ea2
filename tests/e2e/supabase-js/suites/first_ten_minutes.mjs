// The code in README.md runs as written.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { stack } from '../stack.mjs'

const root = new URL('../../../../', import.meta.url)

describe('the first ten minutes', () => {
  test('of README.md run as they are written there', async () => {
    const readme = await readFile(new URL('README.md', root), 'utf8')
    const [, code] = /<!-- first-ten-minutes -->\s*```js\n(.*?)\n```/s.exec(readme) ?? []
    assert.ok(code, 'README.md has no ```js block behind the line <!-- first-ten-minutes -->')

    // Where the README says to save it: beside node_modules, or its imports would not be found.
    const file = new URL(`first-${process.pid}.mjs`, root)
    await writeFile(file, code)
    try {
      const { stdout } = await promisify(execFile)(process.execPath, [fileURLToPath(file)], {
        timeout: 60_000,
        env: { ...process.env, SUPABASE_URL: stack.api, SUPABASE_PUBLISHABLE_KEY: stack.key, AIAS_EDGE_URL: stack.edge },
      })
      assert.match(stdout, /event: step/, 'it watched the steps')
      assert.match(stdout, /succeeded \{\s+card: \{\s+to: 'Ada',\s+text: '/, 'and read the result')
    } finally {
      await rm(file)
    }
  })
})
