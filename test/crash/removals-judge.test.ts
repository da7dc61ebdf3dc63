/** The judge of removals, on the journal of a real store's commits: as it was written, and bent. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { limits } from '../../src/lib/limits.ts'
import type { Retention } from '../../src/lock/types.ts'
import { decodeVersion, encodeVersion } from '../../src/store/codec.ts'
import { parseVersionKey, type Table, tablePrefix } from '../../src/store/keys.ts'
import { logKeyTag } from '../../src/store/kv/chain.ts'
import { LmdbEngine } from '../../src/store/kv/lmdb/lmdb.ts'
import { OptimisticKeyValue } from '../../src/store/kv/optimistic.ts'
import type { ExplicitLock, PutVersionResult } from '../../src/store/store.ts'
import { createUploads } from '../../src/store/uploads.ts'
import { actor, bytesOf, noLock, openRig, type Rig } from '../store/core/rig.ts'
import type { SystemCall } from '../support/crash/strace.ts'
import type { AuditRecord } from '../support/crash/volume-state.ts'
import { noFacts, type VolumeFacts } from '../support/removals/facts.ts'
import {
  type Change,
  type Commit,
  durableLine,
  journalVariable,
  lineOf,
} from '../support/removals/journal.ts'
import { judgeRun } from '../support/removals/judge.ts'
import { openEnvironment } from '../support/removals/processes/journaled-environment.ts'
import { keyText, readCommits } from '../support/removals/rows.ts'

const data = '/volume'
const large = 'x'.repeat(limits.inlineBodyBytesMax + 1)
const folder = mkdtempSync(join(tmpdir(), 'holdfast-judge-'))
const journal = join(folder, 'commits')

let rig: Rig
/** The commits of each step, by its name. */
const steps = new Map<string, readonly Commit[]>()
/** Ids of versions and of the bodies that are files. */
const ids = new Map<string, string>()

beforeAll(async () => {
  process.env[journalVariable] = journal
  rig = await openRig({
    name: 'journaled',
    open: async () => {
      const environment = openEnvironment({
        directory: join(folder, 'kv'),
        access: 'readWrite',
        reads: 'inOrder',
      })
      const kv = new OptimisticKeyValue(new LmdbEngine(environment), () => performance.now())
      return { kv, remove: () => kv.close() }
    },
  })
  await rig.buckets.create(actor, {
    ...{ name: 'ledger', accountId: actor.accountId, region: 'us-east-1', objectLock: 'enabled' },
  })
  const put = (name: string, body: string, lock: Partial<ExplicitLock> = {}) =>
    step(`put ${name}`, async () => note(name, await rig.put({ key: name, body, lock })))
  const remove = (name: string, bypassGovernance: boolean) =>
    step(`remove ${name}`, () => rig.remove({ key: name, versionId: ids.get(name) ?? '', bypassGovernance }))
  await put('file', large)
  await put('kept', large)
  await put('inline', 'small')
  const retention: Retention = { mode: 'GOVERNANCE', retainUntilMs: rig.inDays(1) }
  await put('governed', 'small', { retention })
  for (const name of ['file', 'inline']) await remove(name, false)
  await remove('governed', true)
  await abortAnUpload()
})
afterAll(async () => {
  delete process.env[journalVariable]
  await rig.close()
  rmSync(folder, { recursive: true })
})

async function abortAnUpload(): Promise<void> {
  const uploads = createUploads(rig.context)
  const address = { bucket: 'ledger', key: 'upload' }
  const created = await uploads.create(actor, {
    ...{ ...address, lock: noLock, checksumAlgorithm: null, checksumType: null },
    ...{ headers: {}, userMetadata: {}, tags: {} },
  })
  if (created.kind !== 'created') throw new Error(created.kind)
  const { uploadId } = created.upload
  const putPart = async (name: string) => {
    const body = await rig.versions.stage(bytesOf(large), limits.inlineBodyBytesMax * 2)
    ids.set(`${name}'s body`, body.bodyId)
    await uploads.putPart(actor, { ...address, uploadId, partNumber: 1, body, checksum: null })
  }
  await step('put part', () => putPart('replaced part'))
  await step('replace part', () => putPart('part'))
  await step('abort', () => uploads.abort(actor, { ...address, uploadId }))
}

async function step(name: string, work: () => Promise<unknown>): Promise<void> {
  const before = commitsSoFar().length
  await work()
  steps.set(name, commitsSoFar().slice(before))
}

function commitsSoFar(): readonly Commit[] {
  return readCommits(journal, new Map())
}

function note(name: string, result: PutVersionResult): void {
  if (result.kind !== 'put') throw new Error(result.kind)
  ids.set(name, result.version.versionId)
  ids.set(`${name}'s body`, result.version.object?.content.listId ?? '')
}

/** All commits, some of them bent; the first of a step is the one that counts. */
function bent(name: string | null, bend: (commit: Commit) => Partial<Commit>): readonly Commit[] {
  return [...steps].flatMap(([step_, commits]) =>
    commits.map((commit, index) => (step_ === name && index === 0 ? { ...commit, ...bend(commit) } : commit)),
  )
}

