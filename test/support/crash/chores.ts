/** What the owner of a volume does without a request, each with a volume on which it has something to do. */
import { chmodSync, linkSync, mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { limits } from '../../../src/lib/limits.ts'
import { silentLog } from '../../../src/lib/log.ts'
import { openVolumeOwner } from '../../../src/server/open-volume.ts'
import { openBodies } from '../../../src/store/bodies/bodies.ts'
import { shardOf } from '../../../src/store/bodies/body-id.ts'
import { lifecycleCodec } from '../../../src/store/lifecycle-document.ts'
import type { Store } from '../../../src/store/store.ts'
import { chunks, createUpload, putBytes, putPart, removeVersion } from '../../store/base/rig.ts'
import { actor } from '../../store/base/support.ts'
import { rule } from '../../store/core/lifecycle-rig.ts'
import { fileClock } from '../file-clock.ts'
import type { ChoreName } from './chore-main.ts'

export type Place = {
  /** Of the volume; it is not there yet. */
  readonly directory: string
  readonly clockFile: string
  /** Wall clock and uptime go on, for those who open the volume afterwards. */
  readonly advance: (ms: number) => void
}

export type Chore = {
  /** As docs/OPERATIONS.md calls it. */
  readonly name: string
  readonly order: ChoreName
  /** In this order, repeated ones once; a commit is the flush of the store's pages, then its root. */
  readonly steps: readonly string[]
  /** `same`: any start does what was left to do, so every copy recovers to one state. `more`: each commit makes another. */
  readonly states: 'same' | 'more'
  /** Makes the volume. Resolves to the id of a locked version, or ''. */
  readonly prepare: (place: Place) => Promise<string>
}

const dayMs = 86_400_000
const large = new Uint8Array(limits.inlineBodyBytesMax + 1)

/** A volume with the bucket `ledger`, closed in good order, with a ballast that takes no room. */
async function withStore<Made>(
  { directory, clockFile }: Place,
  work: (store: Store) => Promise<Made>,
): Promise<Made> {
  const owner = await openVolumeOwner({ directory, clock: fileClock(clockFile), log: silentLog })
  try {
    if ((await owner.store.buckets.read('ledger')) === null) {
      const bucket = {
        name: 'ledger',
        accountId: actor.accountId,
        region: 'r',
        objectLock: 'enabled',
      } as const
      await owner.store.buckets.create(actor, bucket)
    }
    return await work(owner.store)
  } finally {
    await owner.close()
    writeFileSync(join(directory, 'ballast'), '')
    truncateSync(join(directory, 'ballast'), limits.ballastBytes)
  }
}

async function endedUpload({ versions, uploads }: Store): Promise<void> {
  const address = await createUpload(uploads, 'upload')
  await putPart({ versions, uploads }, address, { partNumber: 1, bytes: large })
  await uploads.abort(actor, address)
}

function pathOf(directory: string, bodyId: string): string {
  return join(directory, 'bodies', ...shardOf(bodyId), bodyId)
}

/** One version whose bytes are damaged, and one that is whole. Returns what mends it. */
async function damaged(place: Place): Promise<() => void> {
  const version = await withStore(place, async ({ versions }) => {
    await putBytes(versions, 'whole', large)
    return putBytes(versions, 'damaged', large)
  })
  const path = pathOf(place.directory, version.object?.content.listId ?? '')
  const bytes = readFileSync(path)
  chmodSync(path, 0o600)
  writeFileSync(path, Buffer.alloc(bytes.length, 'other'))
  return () => writeFileSync(path, bytes)
}

type Trace = 'published' | 'staged' | 'committed'

/** As a kill leaves it: a body that only a stage has, one that has its name too, and one that a commit names. */
async function leaveTrace(place: Place, fate: Trace): Promise<void> {
  const { directory, clockFile } = place
  const kept = await withStore(place, ({ versions }) => putBytes(versions, 'kept', large))
  const bodies = await openBodies({ directory, epoch: '77', worker: '1', clock: fileClock(clockFile) })
  if (fate === 'committed') {
    const bodyId = kept.object?.content.listId ?? ''
    return linkSync(pathOf(directory, bodyId), join(directory, 'stage/77-1', bodyId))
  }
  const staged = await bodies.stage(chunks(large), { bytesMax: large.length, place: 'file' })
  if (fate === 'published') await bodies.publish(staged)
}

const opened = ['folder made', 'store opened', 'commit', 'stage made', 'stages flushed', 'folder made']
const first = [
  ...['folder made', 'volume flushed', 'store opened', 'commit'],
  // Asked for before the folder above it was there, and again.
  ...['stage made', 'folder made', 'stage made', 'stages flushed', 'volume flushed'],
  ...['folder made', 'volume flushed'],
]
const collected = ['removals locked', 'body removed', 'body name flushed', 'commit']

function recovery(fate: Trace): Chore {
  const names = { published: 'with its name', staged: 'without a name', committed: 'that a commit names' }
  const removed = fate === 'committed' ? [] : ['body removed', 'body name flushed']
  return {
    ...{ name: `a start: a body left behind ${names[fate]}`, order: 'open', states: 'same' },
    steps: [...opened, ...removed, 'stage name removed', 'stage removed', 'stages flushed'],
    prepare: async (place) => {
      await leaveTrace(place, fate)
      return ''
    },
  }
}

async function apply(store: Store): Promise<void> {
  const { epoch } = await store.leadership.next(actor, 'operator')
  const owner = { clusterId: 'c1', namespace: 'team', name: 'ledger', uid: 'u1' }
  const applied = await store.buckets.apply(actor, {
    ...{ epoch, name: 'ledger', region: 'r', owner, profile: 'aws', requireChecksum: true, quotaBytes: null },
    ...{ lifecycle: null, tags: null, strongerRetention: 'Replace' },
    ...{ adoptionPolicy: 'IfUnowned', applyToExisting: 'ExtendOnly' },
    accountNamespace: { clusterId: 'c1', namespace: 'team' },
    policy: {
      ...{ namespace: 'team', name: 'keep', uid: 'p1', generation: 1, prefixRules: [] },
      defaultRetention: { mode: 'COMPLIANCE', period: { unit: 'DAYS', count: 1 } },
      bounds: { minimum: null, maximum: null },
    },
  })
  if (applied.kind !== 'applied') throw new Error(applied.kind)
}

export const chores: readonly Chore[] = [
  {
    ...{ name: 'the first start on an empty folder', order: 'open', states: 'same' },
    steps: first,
    prepare: async ({ directory }) => {
      mkdirSync(directory)
      return ''
    },
  },
  {
    ...{ name: 'a start: its epoch', order: 'open', states: 'same' },
    steps: [...opened],
    prepare: async (place) => {
      await withStore(place, ({ versions }) => putBytes(versions, 'key', large))
      return ''
    },
  },
  ...(['published', 'staged', 'committed'] as const).map(recovery),
  {
    ...{ name: 'a stop: its epoch ends', order: 'close', states: 'same' },
    steps: ['commit', 'stage removed', 'stages flushed'],
    prepare: async (place) => {
      await withStore(place, ({ versions }) => putBytes(versions, 'key', large))
      return ''
    },
  },
  {
    ...{ name: 'the clock’s mark', order: 'tick', states: 'same' },
    steps: ['commit'],
    prepare: async (place) => {
      await withStore(place, async () => {})
      place.advance(60_000)
      return ''
    },
  },
  {
    ...{ name: 'the lifecycle removes versions', order: 'lifecycle', states: 'more' },
    steps: ['commit'],
    prepare: async (place) => {
      await withStore(place, async ({ versions, documents }) => {
        const noncurrentVersionExpiration = { noncurrentDays: 1, newerNoncurrentVersions: null }
        const transitionDefaultMinimumObjectSize = 'all_storage_classes_128K'
        const rules = [rule({ noncurrentVersionExpiration })]
        const text = lifecycleCodec.encode({ rules, transitionDefaultMinimumObjectSize })
        await documents.put(actor, 'ledger', { kind: 'lifecycle', text })
        for (let index = 0; index < 3; index += 1) await putBytes(versions, 'key', large)
      })
      place.advance(3 * dayMs)
      return ''
    },
  },
  {
    ...{ name: 'a policy reaches versions that are there', order: 'applyToExisting', states: 'more' },
    steps: ['commit'],
    prepare: async (place) => {
      await withStore(place, async (store) => {
        for (const key of ['a', 'b']) await putBytes(store.versions, key, large)
        await apply(store)
      })
      return ''
    },
  },
  {
    ...{ name: 'a scrub puts damaged bytes aside', order: 'scrub', states: 'more' },
    steps: ['commit'],
    prepare: async (place) => {
      await damaged(place)
      return ''
    },
  },
  {
    ...{ name: 'a scrub finds them whole again', order: 'scrub', states: 'more' },
    steps: ['commit'],
    prepare: async (place) => {
      const mend = await damaged(place)
      await withStore(place, ({ scrub }) => scrub.run(AbortSignal.timeout(60_000), 1024 ** 3))
      mend()
      place.advance(limits.scrubIntervalMs)
      return ''
    },
  },
  {
    ...{ name: 'a flood of refusals is counted', order: 'refusals', states: 'more' },
    steps: ['commit'],
    prepare: (place) =>
      withStore(place, async ({ versions }) => {
        const lock = { retention: null, legalHold: 'ON' } as const
        return (await putBytes(versions, 'key', new Uint8Array(10), lock)).versionId
      }),
  },
  {
    ...{ name: 'garbage: a version’s file', order: 'garbage', states: 'same' },
    steps: collected,
    prepare: async (place) => {
      await withStore(place, async (store) => {
        await removeVersion(store.versions, await putBytes(store.versions, 'key', large))
      })
      return ''
    },
  },
  {
    ...{ name: 'garbage: an upload that was ended', order: 'garbage', states: 'same' },
    steps: collected,
    prepare: async (place) => {
      await withStore(place, endedUpload)
      return ''
    },
  },
  {
    ...{ name: 'the ballast is made', order: 'ballast', states: 'same' },
    steps: ['ballast opened', 'ballast written', 'ballast flushed', 'ballast named', 'volume flushed'],
    prepare: async (place) => {
      await withStore(place, async () => {})
      rmSync(join(place.directory, 'ballast'))
      return ''
    },
  },
  {
    ...{ name: 'the ballast is given up', order: 'noBallast', states: 'same' },
    steps: ['ballast removed', 'volume flushed'],
    prepare: async (place) => {
      await withStore(place, async () => {})
      return ''
    },
  },
]
