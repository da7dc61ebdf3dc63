import { describe, expect, onTestFinished, test } from 'vitest'
import { ServerUnreachableError } from '../../../src/client/lock-server.ts'
import { silentLog } from '../../../src/lib/log.ts'
import { lockedBucketReport } from '../../../src/operator/controllers/locked-bucket-status.ts'
import { StorageGuard } from '../../../src/operator/storage/storage-guard.ts'
import {
  type StorageFinding,
  type StorageState,
  storageConditions,
} from '../../../src/operator/storage/storage-state.ts'
import { FakeStorage, type Kind } from './fake-storage.ts'
import { bucketOf, inSync, nowMs, outcomeOf, shown, snapshotOf } from './locked-bucket-fixtures.ts'
import { ManualTime } from './manual-timers.ts'

const intervalMs = 600_000
const all: readonly Kind[] = ['claim', 'volume', 'namespace']

class Rig {
  readonly kube = new FakeStorage()
  readonly time = new ManualTime()
  readonly guard: StorageGuard
  /** What each LockedBucket says. */
  protection: readonly (boolean | undefined)[] = []
  /** What the lock server says. */
  locked: string | null | Error = null
  /** What happens while the lock server thinks. */
  whileAsked: () => void = () => {}
  stateCount = 0
  lookedCount = 0
  #tell: () => void = () => {}
  readonly #stop = new AbortController()

  constructor({ claims = ['data'], holder = 'first' }: { claims?: string[] | null; holder?: string } = {}) {
    const { kube: client, time: timers } = this
    this.guard = new StorageGuard({ client, timers, log: silentLog, namespace: 'system', claims, holder })
    this.guard.subscribe(() => {
      this.stateCount += 1
    })
    onTestFinished(() => this.#stop.abort())
  }

  async start(): Promise<void> {
    const term = {
      buckets: () => this.protection.map((deletionProtected) => bucketOf({ deletionProtected })),
      onBucket: (listener: () => void) => {
        this.#tell = listener
        return () => {}
      },
      lockServer: {
        findLocked: async () => {
          this.whileAsked()
          if (this.locked instanceof Error) throw this.locked
          return this.locked
        },
      },
      leadership: { assertHeld: () => {} },
      intervalMs,
    }
    void this.guard.run(term, this.#stop.signal, () => {
      this.lookedCount += 1
    })
    await this.time.advance(0)
  }

  /** A LockedBucket has changed. */
  async become(...protection: readonly (boolean | undefined)[]): Promise<void> {
    this.protection = protection
    this.#tell()
    await this.time.advance(0)
  }

  get condition(): string {
    return storageConditions(this.guard.state)
      .map(({ status, reason }) => `${status} ${reason}`)
      .join()
  }

  get message(): string {
    return String(storageConditions(this.guard.state)[0]?.message)
  }

  get policy(): unknown {
    return this.kube.objects.volume?.spec['persistentVolumeReclaimPolicy']
  }
}

async function started(protection: readonly (boolean | undefined)[], prepare?: (rig: Rig) => void) {
  const rig = new Rig()
  rig.protection = protection
  prepare?.(rig)
  await rig.start()
  return rig
}