const asWritten = () => bent(null, () => ({}))

function without(table: Table | 'audit'): (commit: Commit) => Partial<Commit> {
  const tag = table === 'audit' ? logKeyTag : tablePrefix(table)[0]
  return ({ changes }) => ({ changes: changes.filter(({ key }) => key[0] !== tag) })
}

/** The commit, and before its own changes one of the row of a version that its step is about. */
function afterLockOf(name: string, lock: Partial<ExplicitLock>): (commit: Commit) => Partial<Commit> {
  return ({ changes }) => {
    const { key, value } = rowOf(name)
    const version = decodeVersion(key, value)
    const known = { kind: 'known', retention: null, legalHold: null, ...lock } as const
    return { changes: [{ key, value: encodeVersion({ ...version, lock: known }) }, ...changes] }
  }
}

function rowOf(name: string): { readonly key: Uint8Array; readonly value: Uint8Array } {
  const changes = steps.get(`put ${name}`)?.flatMap((commit) => commit.changes) ?? []
  const isRow = ({ key, value }: Change) =>
    key[0] === tablePrefix('version')[0] && value !== null && parseVersionKey(key).versionId === ids.get(name)
  const found = changes.find(isRow)
  if (found === undefined || found.value === null) throw new Error(`${name} was put`)
  return { key: found.key, value: found.value }
}

const call = (name: string, target: string, more: Partial<SystemCall> = {}): SystemCall => ({
  ...{
    process: 1,
    name,
    start: Date.now() / 1000,
    end: 2,
    descriptor: null,
    target,
    text: target,
    result: 0,
  },
  isSynchronous: false,
  ...more,
})
const pathOf = (bodyId: string) => `${data}/bodies/00/00/${bodyId}`
const unlinkOf = (name: string) => call('unlink', pathOf(ids.get(`${name}'s body`) ?? ''))

function judge(calls: readonly SystemCall[], commits: readonly Commit[], after: Partial<VolumeFacts> = {}) {
  return judgeRun({ dataDirectory: data, calls, before: new Map(), commits, after: { ...noFacts, ...after } })
}

describe('the journal', () => {
  test('readCommits: a commit that was not seen durable, counts if the volume has its rows and not otherwise', () => {
    const doubtful = join(folder, 'doubtful')
    const [commit] = steps.get('put file') ?? []
    if (commit === undefined) throw new Error('a put is a commit')
    writeFileSync(doubtful, lineOf(commit))
    const rows = new Map(commit.changes.map(({ key, value }) => [keyText(key), value ?? key]))
    expect(readCommits(doubtful, rows)).toEqual([commit])
    expect(readCommits(doubtful, new Map())).toEqual([])
    writeFileSync(doubtful, lineOf(commit) + durableLine(commit.id))
    expect(readCommits(doubtful, new Map())).toEqual([commit])
  })
})

describe('the judge of commits', () => {
  test('judgeRun: what a store did, no fault and all of it counted', async () => {
    const calls = ['file', 'part', 'replaced part'].map(unlinkOf)
    const { faults, counts } = await judge([...calls, call('unlink', pathOf('f'.repeat(32)))], asWritten())
    expect(faults).toEqual([])
    expect(counts).toEqual({ version: 1, upload: 1, replacedPart: 1, unused: 1, inline: 2, lifecycle: 0 })
  })

  test.each([
    ['a removal without its record', 'remove file', without('audit'), /^version \w+ went without a record/],
    ['an upload that ended without its record', 'abort', without('audit'), /^the upload \w+ became garbage/],
    ['garbage of a version that stays', 'remove file', without('version'), /became garbage though version/],
    ['bytes in the store of a version that stays', 'remove inline', without('version'), /^the list \w+ went/],
    ['a part that is garbage and still a part', 'replace part', without('part'), /though it is a part$/],
  ] as const)('I4 I23 judgeRun: %s, a fault', async (_name, step_, bend, sentence) => {
    const { faults } = await judge([], bent(step_, bend))
    expect(faults).toEqual([expect.stringMatching(sentence)])
  })

  test.each([
    ['a legal hold', 'file', { legalHold: 'ON' }, 'went though it is under a legal hold'],
    ['a legal hold, bypassed', 'governed', { legalHold: 'ON' }, 'went though it is under a legal hold'],
    ['COMPLIANCE in force', 'inline', 'COMPLIANCE', 'went though it is under COMPLIANCE retention'],
    ['COMPLIANCE, bypassed', 'governed', 'COMPLIANCE', 'went though it is under COMPLIANCE retention'],
    ['GOVERNANCE without bypass', 'inline', 'GOVERNANCE', 'went though it is under GOVERNANCE retention'],
  ] as const)('judgeRun: a version that goes under %s, a fault', async (_name, name, given, sentence) => {
    const lock = typeof given === 'string' ? inForce(given, 1) : given
    const { faults } = await judge([], bent(`remove ${name}`, afterLockOf(name, lock)))
    expect(faults).toEqual([`version ${ids.get(name)} ${sentence}`])
  })

  test('judgeRun: retention that has ended, no fault', async () => {
    const lock = inForce('COMPLIANCE', -1)
    expect((await judge([], bent('remove inline', afterLockOf('inline', lock)))).faults).toEqual([])
  })

  test('judgeRun: a bypass in the name of the lifecycle, a fault', async () => {
    const commits = bent('remove governed', ({ changes }) => ({ changes: changes.map(asLifecycle) }))
    const { faults, counts } = await judge([], commits)
    expect(faults).toEqual([`version ${ids.get('governed')} went though it is under GOVERNANCE retention`])
    expect(counts.lifecycle).toBe(1)
  })

  test('judgeRun: a version that is given a list of garbage, a fault', async () => {
    const { key, value } = rowOf('file')
    const commits = [...asWritten(), { id: 'late', atMs: Date.now(), changes: [{ key, value }] }]
    expect((await judge([], commits)).faults).toEqual([expect.stringMatching(/which is garbage$/)])
  })
})

