import { describe, expect, test } from 'vitest'
import { type AdminSend, applyDocument, days, owner, rule, sendAdmin } from '../../support/admin.ts'
import { conformance, lockConfiguration, md5 } from '../../support/conformance.ts'
import { healthOf, sound } from '../../support/health.ts'

const bench = conformance()
const send = (request: AdminSend) => sendAdmin(bench.server(), request)
let count = 0
function newName(): string {
  count += 1
  return `managed-${count}`
}

async function lead(holder = 'test'): Promise<number> {
  const { document } = await send({ method: 'POST', path: '/v1/leadership', document: { holder } })
  return Number(document['epoch'])
}

async function apply(name: string, document: object, epoch?: number) {
  return send({ method: 'PUT', path: `/v1/buckets/${name}`, document, epoch: epoch ?? (await lead()) })
}

async function facts(name: string) {
  return (await send({ method: 'GET', path: `/v1/buckets/${name}` })).document
}

async function lockXml(name: string): Promise<string> {
  return (await bench.send({ method: 'GET', path: `/${name}`, query: { 'object-lock': '' } })).text
}

describe('ApplyBucket', () => {
  test('create: owner, versioning, lock, default rule, prefix rules and floor in one step', async () => {
    const name = newName()
    const prefixRules = [{ prefix: 'yearly/', period: { unit: 'YEARS', count: 1 } }]
    expect(await apply(name, applyDocument({}, { prefixRules }))).toEqual({
      status: 200,
      document: { kind: 'applied', change: 'created' },
    })
    const retention = { ...rule('COMPLIANCE', 1), prefixRules }
    expect(await facts(name)).toMatchObject({
      name,
      owner,
      versioning: 'Enabled',
      objectLock: { status: 'Enabled', retention },
      policy: { name: 'policy', generation: 1, mode: 'COMPLIANCE', floor: retention },
      versionCount: 0,
      lockedVersionCount: 0,
      lockedUntil: null,
    })
    expect(await lockXml(name)).toContain('<Mode>COMPLIANCE</Mode><Days>1</Days>')
  })

  test('the same again: unchanged', async () => {
    const name = newName()
    await apply(name, applyDocument())
    expect((await apply(name, applyDocument())).document).toEqual({ kind: 'applied', change: 'unchanged' })
  })

  test('prefix rules: the longest period wins, and is stamped on the version', async () => {
    const name = newName()
    const prefixRules = [
      { prefix: 'a/', period: days(5) },
      { prefix: 'a/b/', period: days(3) },
    ]
    await apply(name, applyDocument({}, { prefixRules }))
    for (const [key, period] of [
      ['x', 1],
      ['a/x', 5],
      ['a/b/x', 5],
    ] as const) {
      await bench.put(name, key)
      const head = await bench.send({ method: 'HEAD', path: `/${name}/${key}` })
      const until = Date.parse(String(head.headers['x-amz-object-lock-retain-until-date']))
      const createdMs = Date.parse(String(head.headers['last-modified']))
      expect(Math.round((until - createdMs) / 86_400_000), key).toBe(period)
    }
    expect(await facts(name)).toMatchObject({ versionCount: 3, lockedVersionCount: 3 })
  })

  const weaker: readonly (readonly [string, object, string])[] = [
    [
      'a shorter period',
      rule('COMPLIANCE', 2),
      'defaultRetention: COMPLIANCE 3 DAYS would become COMPLIANCE 2 DAYS',
    ],
    ['GOVERNANCE', rule('GOVERNANCE', 300), 'would become GOVERNANCE 300 DAYS'],
    [
      'a prefix rule gone',
      { ...rule('COMPLIANCE', 3), prefixRules: [] },
      'keys under "keep/" would lose 9 DAYS',
    ],
    ['a minimum gone', { ...rule('COMPLIANCE', 3), bounds: { minimum: null, maximum: null } }, 'minimum'],
  ]
  test.each(weaker)('a COMPLIANCE policy: %s is refused, nothing changes', async (_name, change, aspect) => {
    const name = newName()
    const strong = {
      ...rule('COMPLIANCE', 3),
      prefixRules: [{ prefix: 'keep/', period: days(9) }],
      bounds: { minimum: days(1), maximum: null },
    }
    await apply(name, applyDocument({}, strong))
    const before = await facts(name)
    const { status, document } = await apply(name, applyDocument({}, { ...strong, ...change, generation: 2 }))
    expect([status, document['kind']]).toEqual([409, 'wouldShorten'])
    expect(JSON.stringify(document['aspects'])).toContain(aspect.replaceAll('"', '\\"'))
    const { lastDenials, ...after } = await facts(name)
    expect({ ...after, lastDenials: [] }).toEqual(before)
    expect(lastDenials).toMatchObject([{ operation: 'ApplyBucket', rule: 'WouldShorten', count: 1 }])
  })

  test('a COMPLIANCE policy: longer is taken, for versions written from then on', async () => {
    const name = newName()
    await apply(name, applyDocument())
    await bench.put(name, 'old')
    expect((await apply(name, applyDocument({}, rule('COMPLIANCE', 2)))).document['change']).toBe('updated')
    await bench.put(name, 'new')
    const dates = await Promise.all(
      ['old', 'new'].map(async (key) => {
        const head = await bench.send({ method: 'HEAD', path: `/${name}/${key}` })
        return Date.parse(String(head.headers['x-amz-object-lock-retain-until-date']))
      }),
    )
    expect(Math.round(((dates[1] ?? 0) - (dates[0] ?? 0)) / 86_400_000)).toBe(1)
  })

  test('a GOVERNANCE policy: may get shorter, and may become COMPLIANCE', async () => {
    const name = newName()
    await apply(name, applyDocument({}, rule('GOVERNANCE', 9)))
    expect((await apply(name, applyDocument({}, rule('GOVERNANCE', 2)))).document['change']).toBe('updated')
    expect((await apply(name, applyDocument({}, rule('COMPLIANCE', 1)))).document['change']).toBe('updated')
    expect((await apply(name, applyDocument({}, rule('GOVERNANCE', 2)))).document['kind']).toBe(
      'wouldShorten',
    )
  })

  test('the floor: PutObjectLockConfiguration below it is 403 for root, above it is taken', async () => {
    const name = newName()
    await apply(name, applyDocument({}, rule('COMPLIANCE', 3)))
    const put = (inner: string | null) =>
      bench.document({
        method: 'PUT',
        path: `/${name}`,
        query: { 'object-lock': '' },
        body: lockConfiguration(inner),
      })
    for (const inner of [
      null,
      '<Mode>COMPLIANCE</Mode><Days>2</Days>',
      '<Mode>GOVERNANCE</Mode><Days>30</Days>',
    ]) {
      const answer = await bench.unchanged(name, () => put(inner))
      expect([answer.status, answer.code]).toEqual([403, 'AccessDenied'])
      expect(answer.text).toContain('default/policy')
      expect(await lockXml(name)).toContain('<Mode>COMPLIANCE</Mode><Days>3</Days>')
    }
    expect((await put('<Mode>COMPLIANCE</Mode><Days>4</Days>')).status).toBe(200)
    expect(await lockXml(name)).toContain('<Days>4</Days>')
  })

  test('the same name from another namespace: nameConflict with the owner, also with IfUnowned', async () => {
    const name = newName()
    await apply(name, applyDocument())
    const other = { ...owner, namespace: 'other' }
    const { status, document } = await apply(
      name,
      applyDocument({ owner: other, adoptionPolicy: 'IfUnowned' }),
    )
    expect([status, document]).toEqual([409, { kind: 'nameConflict', owner }])
  })

  test('the same owner with another uid: re-adopted, the floor stays', async () => {
    const name = newName()
    await apply(name, applyDocument({}, rule('COMPLIANCE', 3)))
    const again = { owner: { ...owner, uid: 'uid-2' } }
    expect((await apply(name, applyDocument(again, rule('COMPLIANCE', 1)))).document['kind']).toBe(
      'wouldShorten',
    )
    expect((await apply(name, applyDocument(again, rule('COMPLIANCE', 3)))).document['kind']).toBe('applied')
  })

  test('an existing bucket: Never refuses, IfUnowned adopts and keeps what is in it', async () => {
    const name = await bench.bucket('suspended')
    await bench.put(name, 'before')
    expect((await apply(name, applyDocument())).document).toEqual({ kind: 'nameConflict', owner: null })
    const adopted = await apply(name, applyDocument({ adoptionPolicy: 'IfUnowned' }))
    expect(adopted.document).toEqual({ kind: 'applied', change: 'adopted' })
    expect(await facts(name)).toMatchObject({ versioning: 'Enabled', versionCount: 1, lockedVersionCount: 0 })
    expect((await bench.send({ method: 'GET', path: `/${name}/before` })).text).toBe('bytes')
  })

  test('an older epoch: staleEpoch, nothing changes; after a restart too', async () => {
    const name = newName()
    const old = await lead('first')
    const current = await lead('second')
    expect(current).toBe(old + 1)
    const late = await apply(name, applyDocument(), old)
    expect([late.status, late.document]).toEqual([409, { kind: 'staleEpoch', epoch: current }])
    await bench.server().restart()
    expect((await apply(name, applyDocument(), old)).document['kind']).toBe('staleEpoch')
    expect((await apply(name, applyDocument(), current + 1)).document['kind']).toBe('staleEpoch')
    expect((await send({ method: 'GET', path: `/v1/buckets/${name}` })).status).toBe(404)
    expect((await apply(name, applyDocument(), current)).document['kind']).toBe('applied')
  })

  test('minimum and maximum: dates of clients outside them are 403, never clamped', async () => {
    const name = newName()
    const bounds = { minimum: days(2), maximum: days(10) }
    await apply(name, applyDocument({}, { ...rule('GOVERNANCE', 3), bounds }))
    const put = (mode: string, inDays: number) =>
      bench.send({
        method: 'PUT',
        path: `/${name}/key`,
        body: 'bytes',
        headers: {
          'content-md5': md5('bytes'),
          'x-amz-object-lock-mode': mode,
          'x-amz-object-lock-retain-until-date': bench.inDays(inDays),
        },
      })
    for (const inDays of [1, 11]) {
      const answer = await bench.unchanged(name, () => put('GOVERNANCE', inDays))
      expect([answer.status, answer.code]).toEqual([403, 'AccessDenied'])
    }
    expect((await put('COMPLIANCE', 5)).status).toBe(200)
    expect(await facts(name)).toMatchObject({ versionCount: 1, lockedVersionCount: 1 })
  })

  test.each([
    ['a reserved name', 'holdfast-canary'],
    ['a name that S3 does not allow', 'Not_A_Bucket'],
    ['a name that is too long', 'a'.repeat(64)],
  ])('%s is refused', async (_why, name) => {
    const { status } = await apply(name, applyDocument())
    expect(status).toBe(400)
    expect((await send({ method: 'GET', path: `/v1/buckets/${name}` })).status).toBe(404)
  })

  test.each([
    ['a bucket of 3,000 letters', { bucket: 'b'.repeat(3000), key: 'key' }],
    ['a bucket of 1,000 zero bytes', { bucket: '\0'.repeat(1000), key: 'key' }],
    ['a key of 3,000 letters', { bucket: '', key: 'k'.repeat(3000) }],
    ['a key of 1,000 zero bytes', { bucket: '', key: '\0'.repeat(1000) }],
  ])('GetBucket, ExplainDelete: %s, there is none', async (_name, { bucket, key }) => {
    const name = newName()
    await apply(name, applyDocument())
    if (bucket !== '') {
      const path = `/v1/buckets/${encodeURIComponent(bucket)}`
      expect(await send({ method: 'GET', path })).toMatchObject({
        status: 404,
        document: { code: 'NoSuchBucket' },
      })
    }
    const query = { bucket: bucket === '' ? name : bucket, key }
    const root = bench.server().credentials
    expect(await send({ method: 'GET', path: '/v1/explain', query, key: root })).toMatchObject({
      status: 404,
      document: { code: 'NotFound' },
    })
    expect(await healthOf(bench.server())).toBe(sound)
  })

  test('ExplainDelete: says what DELETE then does', async () => {
    const name = newName()
    await apply(name, applyDocument())
    const versionId = await bench.put(name, 'key')
    const key = bench.server().credentials
    const query = { bucket: name, key: 'key', versionId }
    const { document } = await send({ method: 'GET', path: '/v1/explain', query, key })
    expect(document).toMatchObject({
      lock: { state: 'locked', mode: 'COMPLIANCE', legalHold: null },
      deletions: [
        { bypassGovernance: false, allowed: false },
        { bypassGovernance: true, allowed: false },
      ],
    })
    const deleted = await bench.send({ method: 'DELETE', path: `/${name}/key`, query: { versionId } })
    expect(deleted.status).toBe(403)
  })
})
