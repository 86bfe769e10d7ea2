// Somebody new: an account, a profile, a tenant of their own.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { anonymous, assertRefused, must, newTenant, signUp, sql, stack, unique } from '../stack.mjs'

describe('sign up', () => {
  test('a new account has a profile, named as it said', async () => {
    const { supabase, user, email } = await signUp()
    const profiles = must(await supabase.from('users').select('id, email, name'))
    assert.deepEqual(profiles, [{ id: user.id, email, name: 'Ada' }])
  })

  test('and no tenant, until it makes one by rpc', async () => {
    const { supabase, user } = await signUp()
    assert.deepEqual(must(await supabase.from('tenants').select()), [])

    const subdomain = `e2e-${unique()}`
    const tenant = must(await supabase.rpc('create_tenant', { name: 'Acme', subdomain }))
    assert.equal(tenant.subdomain, subdomain)
    assert.equal(tenant.status, 'active')

    // One request, embedded along the foreign keys.
    const seen = must(await supabase.from('tenants').select('name, subscription_plans(key), memberships(user_id, role)'))
    assert.deepEqual(seen, [
      { name: 'Acme', subscription_plans: { key: 'starter' }, memberships: [{ user_id: user.id, role: 'owner' }] },
    ])
    assert.equal(must(await supabase.from('roles').select('key')).length, 5)
  })

  test('a person renames themselves and keeps their address', async () => {
    const { supabase, user, email } = await signUp()
    must(await supabase.from('users').update({ name: 'Ada Lovelace' }).eq('id', user.id))
    const { error } = await supabase.from('users').update({ email: 'owner@alpha.test' }).eq('id', user.id)
    assert.ok(error, 'an address is not a client\'s to change')
    assert.deepEqual(must(await supabase.from('users').select('email, name').single()), { email, name: 'Ada Lovelace' })
  })

  test('a subdomain is given once', async () => {
    const { supabase, tenant } = await newTenant()
    assertRefused(await supabase.rpc('create_tenant', { name: 'Copy', subdomain: tenant.subdomain }), 409, 'subdomain_taken')
    assertRefused(await supabase.rpc('create_tenant', { name: '', subdomain: 'Not a label' }), 400, 'tenant_invalid')
    const [{ count }] = await sql`select count(*)::int from public.tenants where name in ('Copy', '')`
    assert.equal(count, 0)
  })

  test('a wrong password opens nothing', async () => {
    const { data, error } = await anonymous().auth.signInWithPassword({ email: 'owner@alpha.test', password: `${stack.password}!` })
    assert.equal(error?.status, 400)
    assert.equal(data.session, null)
  })
})
