/** Replays one entry of a page: the setup, the exchange, and what must be true of the stored bytes afterwards. */
import { createHash } from 'node:crypto'
import { expect } from 'vitest'
import { unreachable } from '../../../src/lib/assert.ts'
import type { Bench } from '../../support/conformance.ts'
import type { Afterwards, Entry, PageRequest, Pages, Setup } from './fixture.ts'
import { expectAnswer, type PageClient } from './page-client.ts'
import { filled, instantMs, type Values } from './placeholders.ts'

export type Replay = {
  readonly pages: Pages
  readonly bench: Bench
  readonly client: PageClient
  readonly owner: string
  /** Counts the drawn bucket names of this server. */
  readonly nextName: () => string
}

const plain = { headers: {}, signer: 'owner', capture: {} } as const
const secondMs = 1000
const dayMs = 86_400_000

export async function replayEntry(entry: Entry, replay: Replay): Promise<void> {
  const { bench, client } = replay
  const bucket = entry.setup.name ?? replay.nextName()
  const nowMs = Math.floor(bench.server().nowMs() / secondMs) * secondMs
  const values: Values = {
    texts: new Map([
      ['bucket', bucket],
      ['key', entry.key],
      ['owner', replay.owner],
    ]),
    anchors: new Map([
      ['now', nowMs],
      ['page', Date.parse(replay.pages.clockAt ?? '')],
    ]),
  }
  await prepare(entry.setup, values, replay)
  const exchange = async () => {
    expectAnswer(await client.send(entry.request, values), entry.answer, values)
  }
  const isRefused = entry.answer.status.every((status) => status >= 400)
  if (isRefused) await bench.unchanged(bucket, exchange)
  else await exchange()
  for (const proof of [...entry.afterwards, ...stillGuarded(entry)]) {
    await prove(proof, { entry, values, replay })
  }
}

async function prepare(setup: Setup, values: Values, replay: Replay): Promise<void> {
  const succeed = async (request: PageRequest) => {
    const answer = await replay.client.send(request, values)
    expect([request.target, Math.floor(answer.status / 100), answer.text]).toEqual([
      request.target,
      2,
      answer.text,
    ])
  }
  if (setup.bucket !== 'absent') {
    const headers: Record<string, string> =
      setup.bucket === 'locked' ? { 'x-amz-bucket-object-lock-enabled': 'true' } : {}
    await succeed({ ...plain, method: 'PUT', target: '/{bucket}', headers })
  }
  if (setup.bucket === 'enabled') {
    const body = '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>'
    await succeed({ ...plain, method: 'PUT', target: '/{bucket}?versioning', headers: withMd5, body })
  }
  if (setup.rule !== undefined) await succeed(ruleRequest(setup.rule))
  for (const version of setup.versions) {
    const lock = version.mode === undefined ? {} : lockHeaders(version.mode, `{iso:${version.until}}`)
    const hold = version.hold === undefined ? {} : { 'x-amz-object-lock-legal-hold': version.hold }
    await succeed({
      ...plain,
      method: 'PUT',
      target: `/{bucket}/${version.key}`,
      headers: { ...withMd5, ...lock, ...hold, ...version.headers },
      body: bytesOf(version.name),
      ...(setup.bucket === 'unversioned' ? {} : { capture: { [version.name]: 'header:x-amz-version-id' } }),
    })
    if (version.until !== undefined) values.anchors.set(version.name, instantMs(version.until, values))
  }
  for (const request of setup.requests) await succeed(request)
}

const withMd5 = { 'content-md5': '{md5}' }

function lockHeaders(mode: string, until: string): Record<string, string> {
  return { 'x-amz-object-lock-mode': mode, 'x-amz-object-lock-retain-until-date': until }
}

function ruleRequest(rule: string): PageRequest {
  const body =
    '<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled>' +
    `<Rule><DefaultRetention>${rule}</DefaultRetention></Rule></ObjectLockConfiguration>`
  return { ...plain, method: 'PUT', target: '/{bucket}?object-lock', headers: withMd5, body }
}

function bytesOf(versionName: string): string {
  return `the bytes of ${versionName}`
}

