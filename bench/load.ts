/**
 * Fills a volume that no server serves, by the store's own code: a request for each object would take days for ten million.
 * What it leaves is what as many PutObject requests leave, audit records included.
 */
import { addMs, dayMs, type EpochMs } from '../src/lib/units.ts'
import { systemClock } from '../src/platform/clock.ts'
import { createLog } from '../src/platform/log.ts'
import { lockVolume } from '../src/platform/volume-lock.ts'
import { openVolumeOwner } from '../src/server/open-volume.ts'
import type { Actor } from '../src/store/requests.ts'
import type { Store } from '../src/store/store.ts'
import { credentials } from './servers.ts'

export type Load = {
  /** The data directory. */
  readonly directory: string
  readonly bucket: string
  /** Keys are named as the client's `fill` names them. */
  readonly prefix: string
  readonly keys: number
  readonly sizeBytes: number
}

/** So many objects at a time: what is written in one turn of the event loop is one commit. */
const together = 512
/** The servers' own interval: a clock that nobody ticks is suspect after hours. */
const tickMs = 60_000
/** Every so manyth is locked, so that there are expiries. */
const lockedEvery = 10

/** Returns the seconds that it took. Errors: VolumeLockedError while a server serves the volume. */
export async function loadObjects(load: Load): Promise<number> {
  const lock = await lockVolume(load.directory)
  const clock = systemClock()
  const log = createLog({ level: 'warn', component: 'bench-load' })
  const { store, close } = await openVolumeOwner({ directory: load.directory, clock, log })
  const begin = performance.now()
  try {
    const bucket = await store.buckets.read(load.bucket)
    if (bucket === null) throw new Error(`there is no bucket ${load.bucket}`)
    const { accountId } = bucket
    const { accessKeyId } = credentials
    const actor = { accessKeyId, accountId, requestId: 'bench-load', operation: 'PutObject' }
    const put = putterOf(store, actor, load)
    let tickedMs = clock.uptimeMs()
    for (let first = 0; first < load.keys; first += together) {
      if (clock.uptimeMs() - tickedMs > tickMs) {
        await store.clock.tick()
        tickedMs = clock.uptimeMs()
      }
      const untilMs = addMs(clock.wallMs(), dayMs)
      const count = Math.min(together, load.keys - first)
      await Promise.all(Array.from({ length: count }, (_, index) => put(first + index, untilMs)))
    }
    return (performance.now() - begin) / 1000
  } finally {
    await close()
    await lock.release()
  }
}

function putterOf(store: Store, actor: Actor, { bucket, prefix, sizeBytes }: Load) {
  const bytes = Buffer.from('holdfast'.repeat(Math.ceil(sizeBytes / 8))).subarray(0, sizeBytes)
  const description = { headers: {}, userMetadata: {}, tags: {}, checksum: null }
  const precondition = { ifMatch: null, ifNoneMatch: null }
  return async (number: number, untilMs: EpochMs): Promise<void> => {
    const body = await store.versions.stage(once(bytes), sizeBytes)
    const isLocked = number % lockedEvery === 0
    const retention = isLocked ? ({ mode: 'COMPLIANCE', retainUntilMs: untilMs } as const) : null
    const put = await store.versions.put(actor, {
      bucket,
      key: `${prefix}${String(number).padStart(7, '0')}`,
      content: { kind: 'staged', body, etag: body.md5 },
      description,
      lock: { retention, legalHold: null },
      precondition,
    })
    if (put.kind !== 'put') throw new Error(`a version was not written: ${put.kind}`)
  }
}

async function* once(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes
}
