/** The operator's decisions against the store that they are for, through the documents of the admin API. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ApplyBucket } from '../../../src/admin/operations/ApplyBucket.ts'
import { GetBucket } from '../../../src/admin/operations/GetBucket.ts'
import { bucketFactsAnswer } from '../../../src/api/admin.ts'
import type { RetentionPolicySpec } from '../../../src/api/RetentionPolicy.ts'
import type { BucketFactsAnswer } from '../../../src/client/lock-server.ts'
import { isAtLeast, isWithin, raiseTo } from '../../../src/lock/combine.ts'
import { compareBucketRetention } from '../../../src/lock/compare.ts'
import type { BucketRetention, DefaultRetention } from '../../../src/lock/types.ts'
import {
  decideLockedBucket,
  type LockedBucketSnapshot,
  wantedOf,
} from '../../../src/operator/controllers/locked-bucket-decide.ts'
import { lockedBucketReport } from '../../../src/operator/controllers/locked-bucket-status.ts'
import { applyToExisting } from '../../../src/store/apply-to-existing.ts'
import { anyMode, smallPeriod } from '../../lock/arbitraries.ts'
import { nowMs, policyOf, seen, shown, snapshotOf } from '../../unit/operator/locked-bucket-fixtures.ts'
import { engines, lockRule } from '../base/support.ts'
import { actor, openRig, type Rig } from './rig.ts'

type Fields = { readonly days: number } | { readonly years: number }
const anyFields = smallPeriod.map(
  ({ unit, count }): Fields => (unit === 'DAYS' ? { days: count } : { years: count }),
)
const anySpec: fc.Arbitrary<RetentionPolicySpec> = fc.record(
  {
    defaultRetention: fc
      .record({ mode: anyMode, period: anyFields })
      .map(({ mode, period }) => ({ mode, ...period })),
    rules: anyFields.map((period) => [{ prefix: 'a/', ...period }]),
    minimum: anyFields,
    applyToExisting: fc.constantFrom('No', 'ExtendOnly', 'IncludingModeChange'),
    irreversible: fc.constant(true),
  },
  { requiredKeys: ['defaultRetention', 'irreversible'] },
)
const anyDefault: fc.Arbitrary<DefaultRetention> = fc.record({ mode: anyMode, period: smallPeriod })
const anyEvent = fc.oneof(
  fc.record({ kind: fc.constant('edit' as const), spec: anySpec }),
  /** etcd comes back with the same generation of another spec. */
  fc.record({ kind: fc.constant('restored' as const), spec: anySpec }),
  fc.record({
    kind: fc.constant('cluster' as const),
    floor: fc.option(fc.record({ mode: anyMode, period: anyFields }), { nil: undefined }),
    ceiling: fc.option(anyFields, { nil: undefined, freq: 1 }),
  }),
  fc.record({ kind: fc.constant('s3' as const), rule: fc.option(anyDefault) }),
  fc.record({ kind: fc.constant('quota' as const), quota: fc.constantFrom('1Ki', '2Ki') }),
  fc.constant({ kind: 'freeze' as const }),
  fc.constant({ kind: 'walk' as const }),
  fc.constant({ kind: 'doubted' as const }),
)
type Event = typeof anyEvent extends fc.Arbitrary<infer Value> ? Value : never

/** A world with one LockedBucket. */
class World {
  readonly #rig: Rig
  readonly #epoch: number
  #snapshot: LockedBucketSnapshot
  #generation = 1
  /** All that any policy with its floors asked for, in COMPLIANCE. */
  #asked: BucketRetention | null = null

  constructor(rig: Rig, epoch: number) {
    this.#rig = rig
    this.#epoch = epoch
    const policy = policyOf({ defaultRetention: { mode: 'GOVERNANCE', days: 1 } })
    this.#snapshot = { ...snapshotOf(seen(null), policy), epoch }
  }

