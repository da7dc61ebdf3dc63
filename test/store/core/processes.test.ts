import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { systemClock } from '../../../src/platform/clock.ts'
import { verifyChain } from '../../../src/store/audit-chain.ts'
import { openLmdb } from '../../../src/store/kv/lmdb/lmdb.ts'
import { actor, openRig, type Rig } from './rig.ts'
import { wrongCounts } from './rows.ts'

const script = join(import.meta.dirname, 'processes', 'worker.ts')

/** Workers that play their roles at the same time; each one's answers, by index of its targets. */
async function play(directory: string, roles: readonly string[]): Promise<string[][]> {
  const workers = roles.map((role) => {
    const child = spawn(process.execPath, [script, directory, role], { stdio: ['pipe', 'pipe', 'inherit'] })
    return { child, lines: createInterface({ input: child.stdout })[Symbol.asyncIterator]() }
  })
  for (const { lines } of workers) expect((await lines.next()).value).toBe('ready')
  for (const { child } of workers) child.stdin.end('go\n')
  const answers = await Promise.all(
    workers.map(async ({ lines }) => JSON.parse((await lines.next()).value ?? '')),
  )
  await Promise.all(workers.map(({ child }) => closed(child)))
  return answers
}

function closed(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null) resolve()
    else child.on('close', () => resolve())
  })
}

describe('processes on one store', () => {
  let directory = ''
  let rig: Rig
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'holdfast-race-'))
    const open = async () => {
      const kv = await openLmdb({ directory })
      return { kv, remove: () => kv.close() }
    }
    rig = await openRig({ name: 'lmdb', open }, systemClock())
    const input = { name: 'ledger', accountId: actor.accountId, region: 'r', objectLock: 'enabled' } as const
    await rig.buckets.create(actor, input)
    await Promise.all(Array.from({ length: 80 }, (_, index) => rig.put({ key: `k${1000 + index}` })))
  })
  afterEach(async () => {
    await rig.close()
    await rm(directory, { recursive: true })
  })

  test('B-42 retention against delete: for every version one of them, and what was locked is there', async () => {
    const [retained, removed] = await play(directory, ['retain', 'remove'])
    if (retained === undefined || removed === undefined) throw new Error('two workers')
    const outcomes = retained.map((kind, index) => `${kind} ${removed[index]}`)
    for (const outcome of outcomes) expect(['changed denied', 'noSuchVersion deleted']).toContain(outcome)
    const page = await rig.versions.listVersions({
      bucket: 'ledger',
      prefix: '',
      delimiter: '',
      maxKeys: 1000,
      keyMarker: null,
      versionIdMarker: null,
    })
    const lockedCount = retained.filter((kind) => kind === 'changed').length
    expect(page.kind === 'page' && page.versions.length).toBe(lockedCount)
    expect((await rig.buckets.facts('ledger'))?.lockedVersionCount).toBe(lockedCount)
    expect(await verifyChain(rig.kv, { fromSequence: 1, to: 'head' })).toMatchObject({ kind: 'intact' })
  })

  test('puts and deletes of the same keys: counters and chain are exact', async () => {
    await play(directory, ['churnA', 'churnB', 'churnC'])
    const bucket = await rig.buckets.read('ledger')
    expect(await wrongCounts(rig.kv, bucket?.id ?? '')).toEqual([])
    expect(await verifyChain(rig.kv, { fromSequence: 1, to: 'head' })).toMatchObject({ kind: 'intact' })
  })
})