/** Versions that were locked before the exchange, and of which the entry does not say what became of them. */
function stillGuarded({ setup, afterwards }: Entry): readonly Afterwards[] {
  const said = new Set(afterwards.map((one) => ('version' in one ? one.version : '')))
  return setup.versions.flatMap(({ name, key, mode, until, hold }): readonly Afterwards[] => {
    if (said.has(name)) return []
    if (hold !== undefined) return [{ kind: 'held', version: name, key }]
    if (mode === undefined || until === undefined) return []
    return [{ kind: 'locked', version: name, mode, until, key }]
  })
}

type Scene = { readonly entry: Entry; readonly values: Values; readonly replay: Replay }

async function prove(proof: Afterwards, scene: Scene): Promise<void> {
  switch (proof.kind) {
    case 'locked':
      return proveLocked(proof, scene)
    case 'held':
      return proveHeld(proof, scene)
    case 'unlocked':
      return proveUnlocked(proof, scene)
    case 'newVersionLocked': {
      await putNewVersion(scene)
      const until = await proveDefault(proof, scene)
      scene.values.anchors.set('stamped', until)
      return proveLocked({ ...newVersion, kind: 'locked', mode: proof.mode, until: 'stamped+0ms' }, scene)
    }
    case 'newVersionUnlocked':
      await putNewVersion(scene)
      return proveUnlocked(newVersion, scene)
    case 'exchange': {
      const answer = await scene.replay.client.send(proof.request, scene.values)
      return expectAnswer(answer, proof.answer, scene.values)
    }
    case 'notLogged':
      expect(scene.replay.bench.server().logs()).not.toContain(proof.text)
      return
    default:
      return unreachable(proof, 'every proof is known')
  }
}

const newVersion = {
  version: 'written-now',
  key: 'written-now',
  bytes: 'the bytes of a new version',
} as const

async function putNewVersion({ values, replay }: Scene): Promise<void> {
  const answer = await replay.client.send(
    {
      ...plain,
      method: 'PUT',
      target: `/{bucket}/${newVersion.key}`,
      headers: withMd5,
      body: newVersion.bytes,
      capture: { [newVersion.version]: 'header:x-amz-version-id' },
    },
    values,
  )
  expect(answer.status).toBe(200)
}

type NamedVersion = { readonly version: string; readonly key: string; readonly bytes?: string | undefined }

function targetOf({ version, key }: NamedVersion, { values }: Scene): string {
  const versionId = values.texts.get(version)
  if (versionId === undefined) throw new Error(`no version is called ${version}`)
  return `/{bucket}/${key}?versionId=${versionId}`
}

/** Milliseconds of the shown date, which lies within the day of the period's end, never before it. */
async function proveDefault(
  proof: Extract<Afterwards, { kind: 'newVersionLocked' }>,
  scene: Scene,
): Promise<number> {
  const head = await scene.replay.client.send(
    { ...plain, method: 'HEAD', target: targetOf(newVersion, scene) },
    scene.values,
  )
  const shown = Date.parse(String(head.headers['x-amz-object-lock-retain-until-date']))
  const created = Date.parse(String(head.headers['last-modified']))
  const days = proof.days ?? 365 * (proof.years ?? 0)
  // A year is 365 days or the calendar's, whichever is longer.
  const slackMs = proof.years === undefined ? 2 * secondMs : (1 + proof.years / 4) * dayMs
  expect(days).toBeGreaterThan(0)
  expect(shown).toBeGreaterThanOrEqual(created + days * dayMs)
  expect(shown).toBeLessThan(created + days * dayMs + slackMs)
  return shown
}

async function proveLocked(proof: Extract<Afterwards, { kind: 'locked' }>, scene: Scene): Promise<void> {
  const untilMs = instantMs(proof.until, scene.values)
  const headers = await withstandsDeletion(proof, scene)
  const shownMs = Date.parse(String(headers['x-amz-object-lock-retain-until-date']))
  expect([headers['x-amz-object-lock-mode'], shownMs]).toEqual([proof.mode, untilMs])
  if (proof.mode === 'COMPLIANCE') await withstands(proof, scene, bypasses('owner'))
  else await provesGovernance(proof, scene)
}

