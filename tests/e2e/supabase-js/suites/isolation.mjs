// Two tenants, one database: nothing of the one is seen, touched or guessed by the other, through any door.

import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { ALPHA, activeWorkflow, anonymous, assertBody, assertRefused, drawing, edge, manual, must, newTenant, rest, run, signIn, sql } from '../stack.mjs'

const TABLES = ['ai_agents', 'workflows', 'workflow_versions', 'executions', 'execution_steps', 'usage', 'memberships', 'roles']

describe('isolation', () => {
  let theirs, mine
  before(async () => {
    mine = await newTenant()
    const agent = must(
      await mine.supabase.from('ai_agents').insert({ tenant_id: mine.tenant.id, name: 'Mine', slug: 'mine', model: 'openai/gpt-4o-mini' }).select().single(),
    )
    const workflow = await activeWorkflow(mine, drawing([manual, { id: 'ask', type: 'ai_processing', config: { agent_id: agent.id, prompt: 'Hi' } }]), 'Mine')
    const { execution } = await run(mine, workflow)
    Object.assign(mine, { agent, workflow, execution })
    theirs = await signIn('owner@beta.test')
  })

  test('no row is seen: by no filter, in no embedding, by no count', async () => {
    for (const table of TABLES) {
      assert.notDeepEqual(must(await mine.supabase.from(table).select('tenant_id')), [], `${table}: there is something to be seen`)
      assert.deepEqual(must(await theirs.supabase.from(table).select().eq('tenant_id', mine.tenant.id)), [], table)
      const all = must(await theirs.supabase.from(table).select('tenant_id'))
      assert.ok(all.every((row) => row.tenant_id !== mine.tenant.id), `${table} without a filter`)
      const { count } = await theirs.supabase.from(table).select('*', { count: 'exact', head: true }).eq('tenant_id', mine.tenant.id)
      assert.equal(count, 0, `${table} counted`)
    }
    assert.deepEqual(must(await theirs.supabase.from('tenants').select().eq('id', mine.tenant.id)), [])
    assert.deepEqual(must(await theirs.supabase.from('users').select().eq('id', mine.user.id)), [])
    const plans = must(await theirs.supabase.from('subscription_plans').select('key, tenants(name)'))
    assert.ok(plans.every(({ tenants }) => tenants.every(({ name }) => name !== 'End to end')), 'through a table that everybody reads')
  })

  test('no row is written', async () => {
    const refused = await theirs.supabase.from('workflows').insert({ tenant_id: mine.tenant.id, name: 'Planted' })
    assertRefused(refused, 403, '42501')
    assert.deepEqual(must(await theirs.supabase.from('workflows').update({ name: 'Taken' }).eq('id', mine.workflow.id).select()), [])
    assert.deepEqual(must(await theirs.supabase.from('ai_agents').delete().eq('id', mine.agent.id).select()), [])
    assertRefused(
      await theirs.supabase.from('ai_agents').upsert({ tenant_id: mine.tenant.id, id: mine.agent.id, name: 'Taken', slug: 'mine', model: 'openai/gpt-4o' }),
      403, '42501',
    )
    for (const table of ['executions', 'execution_steps', 'usage', 'memberships', 'roles', 'workflow_versions']) {
      const { error } = await theirs.supabase.from(table).delete().eq('tenant_id', mine.tenant.id)
      if (error) assert.equal(error.code, '42501', table)
      assert.notDeepEqual(must(await mine.supabase.from(table).select('tenant_id')), [], `${table} is still there`)
    }
    const untouched = must(await mine.supabase.from('workflows').select('name').eq('id', mine.workflow.id).single())
    assert.equal(untouched.name, 'Mine')
  })

  test('no RPC tells a foreign id from none', async () => {
    const nothing = '01900000-0000-7000-8000-00000000ffff'
    for (const [rpc, argument, id] of [
      ['activate_workflow', 'workflow_id', mine.workflow.id],
      ['start_execution', 'workflow_id', mine.workflow.id],
      ['cancel_execution', 'execution_id', mine.execution.id],
      ['quota_status', 'tenant_id', mine.tenant.id],
    ]) {
      const foreign = assertRefused(await theirs.supabase.rpc(rpc, { [argument]: id }), 404, 'not_found')
      const none = assertRefused(await theirs.supabase.rpc(rpc, { [argument]: nothing }), 404, 'not_found')
      assert.deepEqual({ ...foreign }, { ...none }, rpc)
    }
  })

  test('edge-api knows no foreign execution', async () => {
    for (const [path, method] of [['/events', 'GET'], ['', 'GET'], ['/cancel', 'POST']]) {
      const foreign = await edge(`/v1/executions/${mine.execution.id}${path}`, { token: theirs.token, method })
      assert.equal(foreign.status, 404, path)
      assertBody(await foreign.json(), 'not_found')
    }
  })

  test('whoever signed in nowhere reads the prices and nothing else', async () => {
    const nobody = anonymous()
    assert.ok(must(await nobody.from('subscription_plans').select('key')).length >= 3)
    for (const table of [...TABLES, 'tenants', 'users', 'permissions']) {
      const { status, body } = await rest(table)
      // Refused, or an empty answer where a service has granted on whole tables.
      if (status === 200) assert.deepEqual(body, [], table)
      else assert.ok([401, 403].includes(status), `${table}: ${status}`)
    }
    const { error, status } = await nobody.rpc('start_execution', { workflow_id: ALPHA.workflow })
    assert.ok(error && [401, 403, 404].includes(status), `start_execution answered ${status}`)
  })

  test('nothing behind the door is named by it', async () => {
    for (const schema of ['private', 'queue', 'aias', 'auth']) {
      const { status } = await rest('jobs', { token: theirs.token, headers: { 'accept-profile': schema } })
      assert.ok(status >= 400, `schema ${schema} answered ${status}`)
    }
    for (const rpc of ['claim', 'record', 'quota_take', 'tenants_with', 'close_table']) {
      const { status } = await rest(`rpc/${rpc}`, { token: theirs.token, method: 'POST', body: {} })
      assert.equal(status, 404, rpc)
    }
  })

  test('a removed member is out with the token still good', async () => {
    const guest = await newTenant()
    await sql`insert into public.memberships (tenant_id, user_id, role) values (${mine.tenant.id}, ${guest.user.id}, 'viewer')`
    const seen = () => guest.supabase.from('workflows').select('name').eq('tenant_id', mine.tenant.id)
    assert.deepEqual(must(await seen()), [{ name: 'Mine' }])
    await sql`delete from public.memberships where tenant_id = ${mine.tenant.id} and user_id = ${guest.user.id}`
    assert.deepEqual(must(await seen()), [])
    const stream = await edge(`/v1/executions/${mine.execution.id}/events`, { token: guest.token })
    assert.equal(stream.status, 404)
  })
})
