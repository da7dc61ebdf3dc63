/** What must hold after every fault: the words of the fault tests. */
import { expect } from 'vitest'
import type { Condition } from '../../src/api/status.ts'
import type { Cluster } from './cluster/cluster.ts'
import { until } from './cluster/until.ts'
import type { RunningOperator } from './operator.ts'
import { bucket, OperatorRig, policy } from './operator-rig.ts'
import type { TestServer } from './server.ts'

const waitMs = 200_000

type AnyObject = {
  readonly kind: string
  readonly metadata: { readonly name: string; readonly generation: number }
  readonly status?: {
    readonly observedGeneration?: number
    readonly conditions?: readonly Condition[]
    readonly policy?: { readonly generation: number }
    readonly bucketCount?: number
  }
}

/** One namespace with a COMPLIANCE policy that only gets longer, and some buckets that follow it. */
export class Fleet {
  readonly rig: OperatorRig
  readonly namespace: string
  readonly #bucketNames: string[] = []
  /** The longest period seen of each bucket, in days. */
  readonly #floors = new Map<string, number>()
  #days: number

  private constructor(rig: OperatorRig, namespace: string, days: number) {
    this.rig = rig
    this.namespace = namespace
    this.#days = days
  }

  static async create(cluster: Cluster, server: TestServer, name: string): Promise<Fleet> {
    const fleet = new Fleet(new OperatorRig(cluster, server), await cluster.createNamespace(name), 1)
    await fleet.rig.apply(fleet.namespace, policy('keep', { mode: 'COMPLIANCE', days: 1 }))
    return fleet
  }

  get days(): number {
    return this.#days
  }

  /** Further LockedBuckets; several requests at a time, as several people would. */
  async addBuckets(count: number): Promise<void> {
    const first = this.#bucketNames.length
    const names = Array.from({ length: count }, (_, index) => `${this.namespace}-${first + index}`)
    this.#bucketNames.push(...names)
    const path = `/apis/holdfast.dev/v1/namespaces/${this.namespace}/lockedbuckets`
    for (let from = 0; from < names.length; from += 10) {
      const batch = names.slice(from, from + 10).map(async (name) => {
        const answer = await this.rig.cluster.request({ method: 'POST', path, body: bucket(name, name) })
        expect(answer.status, answer.text).toBe(201)
      })
      await Promise.all(batch)
    }
  }

  /** A day longer. */
  async lengthen(): Promise<void> {
    this.#days += 1
    await this.rig.apply(this.namespace, policy('keep', { mode: 'COMPLIANCE', days: this.#days }))
  }

  async readObjects(): Promise<readonly AnyObject[]> {
    const read = async (plural: string) => {
      const path = `/apis/holdfast.dev/v1/namespaces/${this.namespace}/${plural}`
      const list = (await this.rig.cluster.request({ method: 'GET', path })).json() as { items: AnyObject[] }
      return list.items
    }
    return [...(await read('retentionpolicies')), ...(await read('lockedbuckets'))]
  }

  /** Every object is Ready for its generation, and the server enforces the policy of now in every bucket. */
  async converges(): Promise<void> {
    let behind: readonly string[] = []
    try {
      await until('every object converges', waitMs, async () => {
        const objects = await this.readObjects()
        const generation = objects.find(({ kind }) => kind === 'RetentionPolicy')?.metadata.generation
        behind = objects.filter((object) => !isSettled(object, generation)).map(describeObject)
        return behind.length === 0 ? true : null
      })
    } catch (error) {
      throw new Error(`${behind.length} objects did not converge: ${behind.slice(0, 3).join('; ')}`, {
        cause: error,
      })
    }
    await this.floorsHold()
    expect([...this.#floors.values()]).toEqual(this.#bucketNames.map(() => this.#days))
  }

  /** What the server enforces in no bucket is less than it ever was. */
  async floorsHold(): Promise<void> {
    for (const name of this.#bucketNames) {
      const shown = /^200 COMPLIANCE (\d+)$/.exec(await this.rig.lockConfiguration(name))
      const days = Number(shown?.[1] ?? 0)
      expect(days, `bucket ${name}`).toBeGreaterThanOrEqual(this.#floors.get(name) ?? 0)
      if (days > 0) this.#floors.set(name, days)
    }
  }
}

/** It runs, and nothing in it went wrong that nobody expected. */
export function isSound(operator: RunningOperator): void {
  expect(operator.exitCode(), operator.logs()).toBeNull()
  hasCleanLog(operator)
}

export function hasCleanLog(operator: RunningOperator): void {
  expect(operator.logs()).not.toMatch(/unhandled|TypeError|RangeError|ReferenceError|AssertionError/i)
}

function isSettled({ kind, metadata, status }: AnyObject, policyGeneration: number | undefined): boolean {
  const { generation } = metadata
  const conditions = status?.conditions ?? []
  return (
    status?.observedGeneration === generation &&
    conditions.every((condition) => condition.observedGeneration === generation) &&
    conditions.some(({ type, status: value }) => type === 'Ready' && value === 'True') &&
    (kind === 'RetentionPolicy' || status.policy?.generation === policyGeneration)
  )
}

function describeObject({ kind, metadata, status }: AnyObject): string {
  return `${kind} ${metadata.name} ${JSON.stringify(status)}`
}
