// The stack under test, as its customers know it: addresses and a key. What only the operator knows is said where it is used.

import assert from 'node:assert/strict'
import { appendFileSync } from 'node:fs'
import { readFile, readdir } from 'node:fs/promises'
import { after } from 'node:test'
import { createClient } from '@supabase/supabase-js'
import postgres from 'postgres'
import ws from 'ws'

const wanted = (name) => {
  const value = process.env[name]
  if (!value) throw new Error(`${name} is not set: these tests need a running stack; \`cargo xtask test --only e2e\` starts one`)
  return value
}

export const stack = {
  api: wanted('AIAS_E2E_API_URL'),
  edge: wanted('AIAS_E2E_EDGE_URL'),
  key: wanted('AIAS_E2E_PUBLISHABLE_KEY'),
  password: wanted('AIAS_E2E_PASSWORD'),
  llm: wanted('AIAS_E2E_LLM_URL'),
  helpdesk: wanted('AIAS_E2E_HELPDESK_URL'),
  mailbox: wanted('AIAS_E2E_MAILBOX_URL'),
}

// The operator's view, to set a limit and to look behind the doors.
export const sql = postgres(wanted('AIAS_E2E_DATABASE_URL'), { max: 2, onnotice: () => {} })
after(() => sql.end())

export const ALPHA = {
  tenant: '01900000-0000-7000-8000-00000000a000',
  agent: '01900000-0000-7000-8000-00000000a0a1',
  workflow: '01900000-0000-7000-8000-00000000a0f1',
}

// Keys ------------------------------------------------------------------------------------------------------------------------

/** Says that this is a key, a secret or a password: when all is over the gate searches for it, and it may stand nowhere. */
export function mustNotStay(secret) {
  const file = process.env.AIAS_E2E_KEYS_USED
  if (file) appendFileSync(file, `${secret}\n`)
  return secret
}

/** RPCs that answer with a secret, and where in their answer. */
const SHOWN_ONCE = { create_api_key: ([{ key }]) => key, enable_hook_signing: (secret) => secret }

/** fetch, with its eye on the answers that hold a secret. */
async function watchful(address, init) {
  const response = await fetch(address, init)
  const secretOf = SHOWN_ONCE[/\/rpc\/(\w+)/.exec(String(address))?.[1]]
  if (secretOf && response.ok) mustNotStay(secretOf(await response.clone().json()))
  return response
}

// People ----------------------------------------------------------------------------------------------------------------------

export const anonymous = (headers = {}) =>
  createClient(stack.api, stack.key, {
    auth: { persistSession: false, autoRefreshToken: false },
    realtime: { transport: ws },
    global: { headers, fetch: watchful },
  })

/** A seeded person: a client that is signed in as them, and their access token. */
export async function signIn(email) {
  const supabase = anonymous()
  const { session, user } = must(await supabase.auth.signInWithPassword({ email, password: stack.password }))
  return { supabase, user, token: mustNotStay(session.access_token) }
}

/** Somebody new. */
export async function signUp() {
  const supabase = anonymous()
  const email = `e2e-${unique()}@example.test`
  const password = mustNotStay(`a-long-enough-password-${unique()}`)
  const { session, user } = must(await supabase.auth.signUp({ email, password, options: { data: { name: 'Ada' } } }))
  return { supabase, user, email, token: mustNotStay(session.access_token) }
}

/** Somebody new with a tenant of their own; `limits` are what the operator allows beside the plan. */
export async function newTenant(limits) {
  const person = await signUp()
  const subdomain = `e2e-${unique()}`
  const tenant = must(await person.supabase.rpc('create_tenant', { name: 'End to end', subdomain }))
  if (limits) await sql`update public.tenants set limit_overrides = ${sql.json(limits)} where id = ${tenant.id}`
  return { ...person, tenant }
}

let made = 0
export const unique = () => `${Date.now().toString(36)}-${process.pid}-${++made}`

// Answers -------------------------------------------------------------------------------------------------------------------------