  async happen(event: Event): Promise<void> {
    switch (event.kind) {
      case 'edit':
        this.#generation += 1
        this.#snapshot = { ...this.#snapshot, policy: policyOf(event.spec, this.#generation) }
        return
      case 'restored':
        this.#snapshot = { ...this.#snapshot, policy: policyOf(event.spec, this.#generation) }
        return
      case 'cluster':
        this.#snapshot = { ...this.#snapshot, cluster: { kind: 'known', policies: [clusterPolicy(event)] } }
        return
      case 'quota': {
        const { object } = this.#snapshot
        const spec = { ...object.spec, quota: event.quota }
        this.#snapshot = { ...this.#snapshot, object: { ...object, spec } }
        return
      }
      case 's3':
        await this.#rig.buckets.putObjectLockConfiguration(actor, 'backups', lockRule(event.rule))
        return
      case 'freeze':
        await this.#rig.buckets.putObjectLockConfiguration(actor, 'backups', { kind: 'freeze' })
        return
      case 'walk':
        await applyToExisting(this.#rig.context, new AbortController().signal)
        return
      case 'doubted':
        await this.#reconcile('doubted')
        return
    }
  }

  /** At most one change, which leaves nothing to ask for; refused or barred, there is nothing to compare. */
  async settle(): Promise<void> {
    const before = await this.#facts()
    const isTaken = await this.#reconcile('continuous')
    const facts = await this.#facts()
    this.#expectFloor(before, facts)
    const wanted = wantedOf(this.#snapshot)
    if (!isTaken || wanted.kind !== 'retention' || wanted.bar !== null) return
    const server = seen(facts)
    const snapshot = { ...this.#snapshot, server }
    expect(decideLockedBucket(snapshot)).toEqual([])
    const { status } = lockedBucketReport(nowMs, snapshot, { step: null, answer: null, server })
    expect(shown(status)).toContain('Ready=True Enforced')
    const { objectLock, policy, applyToExisting: walk } = facts ?? {}
    expect(compareBucketRetention(wanted.retention, objectLock?.retention ?? none)).not.toBe('weaker')
    if (wanted.retention.defaultRetention?.mode === 'COMPLIANCE')
      expect(compareBucketRetention(alone(wanted.retention), alone(policy?.floor ?? none))).not.toBe('weaker')
    expect(isAtLeast(policy?.bounds ?? unbounded, wanted.bounds.minimum)).toBe(true)
    expect(isWithin(policy?.bounds ?? unbounded, wanted.bounds.maximum)).toBe(true)
    expect(walk?.scope ?? 'No').toBe(wanted.policy.spec.applyToExisting ?? 'No')
    if (walk?.retention != null)
      expect(compareBucketRetention(wanted.retention, walk.retention)).not.toBe('weaker')
  }

  /** It never falls, and is never more than was asked for. */
  #expectFloor(before: BucketFactsAnswer | null, after: BucketFactsAnswer | null): void {
    const floor = after?.policy?.floor ?? null
    if (before?.policy?.floor != null)
      expect(compareBucketRetention(before.policy.floor, floor ?? none)).not.toBe('weaker')
    if (floor === null) return
    expect(floor.defaultRetention?.mode).toBe('COMPLIANCE')
    expect(compareBucketRetention(alone(floor), alone(this.#asked ?? none))).not.toBe('weaker')
  }

  async #reconcile(history: 'continuous' | 'doubted'): Promise<boolean> {
    const [step] = await this.#steps(history)
    if (step === undefined) return true
    const { defaultRetention } = step.request.policy
    if (defaultRetention.mode === 'COMPLIANCE')
      this.#asked = raiseTo(this.#asked ?? { defaultRetention: null, prefixRules: [] }, defaultRetention)
    const { epoch, name, ...document } = step.request
    const scene = { store: this.#rig, actor, facts: { region: 'r' }, pathName: name, epoch }
    const answer = await ApplyBucket.handle(scene as never, JSON.stringify(document))
    expect([200, 409]).toContain(answer.status)
    return answer.status === 200
  }

  async #steps(history: 'continuous' | 'doubted') {
    const state =
      history === 'continuous'
        ? ({ kind: 'continuous' } as const)
        : ({ kind: 'doubted', reason: 'RollbackDetected', message: '' } as const)
    const server = seen(await this.#facts())
    if (server.kind !== 'seen') throw new Error('it answers')
    return decideLockedBucket({ ...this.#snapshot, server: { ...server, history: state } })
  }

  async #facts(): Promise<BucketFactsAnswer | null> {
    if ((await this.#rig.buckets.read('backups')) === null) return null
    const scene = { store: this.#rig, pathName: 'backups', epoch: this.#epoch }
    const { document } = await GetBucket.handle(scene as never, '')
    return bucketFactsAnswer.parse(JSON.parse(JSON.stringify(document)))
  }
}

const unbounded = { minimum: null, maximum: null }
const none: BucketRetention = { defaultRetention: null, prefixRules: [] }
const alone = ({ defaultRetention }: BucketRetention): BucketRetention => ({
  defaultRetention,
  prefixRules: [],
})

function clusterPolicy({ floor, ceiling }: Extract<Event, { kind: 'cluster' }>) {
  const spec = {
    namespaceSelector: {},
    irreversible: true,
    ...(floor === undefined ? {} : { floor: { mode: floor.mode, ...floor.period } }),
    ...(ceiling === undefined ? {} : { ceiling }),
  }
  const metadata = { namespace: '', name: 'baseline', uid: 'c', generation: 1, resourceVersion: '5' } as const
  return { apiVersion: 'holdfast.dev/v1', kind: 'ClusterRetentionPolicy', metadata, spec } as const
}

test('operator and store: whatever happens, one change at most is asked for, and then the server has what is asked', async () => {
  const [memory] = engines
  if (memory === undefined) throw new Error('there is one')
  const property = fc.asyncProperty(fc.array(anyEvent, { minLength: 1, maxLength: 12 }), async (events) => {
    const rig = await openRig(memory)
    try {
      const { epoch } = await rig.leadership.next(actor, 'operator-0')
      const world = new World(rig, epoch)
      await world.settle()
      for (const event of events) {
        await world.happen(event)
        await world.settle()
      }
    } finally {
      await rig.close()
    }
  })
  await fc.assert(property, { numRuns: 60 })
})
