/** One cluster and one lock server, with the words of the operator's tests. */
import { createHash } from 'node:crypto'
import { expect } from 'vitest'
import type { LockedBucket } from '../../src/api/LockedBucket.ts'
import type { Cluster } from './cluster/cluster.ts'
import { until } from './cluster/until.ts'
import type { RunningOperator } from './operator.ts'
import type { TestServer } from './server.ts'

export const waitMs = 60_000
const verified = 'controller_runtime_reconcile_total{controller="lockedbucket",result="success"}'

export type Policy = { readonly mode: 'GOVERNANCE' | 'COMPLIANCE'; readonly days: number }

export class OperatorRig {
  readonly cluster: Cluster
  readonly server: TestServer

  constructor(cluster: Cluster, server: TestServer) {
    this.cluster = cluster
    this.server = server
  }

  async apply(namespace: string, ...objects: readonly object[]): Promise<void> {
    const stdin = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects })
    const { code, stderr } = await this.cluster.kubectl(['apply', '-n', namespace, '-f', '-'], { stdin })
    expect(code, stderr).toBe(0)
  }

  async read(namespace: string, name: string): Promise<LockedBucket> {
    const path = `/apis/holdfast.dev/v1/namespaces/${namespace}/lockedbuckets/${name}`
    return (await this.cluster.request({ method: 'GET', path })).json() as LockedBucket
  }

  async condition(namespace: string, name: string, type: string): Promise<string> {
    const { status } = await this.read(namespace, name)
    const found = status?.conditions?.find((condition) => condition.type === type)
    return found === undefined ? 'absent' : `${found.status} ${found.reason}`
  }

  async becomes(
    namespace: string,
    name: string,
    conditions: Readonly<Record<string, string>>,
  ): Promise<void> {
    const what = `${namespace}/${name} becomes ${JSON.stringify(conditions)}`
    let last = ''
    try {
      await until(what, waitMs, async () => {
        const { status } = await this.read(namespace, name)
        const shown = new Map(
          (status?.conditions ?? []).map((each) => [each.type, `${each.status} ${each.reason}`]),
        )
        last = JSON.stringify(status)
        return Object.entries(conditions).every(([type, wanted]) => (shown.get(type) ?? 'absent') === wanted)
          ? true
          : null
      })
    } catch (error) {
      throw new Error(`${what} in vain; it is ${last}`, { cause: error })
    }
  }

  async eventReasons(namespace: string, name: string): Promise<readonly string[]> {
    const path = `/api/v1/namespaces/${namespace}/events?fieldSelector=involvedObject.name=${name}`
    const { items } = (await this.cluster.request({ method: 'GET', path })).json() as {
      items: { reason: string }[]
    }
    return items.map(({ reason }) => reason)
  }

  async has(namespace: string, name: string, reason: string): Promise<void> {
    await until(`event ${reason} of ${namespace}/${name}`, waitMs, async () =>
      (await this.eventReasons(namespace, name)).includes(reason) ? true : null,
    )
  }

  async lockConfiguration(bucket: string): Promise<string> {
    const response = await this.server.client.send({
      method: 'GET',
      path: `/${bucket}`,
      query: { 'object-lock': '' },
    })
    const [mode, days] = [/<Mode>(\w+)<\/Mode>/, /<Days>(\d+)<\/Days>/].map(
      (each) => each.exec(response.text)?.[1],
    )
    return `${response.status} ${mode} ${days}`
  }

  async putLockConfiguration(bucket: string, { mode, days }: Policy): Promise<number> {
    const rule = `<Rule><DefaultRetention><Mode>${mode}</Mode><Days>${days}</Days></DefaultRetention></Rule>`
    const body =
      '<ObjectLockConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">' +
      `<ObjectLockEnabled>Enabled</ObjectLockEnabled>${rule}</ObjectLockConfiguration>`
    const query = { 'object-lock': '' }
    const headers = contentMd5(body)
    const sent = await this.server.client.send({ method: 'PUT', path: `/${bucket}`, query, headers, body })
    return sent.status
  }
}

export function contentMd5(body: string): Record<string, string> {
  return { 'content-md5': createHash('md5').update(body).digest('base64') }
}

export function policy(name: string, retention: Policy): object {
  return {
    apiVersion: 'holdfast.dev/v1',
    kind: 'RetentionPolicy',
    metadata: { name },
    spec: { defaultRetention: retention },
  }
}

export function bucket(name: string, bucketName: string, more: object = {}): object {
  const spec = { bucketName, retentionPolicyRef: { name: 'keep' }, ...more }
  return { apiVersion: 'holdfast.dev/v1', kind: 'LockedBucket', metadata: { name }, spec }
}

/** Waits until the operator has finished so many more reconciles of buckets. */
export async function afterVerifies(operator: RunningOperator, count: number): Promise<void> {
  const before = await operator.metric(verified)
  await until(`${count} more reconciles`, waitMs, async () =>
    (await operator.metric(verified)) >= before + count ? true : null,
  )
}
