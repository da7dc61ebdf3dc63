/** What browsers ask (preflight) and what they read on answers. */
import type { IncomingHttpHeaders } from 'node:http'
import { beforeAll, describe, expect, it } from 'vitest'
import { accessKey, conformance, refusal } from '../support/conformance.ts'
import { until } from '../support/crash/processes.ts'
import type { Answer } from '../support/s3-client.ts'

const owner = accessKey('owner', null)
const reader = accessKey('reader', ['s3:GetObject'])
const bench = conformance({ accessKeys: [owner, reader] })

const notAllowed =
  'CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, request method / ' +
  "Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec."
const notEnabled = 'CORSResponse: CORS is not enabled for this bucket.'
const vary = 'Origin, Access-Control-Request-Headers, Access-Control-Request-Method'
const site = 'https://app.example.com'

let bucket = ''
beforeAll(async () => {
  bucket = await bench.bucket('locked', { key: owner, rule: '<Mode>COMPLIANCE</Mode><Days>1</Days>' })
  await bench.put(bucket, 'key', { key: owner })
  const body =
    `<CORSConfiguration><CORSRule><AllowedHeader>x-amz-*</AllowedHeader><AllowedHeader>Authorization</AllowedHeader>` +
    `<AllowedMethod>GET</AllowedMethod><AllowedMethod>PUT</AllowedMethod><AllowedOrigin>https://*.example.com</AllowedOrigin>` +
    `<ExposeHeader>ETag</ExposeHeader><ExposeHeader>x-amz-version-id</ExposeHeader><MaxAgeSeconds>60</MaxAgeSeconds></CORSRule>` +
    `<CORSRule><AllowedMethod>HEAD</AllowedMethod><AllowedOrigin>*</AllowedOrigin></CORSRule></CORSConfiguration>`
  const answer = await bench.document({
    method: 'PUT',
    path: `/${bucket}`,
    query: { cors: '' },
    body,
    key: owner,
  })
  expect(answer.status).toBe(200)
})

function preflight(headers: Record<string, string>, path = `/${bucket}/key`): Promise<Answer> {
  return bench.send({ method: 'OPTIONS', path, headers, sign: 'none' })
}
const asking = (origin: string, method: string, names?: string) => ({
  origin,
  'access-control-request-method': method,
  ...(names === undefined ? {} : { 'access-control-request-headers': names }),
})
const corsOf = (headers: IncomingHttpHeaders) =>
  Object.fromEntries(
    Object.entries(headers).filter(([name]) => name.startsWith('access-control-') || name === 'vary'),
  )
const allowed = {
  'access-control-allow-origin': site,
  'access-control-allow-methods': 'GET, PUT',
  'access-control-expose-headers': 'ETag, x-amz-version-id',
  'access-control-max-age': '60',
  'access-control-allow-credentials': 'true',
  vary,
}

