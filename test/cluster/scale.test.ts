import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { limits } from '../../src/lib/limits.ts'
import { access } from '../support/access-rig.ts'
import { sendAdmin } from '../support/admin.ts'
import { bindRole } from '../support/cluster/attempts.ts'
import { type ControlPlane, startControlPlane } from '../support/cluster/control-plane.ts'
import { type FaultProxy, type SeenRequest, startFaultProxy } from '../support/cluster/fault-proxy.ts'
import { until } from '../support/cluster/until.ts'
import { isSound } from '../support/fault-rig.ts'
import { prepareCluster, type RunningOperator, startOperator } from '../support/operator.ts'
import { bucket, OperatorRig, policy } from '../support/operator-rig.ts'
import { startTestServer, type TestServer } from '../support/server.ts'

/** HOLDFAST_LONG=1: the numbers of a large installation. */
const isLong = process.env['HOLDFAST_LONG'] === '1'
const policyCount = isLong ? 1000 : 100
const bucketCount = isLong ? 5000 : 500
/** Buckets that one policy has: what its change touches. */
const sharedBucketCount = bucketCount / 5
const accessCount = bucketCount / 10
const patienceMs = isLong ? 1_800_000 : 240_000
/** 160 MiB of it are there before the first object. */
const memoryBytesMax = (isLong ? 700 : 400) * 1024 ** 2

type Listed = {
  readonly metadata: { readonly name: string; readonly generation: number }
  readonly spec: { readonly retentionPolicyRef?: { readonly name: string } }
  readonly status?: {
    readonly observedGeneration?: number
    readonly bucketCount?: number
    readonly objectLock?: { readonly days?: number }
    readonly role?: string
    readonly conditions?: readonly { readonly type: string; readonly status: string }[]
  }
}