describe('the label', () => {
  test('a bucket is protected: claim, volume and namespace are labelled, once', async () => {
    const rig = await started([false, true])
    expect(rig.kube.guarded).toEqual(all)
    expect(rig.condition).toBe('True VolumesRetained')
    const { length } = rig.kube.patches
    await rig.time.advance(3 * intervalMs)
    expect(rig.kube.patches).toHaveLength(length)
    expect(rig.stateCount).toBe(1)
  })

  test('a bucket becomes protected between two looks: labelled at once', async () => {
    const rig = await started([false])
    expect(rig.kube.guarded).toEqual([])
    await rig.become(true)
    expect(rig.kube.guarded).toEqual(all)
  })

  test('nothing is locked any more, the server says so too: taken off; Retain stays', async () => {
    const rig = await started([true])
    await rig.become(false)
    expect(rig.kube.guarded).toEqual([])
    expect(rig.kube.objects.namespace?.metadata.annotations).toEqual({})
    expect([rig.policy, rig.condition]).toEqual(['Retain', 'True VolumesRetained'])
    const { length } = rig.kube.patches
    await rig.time.advance(3 * intervalMs)
    expect(rig.kube.patches).toHaveLength(length)
  })

  test.each([
    ['a bucket of no LockedBucket is locked', [false], 'left-behind'],
    ['no LockedBucket is left, but a locked bucket', [], 'left-behind'],
    ['the server does not answer', [false], new ServerUnreachableError('away')],
    ['a LockedBucket has no status yet', [false, undefined], null],
  ] as const)('%s: it stays', async (_title, protection, locked) => {
    const rig = await started([true])
    rig.locked = locked
    await rig.become(...protection)
    await rig.time.advance(3 * intervalMs)
    expect(rig.kube.guarded).toEqual(all)
  })

  test('a LockedBucket becomes protected while the server is asked: it stays', async () => {
    const rig = await started([true])
    const offered: string[][] = []
    rig.whileAsked = () => {
      rig.protection = [true]
      offered.push([...rig.kube.guarded])
    }
    rig.kube.patches.length = 0
    await rig.become(false)
    expect([offered, rig.kube.guarded, rig.kube.patches]).toEqual([[[...all]], all, []])
  })

  test('a bucket becomes protected during a look: the next look is at once', async () => {
    const rig = await started([false], (one) => {
      one.whileAsked = () => void one.become(true)
    })
    expect(rig.kube.guarded).toEqual(all)
  })

  test('nobody says that something is locked, and nobody that nothing is: it is not put on either', async () => {
    const rig = await started([undefined], (one) => {
      one.locked = new ServerUnreachableError('away')
    })
    expect(rig.kube.guarded).toEqual([])
    const orphaned = await started([], (one) => {
      one.locked = 'left-behind'
    })
    expect(orphaned.kube.guarded).toEqual(all)
  })

  test('two servers in a namespace: its label goes with the last of them', async () => {
    const rig = await started([true], ({ kube }) => {
      if (kube.objects.namespace !== null)
        kube.objects.namespace.metadata.annotations = { 'guard.holdfast.dev/second': 'true' }
    })
    expect(rig.kube.objects.namespace?.metadata.annotations).toEqual({
      'guard.holdfast.dev/first': 'true',
      'guard.holdfast.dev/second': 'true',
    })
    await rig.become(false)
    expect(rig.kube.guarded).toEqual(['namespace'])
    const other = rig.kube.objects.namespace?.metadata.annotations
    expect(other).toEqual({ 'guard.holdfast.dev/second': 'true' })
    delete other?.['guard.holdfast.dev/second']
    await rig.time.advance(intervalMs)
    expect(rig.kube.guarded).toEqual([])
  })

  test('somebody tore it off while no policy refused it: it is put back at the next look', async () => {
    const rig = await started([true])
    for (const kind of all) {
      const object = rig.kube.objects[kind]
      if (object !== null) object.metadata.labels = {}
    }
    await rig.time.advance(intervalMs)
    expect(rig.kube.guarded).toEqual(all)
  })
})