function inForce(mode: Retention['mode'], days: number): Partial<ExplicitLock> {
  return { retention: { mode, retainUntilMs: rig.inDays(days) } }
}

/** An audit record's bytes, in the name of another key of the same length. */
function asLifecycle({ key, value }: Change): Change {
  if (key[0] !== logKeyTag || value === null) return { key, value }
  const text = Buffer.from(value).toString('latin1').replace('"AKIDALICE"', '"lifecycle"')
  return { key, value: new Uint8Array(Buffer.from(text, 'latin1')) }
}

describe('the judge of system calls', () => {
  test('judgeRun: a body that a version has, a fault', async () => {
    const { faults } = await judge([unlinkOf('kept')], asWritten())
    expect(faults).toEqual([`the body ${ids.get("kept's body")} was removed before a commit permitted it`])
  })

  test('judgeRun: a body that goes before the commit that permits it, a fault', async () => {
    const early = { ...unlinkOf('file'), start: ((steps.get('remove file')?.[0]?.atMs ?? 0) - 1) / 1000 }
    expect((await judge([early], asWritten())).faults).toHaveLength(1)
    const inTime = { ...early, start: early.start + 0.001 }
    expect((await judge([inTime], asWritten())).faults).toEqual([])
  })

  test('judgeRun: a version that the chain leaves and that is gone, or one that it does not know, a fault', async () => {
    const records = [written]
    expect((await judge([], [], { records })).faults).toEqual(['version v1 went without a record'])
    const versions = new Set(['v1', 'v2'])
    const strange = await judge([], [], { records, versions })
    expect(strange.faults).toEqual(['version v2 came without a record'])
    const denied = { ...deleted, verdict: 'deny' as const }
    expect((await judge([], [], { records: [written, denied] })).faults).toHaveLength(1)
  })

  test('judgeRun: a version removed by two records, a fault', async () => {
    const { faults } = await judge([], [], { records: [written, deleted, deleted] })
    expect(faults).toEqual(['version v1 was removed twice'])
  })

  test.each([
    ['rename', { text: pathOf('0'.repeat(32)), target: '/elsewhere' }],
    ['rename', { text: '/elsewhere', target: pathOf('0'.repeat(32)) }],
    ['truncate', { target: pathOf('0'.repeat(32)) }],
    ['ftruncate', { descriptor: 7, target: pathOf('0'.repeat(32)), text: '' }],
    ['unlink', { target: `${data}/kv/data.mdb` }],
    ['rename', { text: `${data}/kv/data.mdb`, target: `${data}/kv/other` }],
    ['unlink', { target: `${data}/lock` }],
    ['unlink', { target: `${data}/bodies/00/00/foreign` }],
  ])('judgeRun: %s of what is no garbage, %o: a fault', async (name, more) => {
    expect((await judge([call(name, '', more)], [])).faults.length).toBeGreaterThan(0)
  })

  test('judgeRun: stages, ballast, the growing engine and calls that failed, no fault', async () => {
    const body = '0'.repeat(32)
    const calls = [
      call('unlink', `${data}/stage/1-w0/${body}`),
      call('rmdir', `${data}/stage/1-w0`),
      call('rename', `${data}/ballast`, { text: `${data}/ballast.1-w0` }),
      call('ftruncate', `${data}/kv/data.mdb`, { descriptor: 5, text: '' }),
      call('link', pathOf(body), { text: `${data}/stage/1-w0/${body}` }),
      call('unlink', pathOf(body), { result: -1 }),
    ]
    expect((await judge(calls, [])).faults).toEqual([])
  })
})

const written: AuditRecord = {
  actor: { accessKeyId: 'KEY', requestId: 'r' },
  ...{ bucket: 'b', versionId: 'v1', sha256: 'aa', sizeBytes: 5, detail: null },
  ...{ verdict: 'allow', rule: 'NoRuleDenies', trustedMs: 0, lockAfter: { kind: 'known' } },
}
const deleted: AuditRecord = { ...written, lockAfter: null, sha256: null }
