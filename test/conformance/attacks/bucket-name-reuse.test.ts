/** A request that was judged by a bucket's record must not take effect on another bucket of the same name. */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { request as httpRequest } from 'node:http'
import { describe, expect, test } from 'vitest'
import { conformance, elements, md5 } from '../../support/conformance.ts'
import type { SendOptions, Wire } from '../../support/s3-client.ts'

const owner = (name: string, accountId: string) => ({
  accessKeyId: `AKID${name}`,
  secretAccessKey: `secret-of-${name}-123`,
  accountId,
  displayName: name,
})
const alice = owner('ALICE', '111111111111')
const bob = owner('BOB', '222222222222')
const { server, send, document } = conformance({ accessKeys: [alice, bob] })

type Pending = { readonly finish: () => Promise<{ readonly status: number; readonly text: string }> }

/** Sends a head and waits until the server asks for the body: by then it has judged the bucket. */
async function begin(options: SendOptions): Promise<Pending> {
  const wire: Wire = server().client.wire(options)
  const { hostname, port } = new URL(server().endpoint)
  const headers = { ...wire.headers, expect: '100-continue' }
  const request = httpRequest({
    host: hostname,
    port,
    method: wire.method,
    path: wire.target,
    headers,
    agent: false,
  })
  const answered = once(request, 'response')
  request.flushHeaders()
  await once(request, 'continue')
  return {
    finish: async () => {
      request.end(wire.body)
      const [response] = await answered
      let text = ''
      for await (const piece of response) text += String(piece)
      return { status: response.statusCode, text }
    },
  }
}

async function passOn(name: string, headers: Readonly<Record<string, string>> = {}): Promise<void> {
  const removed = await send({ method: 'DELETE', path: `/${name}`, key: alice })
  expect([removed.status, removed.text]).toEqual([204, ''])
  const created = await send({ method: 'PUT', path: `/${name}`, key: bob, headers })
  expect([created.status, created.text]).toEqual([200, ''])
}

const locked = { 'x-amz-bucket-object-lock-enabled': 'true' }
const listing = (name: string) => send({ method: 'GET', path: `/${name}`, query: { versions: '' }, key: bob })

describe('A bucket name that passes to another account while a request is under way', () => {
  test('PutObject: begun in the former bucket, writes nothing into the new one', async () => {
    await send({ method: 'PUT', path: '/reuse-put', key: alice, headers: locked })
    const body = 'x'.repeat(200_000)
    const pending = await begin({
      method: 'PUT',
      path: '/reuse-put/planted',
      key: alice,
      body,
      headers: {
        'content-md5': md5(body),
        'x-amz-object-lock-mode': 'COMPLIANCE',
        'x-amz-object-lock-retain-until-date': new Date(server().nowMs() + 86_400_000).toISOString(),
      },
    })
    await passOn('reuse-put', locked)
    const { status, text } = await pending.finish()
    expect([status, /<Code>(.*?)<\/Code>/.exec(text)?.[1]]).toEqual([404, 'NoSuchBucket'])
    expect(elements(await listing('reuse-put'), 'Key')).toEqual([])
  })

  test('DeleteObjects: begun in the former bucket, removes nothing from the new one', async () => {
    await send({ method: 'PUT', path: '/reuse-delete', key: alice })
    const body = '<Delete><Object><Key>ledger</Key></Object></Delete>'
    const pending = await begin({
      method: 'POST',
      path: '/reuse-delete',
      query: { delete: '' },
      key: alice,
      body,
      headers: { 'content-md5': createHash('md5').update(body).digest('base64') },
    })
    await passOn('reuse-delete')
    await document({ method: 'PUT', path: '/reuse-delete/ledger', key: bob, body: 'bytes' })
    await pending.finish()
    expect(elements(await listing('reuse-delete'), 'Key')).toEqual(['ledger'])
  })

  test('PutObjectLockConfiguration: begun in the former bucket, sets no rule on the new one', async () => {
    await send({ method: 'PUT', path: '/reuse-rule', key: alice, headers: locked })
    const rule = '<Rule><DefaultRetention><Mode>COMPLIANCE</Mode><Years>100</Years></DefaultRetention></Rule>'
    const body = `<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled>${rule}</ObjectLockConfiguration>`
    const pending = await begin({
      method: 'PUT',
      path: '/reuse-rule',
      query: { 'object-lock': '' },
      key: alice,
      body,
      headers: { 'content-md5': md5(body) },
    })
    await passOn('reuse-rule', locked)
    const { status } = await pending.finish()
    const read = await send({ method: 'GET', path: '/reuse-rule', query: { 'object-lock': '' }, key: bob })
    expect([status, elements(read, 'Mode')]).toEqual([404, []])
  })
})
