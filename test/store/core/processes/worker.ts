/**
 * node worker.ts DIRECTORY ROLE: one of several processes on one store. Says `ready`, waits for a line, then plays its
 * role on bucket `ledger` and prints its answers as JSON: `retain` and `remove` for every version listed,
 * `churn` for puts and deletes on few keys.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { argv, stdin, stdout } from 'node:process'
import { createInterface } from 'node:readline'
import { silentLog } from '../../../../src/lib/log.ts'
import { epochMs } from '../../../../src/lib/units.ts'
import { systemClock } from '../../../../src/platform/clock.ts'
import { openBodies } from '../../../../src/store/bodies/bodies.ts'
import { createDenialRecorder } from '../../../../src/store/denials.ts'
import { openLmdb } from '../../../../src/store/kv/lmdb/lmdb.ts'
import { createVersions } from '../../../../src/store/versions.ts'
import { actor, bytesOf } from '../rig.ts'

const role = argv[3] ?? ''
const clock = systemClock()
const kv = await openLmdb({ directory: argv[2] ?? '' })
const folder = await mkdtemp(join(tmpdir(), 'holdfast-worker-'))
const bodies = await openBodies({ directory: folder, epoch: '1', worker: role, clock })
const denials = createDenialRecorder({ kv, clock })
const versions = createVersions({ kv, clock, denials, log: silentLog, bodies })

const input = {
  bucket: 'ledger',
  prefix: '',
  delimiter: '',
  maxKeys: 1000,
  keyMarker: null,
  versionIdMarker: null,
}
const page = await versions.listVersions(input)
if (page.kind !== 'page') throw new Error(page.kind)
const targets = page.versions.map(({ version }) => version)

async function playOn(index: number): Promise<string> {
  const target = targets[index % targets.length]
  if (target === undefined) throw new Error('there are versions')
  const address = { bucket: 'ledger', key: target.key, versionId: target.versionId }
  switch (role) {
    case 'retain': {
      const next = { mode: 'COMPLIANCE', retainUntilMs: epochMs(clock.wallMs() + 86_400_000) } as const
      return (await versions.putRetention(actor, { ...address, next, bypassGovernance: false })).kind
    }
    case 'remove':
      return (await versions.delete(actor, { ...address, bypassGovernance: true })).kind
    default:
      return index % 3 === 0 ? removeNewest(index) : put(index)
  }
}

async function put(index: number): Promise<string> {
  const body = await versions.stage(bytesOf(`${role} ${index}`), 100)
  const result = await versions.put(actor, {
    bucket: 'ledger',
    key: `churn${index % 5}`,
    content: { kind: 'staged', body, etag: body.md5 },
    description: { headers: {}, userMetadata: {}, tags: {}, checksum: null },
    lock: { retention: null, legalHold: index % 2 === 0 ? 'ON' : null },
    precondition: { ifMatch: null, ifNoneMatch: null },
  })
  return result.kind
}

async function removeNewest(index: number): Promise<string> {
  const key = `churn${index % 5}`
  const newest = await versions.read({ bucket: 'ledger', key, versionId: null })
  if (newest.kind !== 'found') return newest.kind
  const { versionId } = newest.version
  return (await versions.delete(actor, { bucket: 'ledger', key, versionId, bypassGovernance: false })).kind
}

const count = role === 'retain' || role === 'remove' ? targets.length : 90
const answers: string[] = []
let next = 0
async function caller(): Promise<void> {
  while (next < count) {
    const index = next
    next += 1
    answers[index] = await playOn(index).catch((error: Error) => error.name)
  }
}

stdout.write('ready\n')
for await (const _line of createInterface({ input: stdin })) break
await Promise.all(Array.from({ length: 4 }, caller))
await denials.close()
await bodies.close()
await kv.close()
await rm(folder, { recursive: true })
stdout.write(`${JSON.stringify(answers)}\n`)
