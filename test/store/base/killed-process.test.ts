import { type ChildProcess, spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect, test } from 'vitest'
import { silentLog } from '../../../src/lib/log.ts'
import { systemClock } from '../../../src/platform/clock.ts'
import { verifyChain } from '../../../src/store/audit-chain.ts'
import { openBodies } from '../../../src/store/bodies/bodies.ts'
import { openLmdb } from '../../../src/store/kv/lmdb/lmdb.ts'
import { openStore } from '../../../src/store/open-store.ts'
import { recoverStages } from '../../../src/store/recover.ts'
import type { Store } from '../../../src/store/store.ts'
import { beginServerEpoch, fencedKeyValue, openVolume } from '../../../src/store/volume.ts'
import { expectClean, expectNothingLost } from './consistency.ts'
import { pattern, readBytes } from './rig.ts'
import { actor } from './support.ts'

const script = join(import.meta.dirname, 'processes', 'load.ts')
const clock = systemClock()

type Put = { readonly key: string; readonly versionId: string; readonly bytes: Uint8Array }

/** The versions that were acknowledged and whose removal had not begun, and those whose removal was acknowledged. */
function judgeLines(lines: readonly string[]) {
  const puts = new Map<string, Put>()
  const removed = new Map<string, Put>()
  for (const line of lines) {
    const [word = '', key = '', versionId = '', length = '0', seed = '0'] = line.split(' ')
    const name = `${key} ${versionId}`
    const known = puts.get(name) ?? removed.get(name)
    if (word === 'put') puts.set(name, { key, versionId, bytes: pattern(Number(length), Number(seed)) })
    if (word === 'removing') puts.delete(name)
    if (word === 'removed') removed.set(name, known ?? { key, versionId, bytes: new Uint8Array(0) })
  }
  return { puts: [...puts.values()], removed: [...removed.values()] }
}

async function withServer<T>(
  directory: string,
  run: (server: { store: Store; kv: Awaited<ReturnType<typeof openLmdb>> }) => Promise<T>,
): Promise<T> {
  const kv = await openLmdb({ directory: join(directory, 'kv') })
  const volume = await openVolume(kv, clock)
  const { epoch } = await beginServerEpoch(kv)
  const bodies = await openBodies({ directory, epoch: String(epoch), worker: 'supervisor', clock })
  await recoverStages({ kv, bodies, log: silentLog })
  const store = openStore({
    kv: fencedKeyValue(kv, epoch),
    bodies,
    clock,
    log: silentLog,
    volume,
    masterKey: null,
  })
  try {
    return await run({ store, kv })
  } finally {
    await store.close()
  }
}

/** Collects the lines of a worker and kills it, with SIGKILL, once it has said so many. */
async function killAfter(worker: ChildProcess, lineCount: number): Promise<readonly string[]> {
  const lines: string[] = []
  const input = worker.stdout
  if (input === null) throw new Error('a worker without output')
  for await (const line of createInterface({ input })) {
    lines.push(line)
    if (lines.length === lineCount) worker.kill('SIGKILL')
  }
  return lines
}

test('B-45 two workers killed in the middle of puts, uploads, removals and garbage: nothing acknowledged is lost, nothing is left over (I14)', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-killed-'))
  const lines: string[] = []
  try {
    await withServer(directory, async ({ store }) => {
      const bucket = { name: 'ledger', accountId: actor.accountId, region: 'us-east-1' }
      await store.buckets.create(actor, { ...bucket, objectLock: 'enabled' })
    })
    for (const round of [1, 2, 3]) {
      const workers = ['a', 'b'].map((name) =>
        spawn(process.execPath, [script, directory, `${name}${round}`], {
          stdio: ['ignore', 'pipe', 'inherit'],
        }),
      )
      const ended = workers.map((worker) => once(worker, 'exit'))
      const said = await Promise.all(workers.map((worker) => killAfter(worker, 30 + randomInt(60))))
      for (const [, signal] of await Promise.all(ended)) expect(signal).toBe('SIGKILL')
      lines.push(...said.flat())
      const { puts, removed } = judgeLines(lines)
      await withServer(directory, async ({ store, kv }) => {
        await expectNothingLost(kv, directory)
        for (const { key, versionId, bytes } of puts) {
          const found = await store.versions.read({ bucket: 'ledger', key, versionId })
          if (found.kind !== 'found') throw new Error(`lost: ${key} ${versionId}`)
          expect((await readBytes(store.versions, found.version)).equals(bytes)).toBe(true)
        }
        for (const { key, versionId } of removed) {
          const found = await store.versions.read({ bucket: 'ledger', key, versionId })
          expect(found.kind).toBe('noSuchVersion')
        }
        await abortAll(store)
        await store.collectGarbage(new AbortController().signal)
        await expectClean(kv, directory)
        expect(await verifyChain(kv, { fromSequence: 1, to: 'head' })).toMatchObject({ kind: 'intact' })
      })
    }
    expect(judgeLines(lines).puts.length).toBeGreaterThan(50)
  } finally {
    await rm(directory, { recursive: true })
  }
}, 120_000)

async function abortAll(store: Store): Promise<void> {
  const page = { prefix: '', delimiter: '', maxKeys: 1000, keyMarker: null, uploadIdMarker: null }
  const open = await store.uploads.list({ bucket: 'ledger', ...page })
  if (open.kind !== 'page') throw new Error(open.kind)
  for (const { key, uploadId } of open.uploads)
    await store.uploads.abort(actor, { bucket: 'ledger', key, uploadId })
}
