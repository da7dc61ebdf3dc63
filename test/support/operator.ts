/**
 * Runs `holdfast operator` as a process, as a Pod would, against a real API server and a real lock server.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { makeAdmission } from '../../src/operator/admission/policies.ts'
import type { Cluster } from './cluster/cluster.ts'
import { until } from './cluster/until.ts'
import { clockFileVariable } from './file-clock.ts'
import type { TestServer } from './server.ts'

const program = join(import.meta.dirname, '../../bin/holdfast')
const shiftedClock = fileURLToPath(new URL('./shifted-clock.ts', import.meta.url))
const waitMs = 60_000

export type RunningOperator = {
  readonly pid: number
  /** Resolves when it was elected and its controllers work. */
  readonly leads: () => Promise<void>
  /** The status and the text of /readyz; null: no answer. */
  readonly readyz: () => Promise<string | null>
  /**
   * The value of one sample of /metrics, e.g.
   * `controller_runtime_reconcile_total{controller="lockedbucket",result="success"}`.
   */
  readonly metric: (sample: string) => Promise<number>
  /** /metrics as a whole. */
  readonly metrics: () => Promise<string>
  readonly exitCode: () => number | null
  readonly exited: Promise<number | null>
  readonly end: (signal: 'SIGTERM' | 'SIGKILL') => Promise<number | null>
  /** SIGSTOP, and SIGCONT. */
  readonly freeze: () => void
  readonly thaw: () => void
  readonly logs: () => string
}

export type OperatorOptions = {
  readonly cluster: Cluster
  readonly server: TestServer
  readonly verifyInterval: string
  readonly holder?: string
  /** Instead of the operator's own, e.g. one that leads through a proxy. */
  readonly kubeconfig?: string
  /** Its wall clock is that of the server, which a test moves. */
  readonly clock?: 'server'
  /** `none`: it gets no key by environment. */
  readonly keys?: 'none'
  /** Further flags. */
  readonly flags?: readonly string[]
}

/** A Lease that runs out while a test waits. */
export const shortLease: readonly string[] = [
  ...['--leader-elect-lease-duration', '5s'],
  ...['--leader-elect-renew-deadline', '4s'],
  ...['--leader-elect-retry-period', '500ms'],
]

/**
 * Installs the CRDs and the operator's rights: those that users are given, nothing more, under the admission policy that
 * keeps its account to its work. The policies that bind others too are for the suites that are about them.
 */
export async function prepareCluster(cluster: Cluster): Promise<void> {
  const root = join(import.meta.dirname, '../..')
  const operators = [{ namespace: 'holdfast-system', serviceAccount: 'holdfast-operator', namespaces: null }]
  const items = makeAdmission(operators).filter(({ metadata }) =>
    metadata.name.startsWith('operator-account.'),
  )
  const stdin = JSON.stringify({ apiVersion: 'v1', kind: 'List', items })
  const kept = await cluster.kubectl(['apply', '-f', '-'], { stdin })
  if (kept.code !== 0) throw new Error(kept.stderr)
  const steps: readonly (readonly string[])[] = [
    ['apply', '-f', join(root, 'crds'), '-f', join(root, 'examples/kubernetes/operator-rbac.yaml')],
    [
      'wait',
      '--for=condition=Established',
      'crd/retentionpolicies.holdfast.dev',
      'crd/lockedbuckets.holdfast.dev',
      'crd/bucketaccesses.holdfast.dev',
      'crd/clusterretentionpolicies.holdfast.dev',
      '--timeout=60s',
    ],
  ]
  for (const args of steps) {
    const { code, stderr } = await cluster.kubectl(args)
    if (code !== 0) throw new Error(`kubectl ${args.join(' ')}: ${stderr}`)
  }
}

/** The operator's rights name one Lease: this adds another. */
export async function allowLease(cluster: Cluster, name: string): Promise<void> {
  const namespace = 'holdfast-system'
  const metadata = { name: `lease-${name}`, namespace }
  const rules = [
    {
      apiGroups: ['coordination.k8s.io'],
      resources: ['leases'],
      resourceNames: [name],
      verbs: ['get', 'update'],
    },
  ]
  const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: metadata.name }
  const subjects = [{ kind: 'ServiceAccount', name: 'holdfast-operator', namespace }]
  const rbac = 'rbac.authorization.k8s.io/v1'
  const items = [
    { apiVersion: rbac, kind: 'Role', metadata, rules },
    { apiVersion: rbac, kind: 'RoleBinding', metadata, roleRef, subjects },
  ]
  const stdin = JSON.stringify({ apiVersion: 'v1', kind: 'List', items })
  const { code, stderr } = await cluster.kubectl(['apply', '-f', '-'], { stdin })
  if (code !== 0) throw new Error(stderr)
}

export function startOperator({
  cluster,
  server,
  verifyInterval,
  holder = 'test',
  kubeconfig = cluster.kubeconfigPath('operator'),
  clock,
  keys,
  flags = [],
}: OperatorOptions): RunningOperator {
  const args = [
    ...(clock === undefined ? [] : ['--import', shiftedClock]),
    program,
    'operator',
    ...['--kubeconfig', kubeconfig],
    ...['--server-s3', server.endpoint],
    ...['--server-admin', server.adminEndpoint],
    ...['--verify-interval', verifyInterval],
    ...['--metrics-listen', '127.0.0.1:0'],
    ...['--holder', holder],
    ...flags,
  ]
  const child = spawn(process.execPath, args, {
    env: {
      ...process.env,
      HOLDFAST_OPERATOR_ACCESS_KEY_ID: keys === 'none' ? undefined : server.operator.accessKeyId,
      HOLDFAST_OPERATOR_SECRET_ACCESS_KEY: keys === 'none' ? undefined : server.operator.secretAccessKey,
      [clockFileVariable]: server.clockFile,
      NODE_OPTIONS: undefined,
    },
  })
  // A test that fails must not leave it behind.
  process.once('exit', () => child.kill('SIGKILL'))
  let logs = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      logs += text
    })
  }
  const exited = once(child, 'exit').then(() => child.exitCode)
  const get = async (path: string) => {
    const port = /"port":(\d+)/.exec(logs)?.[1]
    return port === undefined ? null : await fetch(`http://127.0.0.1:${port}${path}`).catch(() => null)
  }
  const readyz = async () => {
    const answer = await get('/readyz')
    return answer === null ? null : `${answer.status} ${(await answer.text()).trim()}`
  }
  const metrics = async () => (await (await get('/metrics'))?.text()) ?? ''
  return {
    pid: child.pid ?? 0,
    leads: async () => {
      await until('the operator leads', waitMs, async () => {
        if (child.exitCode !== null) throw new Error(`the operator ended with ${child.exitCode}:\n${logs}`)
        return (await readyz())?.startsWith('200 leading') ? true : null
      })
    },
    readyz,
    metric: async (sample) => {
      const text = await metrics()
      const line = text.split('\n').find((each) => each.startsWith(`${sample} `))
      if (line === undefined) throw new Error(`there is no metric ${sample} in:\n${text}`)
      return Number(line.slice(sample.length))
    },
    metrics,
    exitCode: () => child.exitCode,
    exited,
    end: (signal) => end(child, { signal, exited }),
    freeze: () => child.kill('SIGSTOP'),
    thaw: () => child.kill('SIGCONT'),
    logs: () => logs,
  }
}

async function end(
  child: ChildProcess,
  { signal, exited }: { signal: 'SIGTERM' | 'SIGKILL'; exited: Promise<number | null> },
): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) child.kill(signal)
  return exited
}