async function proveHeld(proof: Extract<Afterwards, { kind: 'held' }>, scene: Scene): Promise<void> {
  const headers = await withstandsDeletion(proof, scene)
  expect(headers['x-amz-object-lock-legal-hold']).toBe('ON')
  await withstands(proof, scene, bypasses('owner'))
}

/** A governed version goes by bypass, but not for a key without the permission. */
async function provesGovernance(version: NamedVersion, scene: Scene): Promise<void> {
  await withstands(version, scene, bypasses({ without: 's3:BypassGovernanceRetention' }))
  const [bypass] = bypasses('owner')
  const target = targetOf(version, scene)
  const removed = await scene.replay.client.send(
    { ...plain, ...bypass, method: 'DELETE', target },
    scene.values,
  )
  expect([removed.status, removed.text]).toEqual([204, ''])
  const gone = await scene.replay.client.send({ ...plain, method: 'HEAD', target }, scene.values)
  expect(gone.status).toBeGreaterThanOrEqual(400)
}

type Attempt = Pick<PageRequest, 'headers' | 'signer'>

const bypassHeader = { 'x-amz-bypass-governance-retention': 'true' }
const bypasses = (signer: PageRequest['signer']): readonly [Attempt] => [{ headers: bypassHeader, signer }]

/** Deleted without bypass, singly and in a batch: refused. Gives the headers of the version as it is read. */
function withstandsDeletion(version: NamedVersion, scene: Scene): Promise<Headers> {
  return withstands(version, scene, [{ headers: {}, signer: 'owner' }])
}

type Headers = Readonly<Record<string, unknown>>

async function withstands(
  version: NamedVersion,
  scene: Scene,
  attempts: readonly Attempt[],
): Promise<Headers> {
  const { client } = scene.replay
  const target = targetOf(version, scene)
  const read = async () => {
    const answer = await client.send({ ...plain, method: 'GET', target }, scene.values)
    return { status: answer.status, hash: hashOf(answer.body), headers: answer.headers }
  }
  const before = await read()
  expect([before.status, before.hash]).toEqual([200, hashOf(Buffer.from(expectedBytes(version, scene)))])
  for (const attempt of attempts) {
    const refused = await client.send({ ...plain, ...attempt, method: 'DELETE', target }, scene.values)
    expect([refused.status, refused.code]).toEqual([403, 'AccessDenied'])
    const inBatch = await client.send(batch(version, scene, attempt), scene.values)
    expect([inBatch.status, inBatch.element('Code'), inBatch.text.includes('<Deleted>')]).toEqual([
      200,
      'AccessDenied',
      false,
    ])
    const after = await read()
    expect([after.status, after.hash]).toEqual([before.status, before.hash])
  }
  return before.headers
}

function batch(version: NamedVersion, { values }: Scene, attempt: Attempt): PageRequest {
  const object = `<Key>${version.key}</Key><VersionId>${values.texts.get(version.version)}</VersionId>`
  return {
    ...plain,
    ...attempt,
    method: 'POST',
    target: '/{bucket}?delete',
    headers: { ...withMd5, ...attempt.headers },
    body: `<Delete><Object>${object}</Object></Delete>`,
  }
}

function expectedBytes({ version, bytes }: NamedVersion, { entry, values }: Scene): string {
  if (bytes !== undefined) return bytes
  const isOfSetup = entry.setup.versions.some(({ name }) => name === version)
  return isOfSetup ? bytesOf(version) : filled(entry.request.body ?? '', values)
}

function hashOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

async function proveUnlocked(version: NamedVersion, scene: Scene): Promise<void> {
  const { client } = scene.replay
  const target = targetOf(version, scene)
  const head = await client.send({ ...plain, method: 'HEAD', target }, scene.values)
  expect([head.status, head.headers['x-amz-object-lock-mode']]).toEqual([200, undefined])
  const removed = await client.send({ ...plain, method: 'DELETE', target }, scene.values)
  expect([removed.status, removed.text]).toEqual([204, ''])
}