describe.runIf(inject('cluster') !== null)('many policies and many more buckets', () => {
  let controlPlane: ControlPlane
  let server: TestServer
  let proxy: FaultProxy
  let operator: RunningOperator
  let rig: OperatorRig

  beforeAll(async () => {
    controlPlane = await startControlPlane()
    server = await startTestServer({ masterKey: Buffer.alloc(32, 3).toString('base64') })
    rig = new OperatorRig(controlPlane, server)
    await prepareCluster(controlPlane)
    await bindRole(controlPlane, {
      ...{ user: 'operator', role: 'holdfast-operator-secrets', namespace: 'default' },
    })
    proxy = await startFaultProxy(controlPlane)
  })

  afterAll(async () => {
    const code = await operator?.end('SIGTERM')
    await proxy?.close()
    await server?.stop()
    await controlPlane?.stop()
    expect(code).toBe(0)
  })

  const path = (plural: string) => `/apis/holdfast.dev/v1/namespaces/default/${plural}`

  async function list(plural: string): Promise<readonly Listed[]> {
    const { items } = (await controlPlane.request({ method: 'GET', path: path(plural) })).json() as {
      items: Listed[]
    }
    return items
  }

  async function createAll(plural: string, objects: readonly object[]): Promise<void> {
    for (let from = 0; from < objects.length; from += 20) {
      const batch = objects.slice(from, from + 20).map(async (body) => {
        const answer = await controlPlane.request({ method: 'POST', path: path(plural), body })
        expect(answer.status, answer.text).toBe(201)
      })
      await Promise.all(batch)
    }
  }

  async function allSettled(plural: string, isSettled: (object: Listed) => boolean): Promise<void> {
    await until(`all ${plural} are settled`, patienceMs, async () => {
      const objects = await list(plural)
      return objects.every((object) => isReady(object) && isSettled(object)) ? true : null
    })
  }

  test('operator: it starts over many objects, every one is Ready with few requests and bounded memory', {
    timeout: patienceMs + 60_000,
  }, async () => {
    await createAll(
      'retentionpolicies',
      Array.from({ length: policyCount }, (_, index) =>
        policy(`policy-${index}`, { mode: 'COMPLIANCE', days: 2 }),
      ),
    )
    await createAll(
      'lockedbuckets',
      Array.from({ length: bucketCount }, (_, index) => {
        const name = index < sharedBucketCount ? 'policy-0' : `policy-${index % policyCount}`
        return bucket(`bucket-${index}`, `scale-bucket-${index}`, { retentionPolicyRef: { name } })
      }),
    )
    const startMs = performance.now()
    const kubeconfig = proxy.kubeconfig('operator')
    operator = startOperator({ cluster: controlPlane, server, verifyInterval: '1h', kubeconfig })
    await allSettled('lockedbuckets', ({ status }) => status?.objectLock?.days === 2)
    await allSettled('retentionpolicies', ({ status }) => (status?.bucketCount ?? 0) > 0)
    report('to all Ready', startMs, operator)
    const objectCount = policyCount + bucketCount
    const { writes, reads } = counted(proxy.requests)
    // A status of each bucket and its BucketCreated; a status of each policy, and one more when its buckets came.
    expect(writes).toBeLessThanOrEqual(2 * objectCount + 20)
    // Lists by 500, the uid of kube-system; nothing is read object by object.
    expect(reads).toBeLessThanOrEqual(2 * Math.ceil(bucketCount / 500) + 10)
    expect(residentBytes(operator.pid)).toBeLessThan(memoryBytesMax)
    isSound(operator)
  })

  test('operator: one policy of many buckets gets longer, all of them follow with two writes each', {
    timeout: patienceMs + 60_000,
  }, async () => {
    const from = proxy.requests.length
    const startMs = performance.now()
    await rig.apply('default', policy('policy-0', { mode: 'COMPLIANCE', days: 3 }))
    const isTouched = ({ spec }: Listed) => spec.retentionPolicyRef?.name === 'policy-0'
    await allSettled(
      'lockedbuckets',
      (object) => object.status?.objectLock?.days === (isTouched(object) ? 3 : 2),
    )
    report('until a policy reached its buckets', startMs, operator)
    const touched = (await list('lockedbuckets')).filter(isTouched).length
    expect(touched).toBeGreaterThanOrEqual(sharedBucketCount)
    const { writes, reads } = counted(proxy.requests.slice(from))
    // A status and RetentionApplied of each, a status of the policy.
    expect(writes).toBeLessThanOrEqual(2 * touched + 5)
    expect(reads).toBe(0)
    expect(await rig.lockConfiguration('scale-bucket-0')).toBe('200 COMPLIANCE 3')
    expect(residentBytes(operator.pid)).toBeLessThan(memoryBytesMax)
    isSound(operator)
  })

  test('operator: many BucketAccesses are granted with five requests each, and all get another role with two', {
    timeout: patienceMs + 60_000,
  }, async () => {
    const from = proxy.requests.length
    const startMs = performance.now()
    const accesses = Array.from({ length: accessCount }, (_, index) =>
      access(`access-${index}`, [`bucket-${index}`]),
    )
    await createAll('bucketaccesses', accesses)
    await allSettled('bucketaccesses', ({ status }) => status?.role === 'ReadWrite')
    report(`until ${accessCount} BucketAccesses were granted`, startMs, operator)
    const granted = counted(proxy.requests.slice(from))
    // A Secret, first as a dry run, a status and CredentialsCreated of each; each looks for its Secret once.
    expect(granted.writes).toBeLessThanOrEqual(4 * accessCount + 5)
    expect(granted.reads).toBeLessThanOrEqual(accessCount + 5)
    const keys = await sendAdmin(server, { method: 'GET', path: '/v1/access-keys' })
    expect(keys.document['accessKeys']).toHaveLength(Math.min(accessCount, limits.accessKeysPageMax))

    const changedFrom = proxy.requests.length
    const changedMs = performance.now()
    const readers = Array.from({ length: accessCount }, (_, index) =>
      access(`access-${index}`, [`bucket-${index}`], { role: 'ReadOnly' }),
    )
    await rig.apply('default', ...readers)
    await allSettled('bucketaccesses', ({ status }) => status?.role === 'ReadOnly')
    report('until all of them had another role', changedMs, operator)
    const changed = counted(proxy.requests.slice(changedFrom))
    // A status of each; each reads its Secret, which stays as it is.
    expect(changed.writes).toBeLessThanOrEqual(accessCount + 5)
    expect(changed.reads).toBeLessThanOrEqual(accessCount + 5)
    expect(residentBytes(operator.pid)).toBeLessThan(memoryBytesMax)
    isSound(operator)
  })
})

function isReady({ metadata, status }: Listed): boolean {
  return (
    status?.observedGeneration === metadata.generation &&
    status.conditions?.some(({ type, status: value }) => type === 'Ready' && value === 'True') === true
  )
}

/** Without the Lease, without watches and the look at the newest version before one is opened again. */
function counted(requests: readonly SeenRequest[]): { readonly writes: number; readonly reads: number } {
  const about = requests.filter(
    ({ path, isWatch }) => !isWatch && !path.includes('/leases') && !/[?&]limit=1$/.test(path),
  )
  const reads = about.filter(({ method }) => method === 'GET').length
  return { writes: about.length - reads, reads }
}

/** For people who compare runs. */
function report(what: string, startMs: number, operator: RunningOperator): void {
  const seconds = ((performance.now() - startMs) / 1000).toFixed(1)
  const mebibytes = Math.round(residentBytes(operator.pid) / 1024 ** 2)
  process.stdout.write(
    `scale: ${policyCount} policies, ${bucketCount} buckets: ${seconds} s ${what}, ${mebibytes} MiB\n`,
  )
}

function residentBytes(pid: number): number {
  const kibibytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  return Number(kibibytes) * 1024
}
