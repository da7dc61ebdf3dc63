/** The release on a real node, as somebody with kubectl, helm and an S3 client sees it. */
import { mkdirSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { expect } from 'vitest'
import { at, helm, type KubeObject, release } from '../chart.ts'
import { until } from '../cluster/until.ts'
import type { S3ClientOptions } from '../s3-client.ts'
import { nodeName, type RealNode } from './real-node.ts'

const { name, namespace } = release
/** Generous: the machine may be busy, and nothing here is judged by its time. */
export const patienceMs = 180_000
export const claim = `data-${name}-server-0`
export const volume = 'holdfast-data'
export const storageClass = 'node'

export type ReleaseRig = {
  readonly kubectl: (...args: readonly string[]) => Promise<string>
  /** What kubectl says of what it is refused. Throws if it is done. */
  readonly refusal: (...args: readonly string[]) => Promise<string>
  readonly apply: (...objects: readonly object[]) => Promise<void>
  /** null: there is none. */
  readonly read: (resource: string, object: string, inNamespace?: string) => Promise<KubeObject | null>
  readonly helm: (args: readonly string[], values?: object) => string
  /** The folder of the volume; only while no pod has it may it be moved. */
  readonly data: string
  /** The server's pod when it is Ready and none of `notUid`. */
  readonly serverPod: (notUid?: string) => Promise<KubeObject>
  /** How often the container of a pod was started again. */
  readonly restartsOf: (pod: KubeObject | null) => number
  readonly noServerPod: () => Promise<void>
  /** Of every LockedBucket: the status of Ready and its reason. */
  readonly readiness: () => Promise<Readonly<Record<string, string>>>
  readonly becomes: (readiness: Readonly<Record<string, string>>) => Promise<void>
  /** S3 over TLS at the node's own port, from outside of the cluster. */
  readonly connection: () => Promise<S3ClientOptions>
}

export async function startReleaseRig(node: RealNode): Promise<ReleaseRig> {
  const cluster = node.controlPlane
  const data = join(node.directory, 'volumes/data')
  mkdirSync(data)
  const kubectl = async (...args: readonly string[]) => {
    const { code, stdout, stderr } = await cluster.kubectl(args)
    expect(code, `kubectl ${args.join(' ')}: ${stderr}`).toBe(0)
    return stdout
  }
  const refusal = async (...args: readonly string[]) => {
    const { code, stderr } = await cluster.kubectl(args)
    expect(code, `kubectl ${args.join(' ')} was done`).toBe(1)
    return stderr
  }
  const apply = async (...objects: readonly object[]) => {
    const stdin = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects })
    const { code, stderr } = await cluster.kubectl(['apply', '--validate=strict', '-f', '-'], { stdin })
    expect(code, stderr).toBe(0)
  }
  const read = async (resource: string, object: string, inNamespace: string = namespace) => {
    const args = ['get', resource, object, '-n', inNamespace, '-o', 'json', '--ignore-not-found']
    const { stdout } = await cluster.kubectl(args)
    return stdout === '' ? null : (JSON.parse(stdout) as KubeObject)
  }
  const wait = <T>(what: string, probe: () => Promise<T | null>) =>
    until(what, patienceMs, () => {
      node.assertRunning()
      return probe()
    })
  const serverPod = (notUid = '') =>
    wait('the pod of the server is Ready', async () => {
      const pod = await read('pod', `${name}-server-0`)
      const isOther = pod !== null && at(pod, 'metadata', 'uid') !== notUid
      return isOther && conditionOf(pod, 'Ready').startsWith('True') ? pod : null
    })
  const noServerPod = async () => {
    await wait('the pod of the server is gone', async () =>
      (await read('pod', `${name}-server-0`)) === null ? true : null,
    )
  }
  const readiness = async () => {
    const list = JSON.parse(await kubectl('get', 'lockedbuckets', '-A', '-o', 'json')) as {
      items: KubeObject[]
    }
    return Object.fromEntries(
      list.items.map((bucket) => [bucket.metadata.name, conditionOf(bucket, 'Ready')]),
    )
  }
  const becomes = async (wanted: Readonly<Record<string, string>>) => {
    let seen: Readonly<Record<string, string>> = {}
    const isReached = async () => {
      seen = await readiness()
      return Object.entries(wanted).every(([bucket, ready]) => seen[bucket] === ready) ? true : null
    }
    await wait(`readiness ${JSON.stringify(wanted)}`, isReached).catch((cause: unknown) => {
      throw new Error(`readiness is ${JSON.stringify(seen)}, not ${JSON.stringify(wanted)}`, { cause })
    })
  }
  await apply(...clusterObjects(data))
  return {
    kubectl,
    refusal,
    apply,
    read,
    helm(args, values) {
      const flags = ['--kubeconfig', cluster.kubeconfigPath('cluster-admin'), '--namespace', namespace]
      const given = values === undefined ? [] : ['--values', '-']
      const { code, stdout, stderr } = helm([...args, ...flags, ...given], JSON.stringify(values ?? {}))
      expect(code, `helm ${args.join(' ')}: ${stderr}`).toBe(0)
      return stdout
    },
    data,
    serverPod,
    noServerPod,
    restartsOf: (pod) => Number(at(pod, 'status', 'containerStatuses', 0, 'restartCount')),
    readiness,
    becomes,
    async connection() {
      const service = await read('service', `${name}-s3`)
      const ports = at(service, 'spec', 'ports') as readonly { name: string; nodePort: number }[]
      const port = ports.find((each) => each.name === 's3-tls')?.nodePort
      const root = await read('secret', `${name}-root`)
      const field = (key: string) => Buffer.from(String(at(root, 'data', key)), 'base64').toString('utf8')
      const endpoint = `https://${node.address}:${port}`
      const ca = String(at(await read('configmap', `${name}-ca`), 'data', 'ca.crt'))
      await wait('the port of the node answers', () => answers(node.address, Number(port)))
      return {
        endpoint,
        ca,
        credentials: {
          accessKeyId: field('AWS_ACCESS_KEY_ID'),
          secretAccessKey: field('AWS_SECRET_ACCESS_KEY'),
        },
      }
    },
  }
}

