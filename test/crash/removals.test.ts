/**
 * What the servers of a conformance run did to the files of their volumes, seen in their system calls. By itself it runs the
 * files below, in which the most is removed; HOLDFAST_LONG (`npm run long`) runs the tier.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { SystemCall } from '../support/crash/strace.ts'
import type { AuditRecord } from '../support/crash/volume-state.ts'
import { noFacts, type VolumeFacts } from '../support/removals/facts.ts'
import { judgeRun } from '../support/removals/judge.ts'

const root = join(import.meta.dirname, '../..')
const isAll = process.env['HOLDFAST_LONG'] === '1'
/**
 * None with lifecycle rules: their run at a server's start removes versions while garbage is collected, and a body that
 * becomes garbage and goes within one run has no facts of before to be judged by.
 */
const removingMost = [
  'AbortMultipartUpload',
  'attacks/races',
  'CopyObject.test',
  'DeleteObject',
  'UploadPart',
]
/** Fewer bodies than these that went: the run has seen nothing. */
const removedMin = { version: 3, upload: 1, unused: 5 }

type Counted = {
  readonly counts: Readonly<Record<'version' | 'upload' | 'replacedPart' | 'unused', number>>
  readonly faults: readonly string[]
}

async function runConformance(folder: string): Promise<{ readonly code: number; readonly said: string }> {
  const files = isAll ? [] : removingMost.map((name) => `test/conformance/${name}`)
  const args = [
    'run',
    '--project',
    'conformance',
    '--reporter=dot',
    '--testTimeout=120000',
    '--hookTimeout=120000',
  ]
  const child = spawn(process.execPath, [join(root, 'node_modules/vitest/vitest.mjs'), ...args, ...files], {
    cwd: root,
    env: { ...process.env, HOLDFAST_REMOVALS: folder, VITEST: undefined },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (piece) => (said += String(piece)))
  await once(child, 'close')
  return { code: child.exitCode ?? 1, said }
}

test(
  'I4 I23 Removals: a conformance run, every body that went had its permission in the audit chain first, and nothing else went',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'holdfast-removal-counts-'))
    const { code, said } = await runConformance(folder)
    const counted = readdirSync(folder).map(
      (name) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as Counted,
    )
    rmSync(folder, { recursive: true })
    expect(counted.flatMap(({ faults }) => faults)).toEqual([])
    expect([code, code === 0 ? '' : said]).toEqual([0, ''])
    const sum = (kind: keyof Counted['counts']) =>
      counted.reduce((total, { counts }) => total + counts[kind], 0)
    process.stdout.write(
      `${counted.length} servers: ${sum('version')} bodies of versions, ${sum('upload')} of ended uploads, ${sum('replacedPart')} replaced parts and ${sum('unused')} unused bodies removed\n`,
    )
    for (const kind of ['version', 'upload', 'unused'] as const)
      expect(sum(kind), kind).toBeGreaterThanOrEqual(removedMin[kind])
  },
  isAll ? 3_600_000 : 900_000,
)