/** The data of an answer that was expected to be good. */
export function must({ data, error }) {
  if (error) assert.fail(`${error.status ?? ''} ${error.code}: ${error.message} ${error.details ?? ''}`)
  return data
}

/** The one body with which everything says no: {code, message, details, hint}, texts or nulls. */
export function assertBody(body, code) {
  assert.deepEqual(Object.keys(body).sort(), ['code', 'details', 'hint', 'message'], JSON.stringify(body))
  assert.equal(body.code, code, JSON.stringify(body))
  assert.ok(typeof body.message === 'string' && body.message.length > 0, JSON.stringify(body))
  for (const field of ['details', 'hint']) assert.ok(body[field] === null || typeof body[field] === 'string', JSON.stringify(body))
}

/** A refusal as supabase-js hands it on. */
export function assertRefused({ data, error, status }, wantedStatus, code) {
  assert.equal(data, null, 'nothing is answered beside the refusal')
  assert.ok(error, `refused with ${wantedStatus} ${code}`)
  assert.equal(`${status} ${error.code}`, `${wantedStatus} ${code}`, error.message)
  const { details, hint, message } = error
  assertBody({ code: error.code, message, details: details ?? null, hint: hint ?? null }, code)
  return error
}

/** PostgREST without supabase-js, for what that does not show: status, headers, body. */
export async function rest(path, { token, method = 'GET', body, headers = {} } = {}) {
  const response = await fetch(`${stack.api}/rest/v1/${path}`, {
    method,
    headers: { apikey: stack.key, 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }), ...headers },
    body: body === undefined ? undefined : JSON.stringify(body),
  })
  const text = await response.text()
  return { status: response.status, headers: response.headers, body: text === '' ? null : JSON.parse(text) }
}

export function edge(path, { token, ...rest } = {}) {
  return fetch(`${stack.edge}${path}`, { ...rest, headers: { ...(token && { authorization: `Bearer ${token}` }), ...rest.headers } })
}

// Workflows -----------------------------------------------------------------------------------------------------------------------

/** Nodes in the shape that React Flow draws, one behind the other; `connections` may draw something else. */
export function drawing(nodes, connections) {
  return {
    nodes: nodes.map((node, index) => ({ position: { x: 240 * index, y: 0 }, ...node })),
    connections: connections ?? nodes.slice(1).map((node, index) => ({ id: `e${index}`, source: nodes[index].id, target: node.id })),
  }
}

export const manual = { id: 'start', type: 'trigger', config: { kind: 'manual' } }

/** Saves and activates a workflow. */
export async function activeWorkflow({ supabase, tenant }, drawn, name = 'End to end') {
  const workflow = must(await supabase.from('workflows').insert({ tenant_id: tenant.id, name, ...drawn }).select().single())
  return must(await supabase.rpc('activate_workflow', { workflow_id: workflow.id }))
}

/** Starts a workflow and follows it to its end: {execution, steps by node id, events}. */
export async function run({ supabase, token }, workflow, input = {}) {
  const { id } = must(await supabase.rpc('start_execution', { workflow_id: workflow.id, input }))
  const events = await follow(token, id)
  const execution = must(await supabase.from('executions').select().eq('id', id).single())
  const rows = must(await supabase.from('execution_steps').select().eq('execution_id', id).order('revision'))
  return { execution, steps: Object.fromEntries(rows.map((row) => [row.node_id, row])), events }
}

// Faults --------------------------------------------------------------------------------------------------------------------------

/** The control API of the stand-in for LLM providers: https://aimock.copilotkit.dev/chaos-testing */
async function control(path, method, body) {
  const response = await fetch(`${stack.llm}/__aimock/${path}`, { method, body: body && JSON.stringify(body), headers: { 'content-type': 'application/json' } })
  const text = await response.text()
  assert.equal(response.status, 200, `aimock: ${method} ${path}: ${text}`)
  return JSON.parse(text)
}