describe('StorageRetained', () => {
  test('reclaim policy Delete: Retain, also while nothing is locked', async () => {
    const rig = await started([])
    expect([rig.policy, rig.condition]).toEqual(['Retain', 'True VolumesRetained'])
    expect(rig.kube.patches).toEqual(['volume'])
  })

  test('no right to patch the volume: False with the remedy, and claim and namespace are guarded all the same', async () => {
    const rig = await started([true], ({ kube }) => kube.refused.add('PATCH volume'))
    expect([rig.policy, rig.condition]).toEqual(['Delete', 'False VolumeNotRetained'])
    expect(rig.message).toContain(
      `kubectl patch pv pv-1 -p '{"spec":{"persistentVolumeReclaimPolicy":"Retain"}}'`,
    )
    expect(rig.kube.guarded).toEqual(['claim', 'namespace'])
    rig.kube.refused.clear()
    await rig.time.advance(intervalMs)
    expect([rig.policy, rig.condition]).toEqual(['Retain', 'True VolumesRetained'])
    expect(rig.kube.guarded).toEqual(all)
  })

  test.each([
    ['no right to label the claim', 'PATCH claim', 'False StorageUnguarded'],
    ['no right to label the namespace', 'PATCH namespace', 'False StorageUnguarded'],
    ['no right to read the volume', 'GET volume', 'Unknown StorageUnreadable'],
    ['no right to read the claim', 'GET claim', 'Unknown StorageUnreadable'],
  ] as const)('%s: said, and the others are guarded', async (_title, right, condition) => {
    const rig = await started([true], ({ kube }) => kube.refused.add(right))
    expect(rig.condition).toBe(condition)
    expect(rig.message).toContain('forbidden')
    expect(rig.kube.guarded.length).toBeGreaterThan(0)
  })

  test('no right to take the label off: it stays, and nothing is wrong', async () => {
    const rig = await started([true])
    rig.kube.refused.add('PATCH claim')
    await rig.become(false)
    expect([rig.kube.guarded, rig.condition]).toEqual([['claim'], 'True VolumesRetained'])
  })

  test('a claim that does not exist, or is not bound: Unknown, until it is', async () => {
    const rig = await started([true], ({ kube }) => {
      if (kube.objects.claim !== null) kube.objects.claim.spec = {}
    })
    expect([rig.condition, rig.kube.guarded]).toEqual(['Unknown StorageUnbound', ['claim', 'namespace']])
    if (rig.kube.objects.claim !== null) rig.kube.objects.claim.spec = { volumeName: 'pv-1' }
    await rig.time.advance(intervalMs)
    expect([rig.condition, rig.kube.guarded]).toEqual(['True VolumesRetained', all])
    rig.kube.objects.claim = null
    await rig.time.advance(intervalMs)
    expect([rig.condition, rig.message]).toEqual([
      'Unknown StorageUnbound',
      'PersistentVolumeClaim data does not exist.',
    ])
  })

  test("a claim that names another one's volume: the volume is not touched", async () => {
    const rig = await started([true], ({ kube }) => {
      if (kube.objects.volume !== null) kube.objects.volume.spec['claimRef'] = { uid: 'another' }
    })
    expect([rig.condition, rig.policy]).toEqual(['Unknown StorageUnbound', 'Delete'])
    expect(rig.kube.guarded).toEqual(['claim', 'namespace'])
  })

  test('a claim that was deleted before it was guarded: False, the worst of several findings', async () => {
    const rig = await started([true], ({ kube }) => {
      kube.refused.add('PATCH volume')
      if (kube.objects.claim !== null) kube.objects.claim.metadata.deletionTimestamp = '2026-11-22T00:00:00Z'
    })
    expect(rig.condition).toBe('False StorageTerminating')
    expect(rig.message).toContain('PersistentVolumeClaim data was deleted')
  })

  test('the API server fails: the state stays as it was, and the look is repeated soon', async () => {
    const rig = await started([true])
    rig.kube.isAway = true
    await rig.time.advance(2 * intervalMs)
    expect([rig.condition, rig.stateCount]).toEqual(['True VolumesRetained', 1])
    if (rig.kube.objects.volume !== null)
      rig.kube.objects.volume.spec['persistentVolumeReclaimPolicy'] = 'Recycle'
    rig.kube.isAway = false
    await rig.time.advance(30_000)
    expect(rig.policy).toBe('Retain')
  })

  test('no claim is named: Unknown, nothing is asked and nobody waits', async () => {
    const rig = new Rig({ claims: null })
    rig.protection = [true]
    await rig.start()
    expect([rig.condition, rig.lookedCount, rig.kube.patches]).toEqual(['Unknown StorageUnnamed', 1, []])
    expect(rig.time.pendingCount).toBe(0)
  })

  test('LockedBucket: the condition is in the status, once; without an API server there is none', () => {
    const report = (snapshot: typeof inSync) =>
      lockedBucketReport(nowMs, snapshot, outcomeOf(snapshot, null)).status
    expect(shown(report(inSync)).filter((line) => line.startsWith('StorageRetained'))).toEqual([])
    const storage = { kind: 'retained' } as const
    const status = report({ ...snapshotOf(inSync.server), storage })
    expect(shown(status)).toContain('StorageRetained=True VolumesRetained')
    expect(
      report({ ...snapshotOf(inSync.server, inSync.policy, bucketOf(status ?? {})), storage }),
    ).toBeNull()
  })

  test('LockedBucket: an event when it becomes False, another when it is False for another reason, none while it lasts or is Unknown', () => {
    let object = bucketOf({})
    const look = (storage: StorageState) => {
      const snapshot = { ...snapshotOf(inSync.server, inSync.policy, object), storage }
      const { status, events } = lockedBucketReport(nowMs, snapshot, outcomeOf(snapshot, null))
      if (status !== null) object = bucketOf(status)
      return events.filter(({ reason }) => reason === 'StorageNotRetained').map(({ message }) => message)
    }
    const finding = (reason: StorageFinding['reason'], message: string | null = null): StorageState => ({
      kind: 'finding',
      finding: { reason, message },
    })
    expect(look({ kind: 'retained' })).toEqual([])
    expect(look(finding('StorageUnreadable'))).toEqual([])
    expect(look(finding('VolumeNotRetained', 'pv-1: patch it.'))).toEqual(['pv-1: patch it.'])
    expect(look(finding('VolumeNotRetained', 'pv-1: patch it.'))).toEqual([])
    const sentence = 'A volume of the lock server would go with its claim, is going, or is not guarded.'
    expect(look(finding('StorageTerminating'))).toEqual([sentence])
    expect(look({ kind: 'retained' })).toEqual([])
    expect(look(finding('StorageUnguarded', 'claim data: forbidden'))).toEqual(['claim data: forbidden'])
  })
})