describe('the judge of removals', () => {
  const data = '/volume'
  const body = `${'0'.repeat(31)}1`
  const bodyPath = `${data}/bodies/00/00/${body}`
  const call = (name: string, target: string, more: Partial<SystemCall> = {}): SystemCall => ({
    ...{ process: 1, name, start: 1, end: 2, descriptor: null, target, text: target, result: 0 },
    isSynchronous: false,
    ...more,
  })
  const record = (more: Partial<AuditRecord>): AuditRecord => ({
    ...{
      actor: { accessKeyId: 'KEY', requestId: 'r' },
      bucket: 'b',
      versionId: 'v1',
      sha256: 'aa',
      sizeBytes: 5,
    },
    ...{ verdict: 'allow', lockAfter: { kind: 'known' }, detail: null },
    ...more,
  })
  const written = record({})
  const deleted = record({ lockAfter: null, sha256: null })
  const waste = new Map([[body, { kind: 'version', sizeBytes: 5, sha256: 'aa' } as const]])
  const judge = (
    calls: readonly SystemCall[],
    before: Partial<VolumeFacts>,
    after: Partial<VolumeFacts> = {},
  ) =>
    judgeRun({
      dataDirectory: data,
      calls,
      before: { ...noFacts, ...before },
      after: { ...noFacts, ...after },
      spent: new Set(),
    })

  test('judgeRun: the body of a version that was deleted, permitted and counted', () => {
    const { faults, counts } = judge([call('unlink', bodyPath)], { waste, records: [written, deleted] })
    expect([faults, counts.version]).toEqual([[], 1])
  })

  test.each([
    ['no record of the removal', { waste, records: [written] }, {}],
    ['the removal denied', { waste, records: [written, { ...deleted, verdict: 'deny' as const }] }, {}],
    ['a removal of other bytes', { waste, records: [record({ sha256: 'bb' }), deleted] }, {}],
    ['a removal of another size', { waste, records: [record({ sizeBytes: 6 }), deleted] }, {}],
    ['a record that came after', { held: new Set([body]) }, { records: [written, deleted], waste }],
    ['a body that is still held', { held: new Set([body]) }, {}],
    ['a body that was taken into use', {}, { held: new Set([body]) }],
  ])('judgeRun: %s, a fault', (_name, before, after) => {
    expect(judge([call('unlink', bodyPath)], before, after).faults).toHaveLength(1)
  })

  test('judgeRun: a version that the chain leaves and that is gone, or one that it does not know, a fault', () => {
    expect(judge([], {}, { records: [written] }).faults).toEqual(['version v1 went without a record'])
    const versions = new Set(['v1', 'v2'])
    expect(judge([], {}, { records: [written], versions }).faults).toEqual([
      'version v2 came without a record',
    ])
    const denied = { ...deleted, verdict: 'deny' as const }
    expect(judge([], {}, { records: [written, denied] }).faults).toHaveLength(1)
  })

  test('judgeRun: one removal, permits the bytes of one list only', () => {
    const second = `${'0'.repeat(31)}2`
    const both = new Map([...waste, [second, { kind: 'version', sizeBytes: 5, sha256: 'aa' } as const]])
    const calls = [call('unlink', bodyPath), call('unlink', `${data}/bodies/00/00/${second}`)]
    expect(judge(calls, { waste: both, records: [written, deleted] }).faults).toHaveLength(1)
  })

  test('judgeRun: a version removed by two records, a fault', () => {
    expect(judge([], {}, { records: [written, deleted, deleted] }).faults).toEqual([
      'version v1 was removed twice',
    ])
  })

  test.each([
    ['rename', { text: bodyPath, target: '/elsewhere' }],
    ['rename', { text: '/elsewhere', target: bodyPath }],
    ['truncate', { target: bodyPath }],
    ['ftruncate', { descriptor: 7, target: bodyPath, text: '' }],
    ['unlink', { target: `${data}/kv/data.mdb` }],
    ['rename', { text: `${data}/kv/data.mdb`, target: `${data}/kv/other` }],
    ['unlink', { target: `${data}/lock` }],
    ['unlink', { target: `${data}/bodies/00/00/foreign` }],
  ])('judgeRun: %s of what is no garbage, %o: a fault', (name, more) => {
    expect(
      judge([call(name, '', more)], { waste, records: [written, deleted] }).faults.length,
    ).toBeGreaterThan(0)
  })

  test('judgeRun: stages, ballast, the growing engine and calls that failed, no fault', () => {
    const calls = [
      call('unlink', `${data}/stage/1-w0/${body}`),
      call('rmdir', `${data}/stage/1-w0`),
      call('rename', `${data}/ballast`, { text: `${data}/ballast.1-w0` }),
      call('ftruncate', `${data}/kv/data.mdb`, { descriptor: 5, text: '' }),
      call('link', bodyPath, { text: `${data}/stage/1-w0/${body}` }),
      call('unlink', bodyPath, { result: -1 }),
    ]
    expect(judge(calls, {}).faults).toEqual([])
  })
})