export const provider = {
  /** The next call is answered with this status; several add up. */
  failNext: (status) => control('error', 'POST', { status, body: { message: 'the model is on fire', type: 'server_error', code: 'on_fire' } }),
  /** Every call is answered like this: {malformedRate, disconnectRate, latencyMs}. */
  misbehave: (chaos) => control('chaos', 'POST', chaos),
  behave: () => control('chaos', 'DELETE'),
  /** The calls that were answered with this status. */
  answered: (status) => control(`journal?status=${status}`, 'GET'),
  /** All calls so far. */
  calls: () => control('journal', 'GET'),
  /** Answers by these fixtures alone: https://aimock.copilotkit.dev/fixtures */
  script: async (fixtures) => {
    await control('fixtures', 'DELETE')
    await control('fixtures', 'POST', { fixtures })
  },
  /** Answers again as the stack does. */
  unscript: async () => {
    const folder = new URL('../../../xtask/stand-ins/aimock/fixtures/', import.meta.url)
    const files = (await readdir(folder)).sort()
    const read = files.map(async (file) => JSON.parse(await readFile(new URL(file, folder), 'utf8')).fixtures)
    await provider.script((await Promise.all(read)).flat())
  },
}

// Event streams -------------------------------------------------------------------------------------------------------------------

/** The events of an execution as {event, id, data}, as they come; ends with the stream. */
export async function* events(token, execution, { lastEventId, seconds = 60 } = {}) {
  // Not AbortSignal.timeout: nothing holds on to such a signal, and a stream that only says that it is alive would be read for ever.
  const patience = new AbortController()
  const timer = setTimeout(() => patience.abort(new Error(`the event stream of ${execution} has not ended within ${seconds} s`)), seconds * 1000)
  try {
    const response = await edge(`/v1/executions/${execution}/events`, {
      token,
      headers: lastEventId === undefined ? {} : { 'last-event-id': String(lastEventId) },
      signal: patience.signal,
    })
    assert.equal(response.status, 200, `the event stream of ${execution}`)
    assert.match(response.headers.get('content-type'), /^text\/event-stream/)
    yield* eventsOf(response.body)
  } finally {
    clearTimeout(timer)
  }
}

async function* eventsOf(body) {
  let text = ''
  for await (const chunk of body.pipeThrough(new TextDecoderStream())) {
    text += chunk
    const blocks = text.split('\n\n')
    text = blocks.pop()
    for (const block of blocks) {
      const fields = block.split('\n').filter((line) => line && !line.startsWith(':')).map((line) => line.split(/: ?(.*)/s))
      const data = fields.filter(([name]) => name === 'data').map(([, value]) => value).join('\n')
      if (data === '') continue
      const last = (wanted) => fields.findLast(([name]) => name === wanted)?.[1]
      yield { event: last('event'), id: last('id'), data: JSON.parse(data) }
    }
  }
}

/** Every event to the end, which has to be a final status. */
export async function follow(token, execution, options) {
  const seen = []
  for await (const event of events(token, execution, options)) seen.push(event)
  const { event, data } = seen.at(-1) ?? {}
  assert.equal(event, 'execution', `the stream of ${execution} ended without the execution's end`)
  assert.match(data.status, /^(succeeded|failed|cancelled)$/)
  return seen
}

/** What `look` answers once that is something; undefined after so many seconds. For what workers do a moment later. */
export async function eventually(look, seconds = 30) {
  for (const end = Date.now() + seconds * 1000; ; await sleep(200)) {
    const seen = await look()
    if (seen) return seen
    if (Date.now() > end) return undefined
  }
}

const read = new Set()

/** The next mail to an address that no test has read yet. */
export async function mailTo(address) {
  const mail = await eventually(async () => {
    const mails = await (await fetch(`${stack.mailbox}/messages?to=${encodeURIComponent(address)}`)).json()
    return mails.find(({ id }) => !read.has(id))
  })
  assert.ok(mail, `no mail to ${address} came`)
  read.add(mail.id)
  return mail
}

export const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds))