describe('preflight', () => {
  it('preflight: an allowed origin, method and headers are answered without a signature', async () => {
    const answer = await preflight(asking(site, 'PUT', 'x-AMZ-date,AUTHORIZATION'))
    expect([answer.status, answer.text]).toEqual([200, ''])
    expect(corsOf(answer.headers)).toEqual({
      ...allowed,
      'access-control-allow-headers': 'x-amz-date, authorization',
    })
  })

  it('preflight: a key that is not there is answered like one that is, and so is the bucket', async () => {
    for (const path of [`/${bucket}/none`, `/${bucket}`])
      expect(corsOf((await preflight(asking(site, 'GET'), path)).headers)).toEqual(allowed)
  })

  it('preflight: any origin is answered with a star and without credentials', async () => {
    const answer = await preflight(asking('http://elsewhere', 'HEAD'))
    expect(corsOf(answer.headers)).toEqual({
      'access-control-allow-origin': '*',
      'access-control-allow-methods': 'HEAD',
      vary,
    })
  })

  it.each([
    ['another origin', asking('https://example.com', 'GET'), 'GET'],
    ['another scheme', asking('http://app.example.com', 'GET'), 'GET'],
    ['an origin that only begins so', asking('https://app.example.com.evil', 'GET'), 'GET'],
    ['an origin with a slash', asking(`${site}/`, 'GET'), 'GET'],
    ['another method', asking(site, 'DELETE'), 'DELETE'],
    ['a method in small letters', asking(site, 'get'), 'get'],
    ['one header that is not allowed', asking(site, 'GET', 'x-amz-date, cookie'), 'GET'],
  ])('preflight: %s is refused and told nothing', async (_title, headers, method) => {
    const answer = await preflight(headers)
    expect(refusal(answer)).toEqual([403, 'AccessForbidden', notAllowed])
    expect([answer.element('Method'), answer.element('ResourceType')]).toEqual([method, 'OBJECT'])
    expect(corsOf(answer.headers)).toEqual({})
  })

  it('preflight: a bucket without rules and a bucket that is not there answer alike', async () => {
    const plain = await bench.bucket('enabled', { key: owner })
    const answers = [`/${plain}/key`, '/no-such-bucket-of-anybody/key'].map((path) =>
      preflight(asking(site, 'GET'), path),
    )
    for (const answer of await Promise.all(answers)) {
      expect(refusal(answer)).toEqual([403, 'AccessForbidden', notEnabled])
      expect([answer.element('Method'), answer.element('ResourceType')]).toEqual(['GET', 'BUCKET'])
      expect(corsOf(answer.headers)).toEqual({})
    }
  })

  it('preflight: a question that is not whole is refused', async () => {
    const message = (header: string) => `Insufficient information. ${header} request header needed.`
    expect(refusal(await preflight({}))).toEqual([400, 'BadRequest', message('Origin')])
    expect(refusal(await preflight({ origin: site }))).toEqual([
      400,
      'BadRequest',
      message('Access-Control-Request-Method'),
    ])
  })

  it('preflight: counted as what it is', async () => {
    await preflight(asking(site, 'GET'))
    const metrics = async () => (await fetch(new URL('/metrics', bench.server().metricsEndpoint))).text()
    await until('it is counted', async () => /operation="Preflight",status="200"/.test(await metrics()))
  })

  it('preflight: a sub-resource in the target changes nothing, neither the answer nor the bucket', async () => {
    const answer = await bench.unchanged(bucket, () =>
      bench.send({
        method: 'OPTIONS',
        path: `/${bucket}/key`,
        query: { versionId: 'null', 'X-Amz-Signature': 'bad' },
        headers: asking(site, 'GET'),
        sign: 'none',
      }),
    )
    expect(corsOf(answer.headers)).toEqual(allowed)
  })
})

describe('answers to scripts', () => {
  const get = (headers: Record<string, string>, more: object = {}) =>
    bench.send({ method: 'GET', path: `/${bucket}/key`, headers, key: owner, ...more })

  it('an answer to an allowed origin: the headers of the rule beside its own', async () => {
    const answer = await get({ origin: site })
    expect([answer.status, answer.text]).toEqual([200, 'bytes'])
    expect(corsOf(answer.headers)).toEqual(allowed)
  })

  it('an answer to another origin, or to none: served without any', async () => {
    for (const headers of [{ origin: 'https://evil.com' }, {}] as const) {
      const answer = await get(headers)
      expect([answer.status, answer.text, corsOf(answer.headers)]).toEqual([200, 'bytes', {}])
    }
  })

  it('a refusal: the same headers, so that a script can read why', async () => {
    const missing = await get({ origin: site }, { path: `/${bucket}/none` })
    expect([missing.status, corsOf(missing.headers)]).toEqual([404, allowed])
    const unsigned = await get({ origin: site }, { sign: 'none' })
    expect([unsigned.status, unsigned.code, corsOf(unsigned.headers)]).toEqual([403, 'AccessDenied', allowed])
  })

  it('the rules open nothing: an allowed method still needs its permission', async () => {
    const answer = await bench.unchanged(bucket, () =>
      bench.send({
        method: 'PUT',
        path: `/${bucket}/key`,
        headers: { origin: site },
        body: 'x',
        key: reader,
      }),
    )
    expect([answer.status, answer.code]).toEqual([403, 'AccessDenied'])
    expect(corsOf(answer.headers)).toEqual(allowed)
  })

  it('a write from an origin that no rule knows is done all the same: CORS guards scripts, not data', async () => {
    const answer = await bench.send({
      method: 'PUT',
      path: `/${bucket}/other`,
      headers: { origin: 'https://evil.com', 'content-md5': 'nhB9nTcrtoJr2B01QqQZ1g==' },
      body: 'The quick brown fox jumps over the lazy dog',
      key: owner,
    })
    expect([answer.status, corsOf(answer.headers)]).toEqual([200, {}])
  })
})
