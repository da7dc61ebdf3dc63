/**
 * The chart on a real API server with its controllers, but no node: what is rendered is accepted, what an upgrade changes may be
 * changed, and what an uninstall leaves is there.
 */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import {
  at,
  chartFolder,
  flagsOf,
  helm,
  type KubeObject,
  type Pod,
  podOf,
  release,
  render,
  renderSet,
  root,
  valueSets,
  valuesFolder,
} from '../support/chart.ts'
import { type ControlPlane, startControlPlane } from '../support/cluster/control-plane.ts'
import { freePort } from '../support/cluster/free-port.ts'
import { until } from '../support/cluster/until.ts'
import type { UserName } from '../support/cluster/users.ts'
import { installForeignKinds } from '../support/foreign-kinds.ts'

const { name, namespace } = release
const waitMs = 90_000
/** Of the operator of some namespaces. */
const watched = ['team-a', 'team-b']
const ledger = [
  {
    apiVersion: 'holdfast.dev/v1',
    kind: 'RetentionPolicy',
    metadata: { name: 'keep' },
    spec: { defaultRetention: { mode: 'GOVERNANCE', days: 1 } },
  },
  {
    apiVersion: 'holdfast.dev/v1',
    kind: 'LockedBucket',
    metadata: { name: 'ledger' },
    spec: { bucketName: 'ledger', retentionPolicyRef: { name: 'keep' } },
  },
]
let cluster: ControlPlane

beforeAll(async () => {
  cluster = await startControlPlane({ controllerManager: 'run' })
  const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' }
  await apply([
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace, labels } },
    ...watched.map((watchedName) => ({
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name: watchedName },
    })),
  ])
  await installForeignKinds(cluster, 'chart')
  await until('the default ServiceAccount', waitMs, () => read('serviceaccounts', 'default'))
})

afterAll(() => cluster.stop())

async function kubectl(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await cluster.kubectl(args)
  expect(code, `kubectl ${args.join(' ')}: ${stderr}`).toBe(0)
  return stdout
}

async function apply(objects: readonly object[], flags: readonly string[] = []): Promise<void> {
  const stdin = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects })
  const args = ['apply', '-n', namespace, '--validate=strict', '-f', '-', ...flags]
  const { code, stderr } = await cluster.kubectl(args, { stdin })
  expect(code, stderr).toBe(0)
}

/** null: there is none. */
async function read(resource: string, object: string): Promise<KubeObject | null> {
  const args = ['get', resource, object, '-n', namespace, '-o', 'json', '--ignore-not-found']
  const { stdout } = await cluster.kubectl(args)
  return stdout === '' ? null : (JSON.parse(stdout) as KubeObject)
}

