// Team management as a frontend does it, without a backend: from an invitation's mail to ownership, keys, export and the end of a tenant.

import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { assertBody, assertRefused, edge, eventually, mailTo, must, newTenant, signUp, sql, unique } from '../stack.mjs'

/** The token in the link of the last mail to an address. */
async function mailedToken(address) {
  const mail = await mailTo(address)
  const [, token] = /#token=([A-Za-z0-9_-]+)/.exec(mail.text) ?? assert.fail(`no link in the mail: ${mail.text}`)
  assert.ok(mail.html.includes(token), 'both forms of the mail have the link')
  return { token, mail }
}

describe('a team', () => {
  let owner, guest
  before(async () => {
    owner = await newTenant({ users: 10 })
    guest = await signUp()
  })

  test('somebody is invited by mail, looks, and accepts; the token works once', async () => {
    const invited = must(await owner.supabase.rpc('invite_member', { tenant_id: owner.tenant.id, email: guest.email.toUpperCase(), role: 'viewer' }))
    assert.equal(invited.email, guest.email)
    const { token, mail } = await mailedToken(guest.email)
    assert.match(mail.subject, /End to end/)
    assert.ok(mail.headers['message-id'] && mail.headers['idempotency-key'])
    assert.ok(await eventually(async () => must(await owner.supabase.from('invitations').select('sent_at').eq('id', invited.id).single()).sent_at), 'it shows that it was sent')

    const other = await signUp()
    assertRefused(await other.supabase.rpc('accept_invitation', { token }), 403, 'wrong_account')
    const [seen] = must(await guest.supabase.rpc('look_at_invitation', { token }))
    assert.deepEqual([seen.tenant_name, seen.role, seen.email], ['End to end', 'viewer', guest.email])
    assert.deepEqual(must(await guest.supabase.from('tenants').select('id')), [], 'invited is not in')

    const membership = must(await guest.supabase.rpc('accept_invitation', { token }))
    assert.equal(membership.role, 'viewer')
    assertRefused(await guest.supabase.rpc('accept_invitation', { token }), 404, 'not_found')
    const [mine] = must(await guest.supabase.rpc('my_tenants'))
    assert.deepEqual([mine.tenant_id, mine.role, mine.permissions.includes('workflows.read'), mine.permissions.includes('workflows.write')], [owner.tenant.id, 'viewer', true, false])
  })

  test('one is declined, one is withdrawn, and neither opens anything', async () => {
    const declining = await signUp()
    must(await owner.supabase.rpc('invite_member', { tenant_id: owner.tenant.id, email: declining.email, role: 'editor' }))
    const first = await mailedToken(declining.email)
    assertRefused(await owner.supabase.rpc('invite_member', { tenant_id: owner.tenant.id, email: declining.email, role: 'editor' }), 409, 'already_invited')
    assert.equal((await declining.supabase.rpc('decline_invitation', { token: first.token })).error, null)
    assertRefused(await declining.supabase.rpc('accept_invitation', { token: first.token }), 404, 'not_found')

    const again = must(await owner.supabase.rpc('invite_member', { tenant_id: owner.tenant.id, email: declining.email, role: 'editor' }))
    const second = await mailedToken(declining.email)
    assert.notEqual(second.token, first.token)
    must(await owner.supabase.rpc('revoke_invitation', { invitation_id: again.id }))
    assertRefused(await declining.supabase.rpc('accept_invitation', { token: second.token }), 404, 'not_found')
  })

  test('a role of their own, with what its maker holds and nothing more', async () => {
    const { id } = owner.tenant
    must(await owner.supabase.from('roles').insert({ tenant_id: id, key: 'hiring', name: 'Hiring', permissions: ['members.read', 'members.manage', 'roles.manage'] }))
    must(await owner.supabase.rpc('change_member_role', { tenant_id: id, user_id: guest.user.id, role: 'hiring' }))
    assertRefused(await guest.supabase.from('roles').insert({ tenant_id: id, key: 'more', name: 'More', permissions: ['billing.manage'] }), 403, 'escalation')
    assertRefused(await guest.supabase.from('roles').update({ permissions: ['members.manage', 'roles.manage', 'billing.manage'] }).eq('tenant_id', id).eq('key', 'hiring').select(), 403, 'escalation')
    assertRefused(await guest.supabase.rpc('change_member_role', { tenant_id: id, user_id: guest.user.id, role: 'owner' }), 403, 'escalation')
    assertRefused(await guest.supabase.rpc('invite_member', { tenant_id: id, email: `e2e-${unique()}@example.test`, role: 'admin' }), 403, 'escalation')
    assertRefused(await guest.supabase.from('roles').delete().eq('tenant_id', id).eq('key', 'owner').select(), 403, 'built_in_role')

    const denied = await eventually(async () => {
      const entries = must(await owner.supabase.from('audit_log').select('actor_id, subject, after').eq('action', 'security.escalation_denied').eq('tenant_id', id))
      return entries.length >= 4 && entries
    })
    assert.ok(denied.every((entry) => entry.actor_id === guest.user.id), 'who tried is in the log, although nothing else of it is left')
  })

  test('the last owner stays until somebody else is one', async () => {
    const { id } = owner.tenant
    assertRefused(await owner.supabase.rpc('leave_tenant', { tenant_id: id }), 409, 'last_owner')
    must(await owner.supabase.rpc('transfer_ownership', { tenant_id: id, user_id: guest.user.id }))
    assertRefused(await owner.supabase.rpc('remove_member', { tenant_id: id, user_id: guest.user.id }), 403, 'escalation')
    must(await guest.supabase.rpc('transfer_ownership', { tenant_id: id, user_id: owner.user.id }))
    assert.equal((await guest.supabase.rpc('leave_tenant', { tenant_id: id })).error, null)
    assert.deepEqual(must(await guest.supabase.from('tenants').select('id')), [], 'out in the next statement')
  })

  test('an API key does at edge-api what its scopes say, until it is revoked', async () => {
    const { id } = owner.tenant
    const [made] = must(await owner.supabase.rpc('create_api_key', { tenant_id: id, name: 'CI', scopes: ['executions.read'] }))
    assert.match(made.key, /^aias_[0-9a-f]{8}_[A-Za-z0-9_-]{43}$/)
    const kept = must(await owner.supabase.from('api_keys').select().eq('id', made.id).single())
    assert.ok(!JSON.stringify(kept).includes(made.key), 'it is shown once')

    const nowhere = '01900000-0000-7000-8000-00000000ffff'
    const ask = () => edge(`/v1/executions/${nowhere}`, { token: made.key })
    assert.equal((await ask()).status, 404, 'a good key, and no such execution')
    const started = await edge('/v1/executions', {
      token: made.key, method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ workflow_id: nowhere }),
    })
    assert.equal(started.status, 404)
    assert.ok(must(await owner.supabase.from('api_keys').select('last_used_at').eq('id', made.id).single()).last_used_at)

    must(await owner.supabase.rpc('revoke_api_key', { key_id: made.id }))
    const refused = await ask()
    assert.equal(refused.status, 401)
    assertBody(await refused.json(), 'invalid_api_key')
  })

  test('all data leaves as a file, and the log of all this verifies', async () => {
    const { id } = owner.tenant
    const asked = must(await owner.supabase.rpc('export_tenant', { tenant_id: id }))
    const ready = await eventually(async () => {
      const row = must(await owner.supabase.from('tenant_exports').select().eq('id', asked.id).single())
      return row.status === 'ready' && row
    })
    const file = await edge(`/v1/exports/${asked.id}`, { token: owner.token })
    assert.equal(file.status, 200)
    const text = await file.text()
    const lines = text.trimEnd().split('\n').map((line) => JSON.parse(line))
    assert.equal(lines.length, ready.lines)
    for (const source of ['tenants', 'roles', 'memberships', 'invitations', 'api_keys', 'audit_log']) {
      assert.ok(lines.some((line) => line.source === source), `${source} is in it`)
    }
    assert.equal(must(await owner.supabase.rpc('export_chunk', { export_id: asked.id, number: 1 })), text)

    assert.ok(await eventually(async () => must(await owner.supabase.from('audit_log').select('id').eq('tenant_id', id).is('seq', null)).length === 0), 'all is chained')
    assert.deepEqual(must(await owner.supabase.rpc('verify_audit', { tenant_id: id })), [])
  })

  test('a closed tenant is read by its owner, and then gone', async () => {
    const closing = await newTenant()
    const { id, subdomain } = closing.tenant
    assertRefused(await closing.supabase.rpc('close_tenant', { tenant_id: id, subdomain: 'another' }), 400, 'wrong_subdomain')
    must(await closing.supabase.rpc('close_tenant', { tenant_id: id, subdomain }))
    assert.equal(must(await closing.supabase.from('tenants').select('status').eq('id', id).single()).status, 'cancelled')
    assertRefused(await closing.supabase.rpc('invite_member', { tenant_id: id, email: 'a@example.test', role: 'viewer' }), 403, 'tenant_cancelled')
    must(await closing.supabase.rpc('reopen_tenant', { tenant_id: id }))
    must(await closing.supabase.rpc('close_tenant', { tenant_id: id, subdomain }))

    await sql`update public.tenants set cancelled_at = now() - interval '31 days' where id = ${id}`
    assert.deepEqual(must(await closing.supabase.from('tenants').select('id').eq('id', id)), [], 'nobody reads it after 30 days')
    // The worker erases about once a minute.
    const gone = await eventually(async () => (await sql`select from public.tenants where id = ${id}`).length === 0, 90)
    assert.ok(gone, 'and it is erased')
  })
})