/** What is there before the release: its namespace under the restricted standard, and a volume of this node. */
function clusterObjects(path: string): readonly object[] {
  const node = { key: 'kubernetes.io/hostname', operator: 'In', values: [nodeName] }
  return [
    {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name: namespace, labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } },
    },
    {
      apiVersion: 'storage.k8s.io/v1',
      kind: 'StorageClass',
      metadata: { name: storageClass },
      provisioner: 'kubernetes.io/no-provisioner',
      volumeBindingMode: 'WaitForFirstConsumer',
    },
    {
      apiVersion: 'v1',
      kind: 'PersistentVolume',
      metadata: { name: volume },
      spec: {
        capacity: { storage: '1Gi' },
        accessModes: ['ReadWriteOncePod'],
        persistentVolumeReclaimPolicy: 'Retain',
        storageClassName: storageClass,
        local: { path },
        nodeAffinity: { required: { nodeSelectorTerms: [{ matchExpressions: [node] }] } },
      },
    },
  ]
}

/** `True`, or `False` with its reason; `None` without the condition. */
function conditionOf(object: KubeObject, type: string): string {
  const status = object['status'] as { conditions?: readonly Condition[] } | undefined
  const condition = status?.conditions?.find((each) => each.type === type)
  if (condition === undefined) return 'None'
  return condition.status === 'True' ? 'True' : `${condition.status} ${condition.reason ?? ''}`
}

type Condition = { readonly type: string; readonly status: string; readonly reason?: string }

/** Whether somebody accepts a connection there. */
function answers(host: string, port: number): Promise<true | null> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: 2_000 })
    const end = (result: true | null) => {
      socket.destroy()
      resolve(result)
    }
    socket.once('connect', () => end(true))
    socket.once('error', () => end(null))
    socket.once('timeout', () => end(null))
  })
}