async function namesOf(resource: string): Promise<string[]> {
  const stdout = await kubectl('get', resource, '-n', namespace, '-o', 'name')
  return stdout.split('\n').flatMap((line) => (line === '' ? [] : [line.replace(/^.*\//, '')]))
}

function helmOn(args: readonly string[], values: object = {}): ReturnType<typeof helm> {
  return helmAs('cluster-admin', [...args, '--namespace', namespace], values)
}

function helmAs(user: UserName, args: readonly string[], values: object = {}): ReturnType<typeof helm> {
  const given = ['install', 'upgrade'].includes(args[0] ?? '') ? ['--values', '-'] : []
  return helm([...args, '--kubeconfig', cluster.kubeconfigPath(user), ...given], JSON.stringify(values))
}

test.each(valueSets)(
  'the API server, with the values %s: every object is accepted with strict validation',
  async (set) => {
    const { objects } = renderSet(set)
    expect(objects.length).toBeGreaterThan(8)
    const isElsewhere = (object: KubeObject) => watched.includes(object.metadata.namespace ?? '')
    await apply(
      objects.filter((object) => !isElsewhere(object)),
      ['--dry-run=server'],
    )
    for (const object of objects.filter(isElsewhere)) {
      await apply([object], ['--dry-run=server', '-n', object.metadata.namespace ?? ''])
    }
  },
)

test('the API server, with the Kustomize overlay: every object is accepted with strict validation', async () => {
  const overlay = join(root, 'examples/kustomize/overlay')
  const stdout = await kubectl('apply', '-k', overlay, '--dry-run=server', '--validate=strict', '-o', 'name')
  expect(stdout).toContain('statefulset.apps/holdfast-server')
})

test('the API server: a field that no kind has is refused, so the check is one', async () => {
  const [service] = render({}).all('Service')
  const stdin = JSON.stringify({ ...service, spec: { ...(service?.['spec'] as object), portz: [] } })
  const args = ['apply', '-n', namespace, '--dry-run=server', '--validate=strict', '-f', '-']
  const { code, stderr } = await cluster.kubectl(args, { stdin })
  expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining('unknown field "spec.portz"') })
})

describe('a release of some namespaces', () => {
  const tenant = 'tenant-holdfast'
  const values = ['--values', join(valuesFolder, 'namespaced.yaml')]
  const mine = ['--namespace', tenant, ...values]

  /** Whether RBAC lets the operator of the tenant do this. */
  async function may(resourceAttributes: object): Promise<unknown> {
    const spec = { user: `system:serviceaccount:${tenant}:${name}-operator`, resourceAttributes }
    const body = { apiVersion: 'authorization.k8s.io/v1', kind: 'SubjectAccessReview', spec }
    const path = '/apis/authorization.k8s.io/v1/subjectaccessreviews'
    return at((await cluster.request({ method: 'POST', path, body })).json(), 'status', 'allowed')
  }

  test('helm install: somebody without any right in the whole cluster may', async () => {
    await kubectl('create', 'namespace', tenant)
    for (const namespaceOf of [tenant, ...watched]) {
      const flags = ['--clusterrole=cluster-admin', '--user=developer', '-n', namespaceOf]
      await kubectl('create', 'rolebinding', 'tenant', ...flags)
    }
    const { code, stderr } = helmAs('developer', ['install', name, chartFolder, ...mine])
    expect(code, stderr).toBe(0)
    for (const namespaceOf of watched) {
      const there = { namespace: namespaceOf, group: 'holdfast.dev', resource: 'lockedbuckets' }
      expect(await may({ ...there, verb: 'watch' })).toBe(true)
      expect(await may({ ...there, verb: 'patch', subresource: 'status' })).toBe(true)
      expect(await may({ namespace: namespaceOf, verb: 'list', resource: 'secrets' })).toBe(false)
    }
    const objects = { verb: 'list', group: 'holdfast.dev', resource: 'lockedbuckets' }
    expect(await may({ ...objects, namespace })).toBe(false)
    expect(await may(objects)).toBe(false)
    const lease = { group: 'coordination.k8s.io', resource: 'leases', name: `${name}-operator` }
    expect(await may({ ...lease, namespace: tenant, verb: 'update' })).toBe(true)
  })

  test('helm install of everything: the same person may not', () => {
    const { code, stderr } = helmAs('developer', ['install', 'other', chartFolder, '--namespace', tenant])
    expect(code).toBe(1)
    expect(stderr).toContain('forbidden')
  })

  test('helm install of a second release of the same namespaces: refused by the Roles there', () => {
    const second = ['install', 'second', chartFolder, '--namespace', namespace, ...values]
    const { code, stderr } = helmAs('cluster-admin', second)
    expect(code).toBe(1)
    expect(stderr).toMatch(/Role "holdfast-objects" in namespace "team-a" .* cannot be imported/)
  })

  test('helm uninstall: the Roles go', async () => {
    const { code, stderr } = helmAs('developer', ['uninstall', name, '--namespace', tenant])
    expect(code, stderr).toBe(0)
    for (const namespaceOf of watched) {
      expect(await kubectl('get', 'roles', '-n', namespaceOf, '-o', 'name')).toBe('')
    }
  })
})

/** In this order: the life of a release. */
describe('a release', () => {
  const kept = ['root', 'operator', 'master', 'ca', 'tls'].map((end) => `${name}-${end}`)

  test('helm install: accepted; the pods are made under the restricted standard', async () => {
    const { code, stdout, stderr } = helmOn(['install', name, chartFolder])
    expect(code, stderr).toBe(0)
    expect(stdout).toContain(`claim data-${name}-server-0`)
    expect(stdout).not.toContain('WARNING')
    await until('the pod of the server', waitMs, () => read('pods', `${name}-server-0`))
    const pods = await until('the pod of the operator', waitMs, async () => {
      const names = await namesOf('pods')
      return names.some((pod) => pod.startsWith(`${name}-operator-`)) ? names : null
    })
    expect(pods).toHaveLength(2)
    const claim = await until('the claim', waitMs, () => read('pvc', `data-${name}-server-0`))
    expect(at(claim, 'spec', 'accessModes')).toEqual(['ReadWriteOncePod'])
  })

  test('the pods, run as processes with their flags, keys and rights: a bucket gets Ready over TLS, and helm test proves it', async () => {
    const chart = render({})
    const folder = mkdtempSync(join(tmpdir(), 'holdfast-chart-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const https = await freePort([])
    const admin = await freePort([https])
    const operator = startPod(podOf(chart.one('Deployment')), {
      environment: { KUBECONFIG: cluster.kubeconfigPath('operator') },
      flags: {
        '--server-s3': `https://localhost:${https}`,
        '--server-admin': `https://localhost:${admin}`,
        '--metrics-listen': '127.0.0.1:0',
      },
    })
    await until('the Secrets', waitMs, async () => {
      expect(operator.exitCode(), operator.log()).toBeNull()
      return read('configmaps', `${name}-ca`)
    })
    expect(await namesOf('secrets')).toEqual(expect.arrayContaining(kept))
    const ca = at(await read('configmaps', `${name}-ca`), 'data', 'ca.crt')
    const caPath = join(folder, 'ca.crt')
    writeFileSync(caPath, String(ca))

    const serverPod = podOf(chart.one('StatefulSet'))
    for (const { secret, key } of mountedSecrets(serverPod)) {
      writeFileSync(join(folder, key), await secretValue(secret, key), { mode: 0o600 })
    }
    const inPod = await keysOf(serverPod)
    const server = startPod(serverPod, {
      environment: inPod,
      flags: {
        '--data': join(folder, 'data'),
        '--master-key-file': join(folder, 'master.key'),
        '--tls-cert': join(folder, 'tls.crt'),
        '--tls-key': join(folder, 'tls.key'),
        '--s3-listen': '127.0.0.1:0',
        '--s3-tls-listen': `127.0.0.1:${https}`,
        '--admin-listen': `127.0.0.1:${admin}`,
        '--metrics-listen': '127.0.0.1:0',
      },
    })
    await apply(ledger)
    await until('the bucket is Ready', waitMs, async () => {
      expect([server.exitCode(), operator.exitCode()], server.log() + operator.log()).toEqual([null, null])
      const conditions = (await read('lockedbuckets', 'ledger'))?.['status'] ?? {}
      return JSON.stringify(conditions).includes('"status":"True","type":"Ready"') ? true : null
    })
    expect(operator.log()).not.toContain('forbidden')

    // kubectl exec: the pod's environment is enough, but for a port and a folder of this machine.
    const own = { HOLDFAST_SERVER_ADMIN: `https://localhost:${admin}`, HOLDFAST_SERVER_CA: caPath }
    const env = { PATH: process.env['PATH'], ...inPod, ...own }
    const command = [join(root, 'bin/holdfast'), 'status']
    const asked = spawnSync(process.execPath, command, { encoding: 'utf8', env })
    expect([asked.status, asked.stderr, asked.stdout.split(' ')[0]]).toEqual([0, '', 'volume'])

    const testPod = podOf(chart.one('Pod', 'self-test'))
    const selfTest = startPod(testPod, {
      environment: await keysOf(testPod),
      flags: { '--server-s3': `https://localhost:${https}`, '--server-ca': caPath },
    })
    expect(await selfTest.ended, selfTest.log()).toBe(0)
    expect(selfTest.log()).toContain('proved: what is held cannot be deleted')
    await Promise.all([operator.stop(), server.stop()])
  })

  test('helm install of a second release: refused by its cluster-scoped names', () => {
    const values = {
      crds: { enabled: false },
      admission: { enabled: false },
      rbac: { aggregate: false, retentionOfficer: false },
    }
    const { code, stderr } = helmOn(['install', 'second', chartFolder], values)
    expect(code).toBe(1)
    expect(stderr).toMatch(/ClusterRole "holdfast-operator".* cannot be imported into the current release/)
  })

  test('helm upgrade: another image, labels and two operators are taken; the selector and the claim stay', async () => {
    const before = await read('statefulset', `${name}-server`)
    const values = { image: { tag: '9.9.9' }, commonLabels: { team: 'other' }, operator: { replicas: 2 } }
    const { code, stderr } = helmOn(['upgrade', name, chartFolder], values)
    expect(code, stderr).toBe(0)
    const after = await read('statefulset', `${name}-server`)
    expect(after?.metadata).toMatchObject({ labels: { team: 'other' }, uid: at(before, 'metadata', 'uid') })
    expect(at(after, 'spec', 'template', 'spec', 'containers', 0, 'image')).toBe('holdfast:9.9.9')
    expect(at(after, 'spec', 'volumeClaimTemplates')).toEqual(at(before, 'spec', 'volumeClaimTemplates'))
    expect(await namesOf('poddisruptionbudgets')).toEqual([`${name}-operator`])
  })

  test('helm uninstall: claim, Secrets, CRDs, their objects and the admission policies stay; the rest goes', async () => {
    const guards = await namesOf('validatingadmissionpolicies')
    expect(guards.length).toBeGreaterThan(5)
    const { code, stderr } = helmOn(['uninstall', name])
    expect(code, stderr).toBe(0)
    expect(await namesOf('secrets')).toEqual(expect.arrayContaining(kept))
    expect(await namesOf('pvc')).toEqual([`data-${name}-server-0`])
    expect(await namesOf('crd')).toEqual(expect.arrayContaining(['lockedbuckets.holdfast.dev']))
    expect(await namesOf('retentionpolicies')).toEqual(['keep'])
    expect(await namesOf('lockedbuckets')).toEqual(['ledger'])
    expect(await namesOf('validatingadmissionpolicies')).toEqual(guards)
    for (const kind of ['statefulsets', 'deployments', 'services', 'networkpolicies', 'roles']) {
      expect(await namesOf(kind), kind).toEqual([])
    }
  })

  test('helm install again under the same name: takes up what stayed', async () => {
    const secret = await read('secrets', `${name}-root`)
    const { code, stderr } = helmOn(['install', name, chartFolder])
    expect(code, stderr).toBe(0)
    expect(await read('secrets', `${name}-root`)).toEqual(secret)
    expect(await namesOf('retentionpolicies')).toEqual(['keep'])
  })

  test('docs/OPERATIONS.md: the commands that remove everything do', async () => {
    const text = readFileSync(join(root, 'docs/OPERATIONS.md'), 'utf8')
    const [, block = ''] = /To remove everything[\s\S]*?```sh\n([\s\S]*?)```/.exec(text) ?? []
    const commands = block.trim().split('\n')
    expect(commands.length).toBeGreaterThan(3)
    for (const command of commands) {
      const [program, ...args] = command.split(' ')
      // The API server obeys a policy for a moment after its binding is gone.
      await until(command, waitMs, async () => {
        const { code } = program === 'helm' ? helmAs('cluster-admin', args) : await cluster.kubectl(args)
        return code === 0 ? true : null
      })
    }
    const ours = ['-l', 'app.kubernetes.io/part-of=holdfast', '-o', 'name']
    const kinds = 'crd,validatingadmissionpolicies,validatingadmissionpolicybindings,clusterroles'
    expect(await kubectl('get', kinds, ...ours)).toBe('')
    expect(await read('namespaces', namespace)).toBeNull()
  })
})

type SecretField = { readonly secret: string; readonly key: string }

function mountedSecrets(pod: Pod): readonly SecretField[] {
  return pod.spec.volumes.flatMap((volume) => {
    const { secret } = volume as {
      readonly secret?: { secretName: string; items: readonly { key: string }[] }
    }
    return secret?.items.map(({ key }) => ({ secret: secret.secretName, key })) ?? []
  })
}

async function secretValue(secret: string, key: string): Promise<string> {
  return Buffer.from(String(at(await read('secrets', secret), 'data', key)), 'base64').toString('utf8')
}

function keyOf(variable: object): Promise<string> {
  const field = at(variable, 'valueFrom', 'secretKeyRef')
  return secretValue(String(at(field, 'name')), String(at(field, 'key')))
}

/** What the kubelet would put into the environment. */
async function keysOf(pod: Pod): Promise<Record<string, string>> {
  const environment: Record<string, string> = {}
  for (const variable of pod.spec.containers[0]?.env ?? []) {
    const { name: variableName, value } = variable
    environment[variableName] = typeof value === 'string' ? value : await keyOf(variable)
  }
  return environment
}

type PodProcess = {
  readonly log: () => string
  readonly exitCode: () => number | null
  readonly ended: Promise<number | null>
  readonly stop: () => Promise<void>
}

/** The container as a process of this machine: `flags` in place of those that name what only a cluster has. */
function startPod(
  pod: Pod,
  { environment, flags }: { environment: Record<string, string>; flags: Readonly<Record<string, string>> },
): PodProcess {
  const given = flagsOf(pod)
  for (const flag of Object.keys(flags)) expect([...given.keys()]).toContain(flag)
  const args = [...given].map(([flag, value]) => `${flag}=${flags[flag] ?? value}`)
  const command = pod.spec.containers[0]?.args[0] ?? ''
  const child = spawn(process.execPath, [join(root, 'bin/holdfast'), command, ...args], {
    env: { PATH: process.env['PATH'], ...environment },
  })
  let log = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => (log += chunk.toString()))
  const ended = once(child, 'close').then(([code]) => code as number | null)
  const stop = async () => {
    if (child.exitCode === null) child.kill('SIGTERM')
    await ended
  }
  onTestFinished(stop)
  return { log: () => log, exitCode: () => child.exitCode, ended, stop }
}
