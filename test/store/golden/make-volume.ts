/**
 * Makes the golden volume of the format that this release writes: `node test/store/golden/make-volume.ts`. Once a format
 * is released its volume is never made again: it stands for the disks of its users.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLog } from '../../../src/lib/log.ts'
import { epochMs } from '../../../src/lib/units.ts'
import { openVolumeOwner } from '../../../src/server/open-volume.ts'
import type { VersionRecord } from '../../../src/store/records.ts'
import type { ExplicitLock, Store } from '../../../src/store/store.ts'
import { volumeFormat } from '../../../src/store/volume.ts'
import { actor, startMs, TestClock } from '../base/support.ts'
import { archiveOf, describeVolume } from './volume.ts'

const dayInMs = 86_400_000
const always = { ifMatch: null, ifNoneMatch: null }
const noLock: ExplicitLock = { retention: null, legalHold: null }
const description = {
  headers: { 'content-type': 'text/plain' },
  userMetadata: { made: 'golden' },
  tags: { a: '1' },
}
const in3650Days = epochMs(startMs + 3650 * dayInMs)
const inOneDay = epochMs(startMs + dayInMs)

async function* bytesOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let offset = 0; offset < bytes.length; offset += 500_000) yield bytes.slice(offset, offset + 500_000)
}

async function put(
  store: Store,
  key: string,
  lock: Partial<ExplicitLock>,
  body: string,
): Promise<VersionRecord> {
  const bytes = new Uint8Array(Buffer.from(body))
  const staged = await store.versions.stage(bytesOf(bytes), bytes.length)
  const result = await store.versions.put(actor, {
    bucket: 'ledger',
    key,
    content: { kind: 'staged', body: staged, etag: staged.md5 },
    description: {
      ...description,
      checksum: { algorithm: 'SHA256', type: 'FULL_OBJECT', value: sha256Base64(bytes) },
    },
    lock: { ...noLock, ...lock },
    precondition: always,
  })
  if (result.kind !== 'put') throw new Error(`${key}: ${result.kind}`)
  return result.version
}

async function upload(store: Store, key: string, end: 'complete' | 'leave'): Promise<void> {
  const fields = { lock: noLock, checksumAlgorithm: null, checksumType: null, ...description }
  const made = await store.uploads.create(actor, { bucket: 'ledger', key, ...fields })
  if (made.kind !== 'created') throw new Error(made.kind)
  const address = { bucket: 'ledger', key, uploadId: made.upload.uploadId }
  const parts = []
  for (const [index, size] of [5 * 1024 ** 2, 10].entries()) {
    const body = await store.versions.stage(bytesOf(new Uint8Array(size).fill(index + 1)), size)
    const answer = await store.uploads.putPart(actor, {
      ...address,
      partNumber: index + 1,
      body,
      checksum: null,
    })
    if (answer.kind !== 'put') throw new Error(answer.kind)
    parts.push({ partNumber: index + 1, etag: answer.part.etag, checksum: null })
  }
  if (end === 'leave') return
  const done = await store.uploads.complete(actor, {
    ...address,
    parts,
    checksum: null,
    precondition: always,
  })
  if (done.kind !== 'completed') throw new Error(done.kind)
}

/** Every kind of row and body: null versions, markers, locks of both modes, holds, shared bytes, parts, garbage. */
async function fill(store: Store, clock: TestClock): Promise<void> {
  const account = { accountId: actor.accountId, region: 'us-east-1' }
  await store.buckets.create(actor, { name: 'ledger', ...account, objectLock: 'none' })
  await put(store, 'null version', {}, 'written before versioning')
  await store.buckets.putVersioning(actor, 'ledger', 'Enabled')
  const period = { unit: 'DAYS', count: 1 } as const
  const defaultRetention = { mode: 'GOVERNANCE', period } as const
  await store.buckets.putObjectLockConfiguration(actor, 'ledger', { kind: 'enable', defaultRetention })
  await store.documents.put(actor, 'ledger', { kind: 'tagging', text: '{}' })
  clock.pass(1)
  const compliance = { mode: 'COMPLIANCE', retainUntilMs: in3650Days } as const
  await put(store, 'inline/locked', { retention: compliance }, 'small and locked')
  const large = await put(
    store,
    'file/locked',
    { retention: compliance, legalHold: 'ON' },
    'large '.repeat(40_000),
  )
  await put(
    store,
    'held',
    { retention: { mode: 'GOVERNANCE', retainUntilMs: inOneDay }, legalHold: 'ON' },
    '',
  )
  await put(store, 'by the rule \u0000 ünïcode', {}, 'default retention')
  clock.pass(1)
  await store.versions.put(actor, {
    bucket: 'ledger',
    key: 'shared',
    content: { kind: 'shared', source: large },
    description: { ...description, checksum: null },
    lock: noLock,
    precondition: always,
  })
  await upload(store, 'multipart', 'complete')
  await upload(store, 'open upload', 'leave')
  await store.versions.delete(actor, {
    bucket: 'ledger',
    key: 'held',
    versionId: null,
    bypassGovernance: false,
  })
  const locked = { bucket: 'ledger', key: 'file/locked', versionId: large.versionId }
  await store.versions.delete(actor, { ...locked, bypassGovernance: true })
  await store.leadership.next(actor, 'golden')
  await store.buckets.apply(actor, {
    epoch: 1,
    name: 'managed',
    region: 'us-east-1',
    accountNamespace: { clusterId: 'c1', namespace: 'team' },
    owner: { clusterId: 'c1', namespace: 'team', name: 'managed', uid: 'u1' },
    adoptionPolicy: 'Never',
    profile: 'aws',
    requireChecksum: true,
    quotaBytes: 1_000_000,
    applyToExisting: 'ExtendOnly',
    strongerRetention: 'Replace',
    lifecycle: null,
    tags: { team: 'ledger' },
    policy: {
      ...{ namespace: 'team', name: 'keep', uid: 'p1', generation: 1 },
      defaultRetention: { mode: 'COMPLIANCE', period },
      prefixRules: [{ prefix: 'long/', period: { unit: 'DAYS', count: 30 } }],
      bounds: { minimum: period, maximum: null },
    },
  })
}

function sha256Base64(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('base64')
}

const { archive, contents } = archiveOf(volumeFormat)
if (existsSync(archive)) throw new Error(`${archive} is there: a released format is not made again`)
const directory = mkdtempSync(join(tmpdir(), 'holdfast-golden-'))
const clock = new TestClock()
const owner = await openVolumeOwner({ directory, clock, log: silentLog })
await fill(owner.store, clock)
writeFileSync(contents, `${JSON.stringify(await describeVolume(owner.store), null, 2)}\n`)
await owner.close()
const names = ['kv/data.mdb', 'bodies', 'stage']
const tar = spawnSync(
  'tar',
  ['--sort=name', '--mtime=@0', '--owner=0', '--group=0', '-czf', archive, ...names],
  {
    cwd: directory,
    stdio: 'inherit',
  },
)
rmSync(directory, { recursive: true })
if (tar.status !== 0) throw new Error('tar failed')
