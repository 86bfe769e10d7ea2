// The webhook of Stripe against Stripe's own package: what it signs is taken, and whatever else comes changes nothing.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { assertBody, edge } from '../stack.mjs'
import { deliver, event, noStripe, signed, states, webhookSecret as secret } from '../stripe.mjs'

const now = () => Math.floor(Date.now() / 1000)
const idOf = (payload) => JSON.parse(payload).id
const payload = () => event('account.updated', { id: 'acct_e2e', object: 'account', business_profile: { name: 'Zoë & Söhne, 株式会社 🚀' } })

describe('signatures of Stripe', { skip: noStripe }, () => {
  test('what the official package signs is taken, once', async () => {
    const body = payload()
    for (let time = 0; time < 3; time++) assert.equal((await deliver(body)).status, 200)
    const [[id, state], ...others] = await states([idOf(body)])
    assert.equal(id, idOf(body))
    assert.match(state, /^(received|ignored)$/)
    assert.deepEqual(others, [])
  })

  test('one good signature of several is enough, as while a secret is replaced', async () => {
    const body = payload()
    const [time, good] = signed({ payload: body, secret }).split(',')
    const [, other] = signed({ payload: body, secret: 'whsec_another_secret', timestamp: now() }).split(',')
    assert.equal((await deliver(body, `${time},${other},${good},v0=00`)).status, 200)
  })

  const body = payload()
  const good = () => signed({ payload: body, secret })
  const refused = {
    'forged': [body, () => good().replace(/v1=.{8}/, 'v1=00000000'), 'signature_invalid'],
    'of another secret': [body, () => signed({ payload: body, secret: 'whsec_another_secret' }), 'signature_invalid'],
    'of another scheme alone': [body, () => good().replace('v1=', 'v0='), 'signature_invalid'],
    'of another time': [body, () => good().replace(/t=\d+/, `t=${now() - 10}`), 'signature_invalid'],
    'stale': [body, () => signed({ payload: body, secret, timestamp: now() - 301 - 5 }), 'signature_expired'],
    'from the future': [body, () => signed({ payload: body, secret, timestamp: now() + 301 + 60 }), 'signature_expired'],
    'cut off': [body.slice(0, -1), good, 'signature_invalid'],
    'written anew': [JSON.stringify(JSON.parse(body), null, 2), good, 'signature_invalid'],
    'with escapes in place of letters': [body.replaceAll(/[^\x00-\x7f]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`), good, 'signature_invalid'],
    'with a byte order mark': [`\ufeff${body}`, good, 'signature_invalid'],
    'with a line more': [`${body}\n`, good, 'signature_invalid'],
    'without a header': [body, () => undefined, 'signature_missing'],
    'with an empty header': [body, () => '', 'signature_invalid'],
  }
  for (const [what, [sent, header, code]] of Object.entries(refused)) {
    test(`${what}: refused, and nothing is kept`, async () => {
      const signature = header()
      const headers = { 'content-type': 'application/json', ...(signature !== undefined && { 'stripe-signature': signature }) }
      const answer = await edge('/webhooks/stripe', { method: 'POST', body: sent, headers })
      assert.equal(answer.status, 400)
      assertBody(await answer.json(), code)
      assert.deepEqual(await states([idOf(body)]), [])
    })
  }

  test('and the same event is taken when it comes as it was signed', async () => {
    assert.equal((await deliver(body, good())).status, 200)
  })
})
