// Stripe as the tests have it: its official package, talking to a stand-in that keeps objects and signs its webhooks (localstripe).

import Stripe from 'stripe'
import { edge, mustNotStay, sql } from './stack.mjs'

const { AIAS_E2E_STRIPE_URL: address, AIAS_E2E_STRIPE_KEY: key, AIAS_E2E_STRIPE_WEBHOOK_SECRET: secret } = process.env

/** Why there is none, when there is none. */
export const noStripe = address && key && secret ? false : 'AIAS_E2E_STRIPE_URL is not set: only the stack of the e2e gate has a stand-in for Stripe'

export const webhookSecret = secret && mustNotStay(secret)
if (key) mustNotStay(key)

/** The official client, or undefined without a stand-in. */
export const stripe = noStripe
  ? undefined
  : new Stripe(key, { host: new URL(address).hostname, port: new URL(address).port, protocol: 'http', maxNetworkRetries: 0, telemetry: false })

/** Has the stand-in send its events to edge-api, signed with this stack's secret. */
export async function tellEdge() {
  const url = (await edge('/webhooks/stripe')).url
  const response = await fetch(`${address}/_config/webhooks/aias`, {
    method: 'POST',
    body: JSON.stringify({ url, secret }),
    headers: { 'content-type': 'application/json' },
  })
  if (!response.ok) throw new Error(`localstripe takes no webhook: ${response.status}`)
}

/** Sends an event as Stripe does, with a header that the official package has made; `header` may be another one. */
export function deliver(payload, header = Stripe.webhooks.generateTestHeaderString({ payload, secret })) {
  return edge('/webhooks/stripe', { method: 'POST', body: payload, headers: { 'stripe-signature': header, 'content-type': 'application/json' } })
}

/** What has become of events, by their ids. */
export async function states(ids) {
  const rows = await sql`select id, state, attempts, problem from billing.events where id = any (${ids}) order by id`
  return rows.map(({ id, state, problem }) => [id, problem ? `${state}: ${problem}` : state])
}

export const signed = (options) => Stripe.webhooks.generateTestHeaderString(options)

let told = 0
/** An event in the shape of Stripe's newest API version. */
export function event(type, object, { created = Math.floor(Date.now() / 1000), previous } = {}) {
  return JSON.stringify({
    id: `evt_e2e_${process.pid}_${String(++told).padStart(5, '0')}`,
    object: 'event', api_version: '2026-06-24.dahlia', created, type, livemode: false, pending_webhooks: 1, request: { id: null, idempotency_key: null },
    data: { object, ...(previous && { previous_attributes: previous }) },
  })
}
