import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Binaries, CLUSTER_TIER_NOT_RUN, type Command, findBinaries } from './binaries.ts'
import { type Cluster, connectCluster } from './cluster.ts'
import { freePort } from './free-port.ts'
import { type ManagedProcess, type ProcessSpec, startProcess } from './managed-process.ts'
import { createPki, type Pki } from './pki.ts'
import { until } from './until.ts'
import { generateTokens, kubeconfigPath, writeKubeconfigs, writeTokenFile } from './users.ts'

/** A start takes 3 s on an idle machine; the bound is for one whose cores are all busy. */
const READY_TIMEOUT_MS = 90_000
const PROBE_TIMEOUT_MS = 5_000
const SERVICE_CLUSTER_IP_RANGE = '10.96.0.0/16'
const LOOPBACK = '127.0.0.1'
const ISSUER = 'https://kubernetes.default.svc'
const DEFAULT_NAMESPACE = '/api/v1/namespaces/default'

export type ControlPlaneOptions = {
  /** With it namespaces go away when deleted, owned objects are collected, StatefulSets make Pods. */
  readonly controllerManager?: 'run' | 'omit'
  /** Further flags of kube-apiserver, for example an audit policy. */
  readonly apiServerFlags?: readonly string[]
  /** A node joins: the API server listens on this address of the machine, which the node reaches; a scheduler runs. */
  readonly nodeGateway?: string
}

/** A control plane of one's own: only its owner may stop parts of it. */
export type ControlPlane = Cluster & {
  /** kill -9; returns when the process has ended. etcd goes on. */
  killApiServer(): Promise<void>
  /** Starts it again on the same port and the same etcd; returns when it is ready. */
  startApiServer(): Promise<void>
  /** Copies etcd's data as they are now: a backup. Both processes are killed and started again. */
  saveEtcd(): Promise<void>
  /** Puts the last copy back, as a restored backup would: all that was written since is gone. */
  restoreEtcd(): Promise<void>
  /** Throws, with the end of its log, if a process has ended that nobody killed. */
  assertRunning(): void
  /** Ends every process and removes the directory. */
  stop(): Promise<void>
}

type Layout = {
  readonly binaries: Binaries
  readonly directory: string
  readonly pki: Pki
  readonly tokenFilePath: string
  readonly etcdPort: number
  readonly etcdPeerPort: number
  readonly apiServerPort: number
  readonly address: string
  readonly options: ControlPlaneOptions
}

/**
 * Starts etcd and kube-apiserver (RBAC on, token users of users.ts) on free loopback ports in a temporary directory,
 * and returns when the API answers. Throws if a program is missing, if a process ends, or after READY_TIMEOUT_MS;
 * then nothing is left running. The processes end with this one, whatever ends it.
 */
export async function startControlPlane(options: ControlPlaneOptions = {}): Promise<ControlPlane> {
  const binaries = findBinaries()
  if (binaries.kind === 'missing') throw new Error(`${CLUSTER_TIER_NOT_RUN}\n${binaries.advice}`)
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-cluster-'))
  // At an exit the processes are killed first, but may end a little later: what they still write is removed as well.
  const removeDirectory = () => rmSync(directory, { recursive: true, force: true, maxRetries: 10 })
  process.once('exit', removeDirectory)
  const running = new Map<string, ManagedProcess>()
  const stop = async () => {
    await Promise.all([...running.values()].map((managed) => managed.kill()))
    running.clear()
    process.off('exit', removeDirectory)
    removeDirectory()
  }
  try {
    return await startProcesses({ binaries, directory, options, running, stop })
  } catch (error) {
    await stop()
    throw error
  }
}

type Start = {
  readonly binaries: Binaries
  readonly directory: string
  readonly options: ControlPlaneOptions
  readonly running: Map<string, ManagedProcess>
  readonly stop: () => Promise<void>
}

async function startProcesses(start: Start): Promise<ControlPlane> {
  const { binaries, directory, options, running, stop } = start
  const tokens = generateTokens()
  const layout = await prepare(binaries, directory, options, writeTokenFile(directory, tokens))
  const endpoint = `https://${layout.address}:${layout.apiServerPort}`
  const { caPath } = layout.pki
  writeKubeconfigs(directory, { endpoint, caPath }, tokens)
  const cluster = connectCluster({ endpoint, caPath, directory, kubectl: binaries.kubectl, tokens })

  const launch = async (spec: ProcessSpec): Promise<ManagedProcess> => {
    if (running.has(spec.name)) throw new Error(`${spec.name} runs already: kill it first`)
    const managed = await startProcess(spec)
    running.set(spec.name, managed)
    return managed
  }
  const assertRunning = () => {
    for (const managed of running.values()) managed.assertRunning()
  }
  const becomes = (what: string, path: string) =>
    until(what, READY_TIMEOUT_MS, async () => {
      assertRunning()
      return (await answers(cluster, path)) ? true : null
    })
  const startApiServer = async () => {
    await launch(apiServerSpec(layout))
    await becomes(`kube-apiserver at ${endpoint} is ready`, '/readyz')
    await becomes('kube-apiserver has made its first namespace', DEFAULT_NAMESPACE)
  }
  const killApiServer = async () => {
    const apiServer = running.get('kube-apiserver')
    if (apiServer === undefined) throw new Error('kube-apiserver does not run: it was killed before')
    await apiServer.kill()
    running.delete('kube-apiserver')
  }

  const killEtcd = async () => {
    await killApiServer()
    await running.get('etcd')?.kill()
    running.delete('etcd')
  }
  const startEtcd = async () => {
    await launch(etcdSpec(layout))
    await startApiServer()
  }
  const [data, copy] = [join(directory, 'etcd'), join(directory, 'etcd-copy')]
  const saveEtcd = async () => {
    await killEtcd()
    rmSync(copy, { recursive: true, force: true })
    cpSync(data, copy, { recursive: true })
    await startEtcd()
  }
  const restoreEtcd = async () => {
    await killEtcd()
    rmSync(data, { recursive: true })
    cpSync(copy, data, { recursive: true })
    await startEtcd()
  }

  await startEtcd()
  if (options.controllerManager === 'run') {
    await launch(controllerManagerSpec(layout))
    const what = 'kube-controller-manager has made the default ServiceAccount'
    await becomes(what, `${DEFAULT_NAMESPACE}/serviceaccounts/default`)
  }
  if (options.nodeGateway !== undefined) await launch(schedulerSpec(layout))
  return { ...cluster, killApiServer, startApiServer, saveEtcd, restoreEtcd, assertRunning, stop }
}

async function prepare(
  binaries: Binaries,
  directory: string,
  options: ControlPlaneOptions,
  tokenFilePath: string,
): Promise<Layout> {
  mkdirSync(join(directory, 'etcd'), { mode: 0o700 })
  const address = options.nodeGateway ?? LOOPBACK
  const pki = await createPki(binaries.openssl, directory, address)
  const etcdPort = await freePort([])
  const etcdPeerPort = await freePort([etcdPort])
  const apiServerPort = await freePort([etcdPort, etcdPeerPort])
  const ports = { etcdPort, etcdPeerPort, apiServerPort }
  return { binaries, directory, pki, tokenFilePath, ...ports, address, options }
}

function etcdSpec(layout: Layout): ProcessSpec {
  const client = `http://127.0.0.1:${layout.etcdPort}`
  const peer = `http://127.0.0.1:${layout.etcdPeerPort}`
  return {
    name: 'etcd',
    file: layout.binaries.etcd,
    logPath: join(layout.directory, 'etcd.log'),
    args: [
      '--name=default',
      `--data-dir=${join(layout.directory, 'etcd')}`,
      `--listen-client-urls=${client}`,
      `--advertise-client-urls=${client}`,
      `--listen-peer-urls=${peer}`,
      `--initial-advertise-peer-urls=${peer}`,
      `--initial-cluster=default=${peer}`,
    ],
  }
}

function apiServerSpec(layout: Layout): ProcessSpec {
  const { pki } = layout
  return processSpec(layout, 'kube-apiserver', layout.binaries.apiServer, [
    `--etcd-servers=http://127.0.0.1:${layout.etcdPort}`,
    `--bind-address=${layout.address}`,
    `--advertise-address=${layout.address}`,
    // A loopback address is refused in the Endpoints of the kubernetes Service, and without a node nothing uses it.
    `--endpoint-reconciler-type=${layout.address === LOOPBACK ? 'none' : 'lease'}`,
    `--kubelet-client-certificate=${pki.clientCertificatePath}`,
    `--kubelet-client-key=${pki.clientKeyPath}`,
    '--kubelet-preferred-address-types=InternalIP',
    `--secure-port=${layout.apiServerPort}`,
    `--tls-cert-file=${pki.serverCertificatePath}`,
    `--tls-private-key-file=${pki.serverKeyPath}`,
    `--client-ca-file=${pki.caPath}`,
    `--token-auth-file=${layout.tokenFilePath}`,
    '--authorization-mode=Node,RBAC',
    `--service-account-issuer=${ISSUER}`,
    `--service-account-key-file=${pki.serviceAccountPublicKeyPath}`,
    `--service-account-signing-key-file=${pki.serviceAccountPrivateKeyPath}`,
    `--service-cluster-ip-range=${SERVICE_CLUSTER_IP_RANGE}`,
    '--allow-privileged=true',
    ...(layout.options.apiServerFlags ?? []),
  ])
}

function controllerManagerSpec(layout: Layout): ProcessSpec {
  const kubeconfig = kubeconfigPath(layout.directory, 'cluster-admin')
  const { controllerManager } = layout.binaries
  if (controllerManager === null) {
    throw new Error('KUBEBUILDER_ASSETS has no kube-controller-manager: add it, or unset KUBEBUILDER_ASSETS')
  }
  return processSpec(layout, 'kube-controller-manager', controllerManager, [
    `--kubeconfig=${kubeconfig}`,
    // Port 0 serves nothing: only its work on the API is of use here.
    '--secure-port=0',
    '--leader-elect=false',
    `--root-ca-file=${layout.pki.caPath}`,
    `--service-account-private-key-file=${layout.pki.serviceAccountPrivateKeyPath}`,
  ])
}

/** Of the one binary: a node needs that anyway. */
function schedulerSpec(layout: Layout): ProcessSpec {
  const { controlPlane } = layout.binaries
  if (controlPlane === null) throw new Error('a node needs tools/build.sh: unset KUBEBUILDER_ASSETS')
  return processSpec(layout, 'kube-scheduler', { file: controlPlane, leading: ['kube-scheduler'] }, [
    `--kubeconfig=${kubeconfigPath(layout.directory, 'cluster-admin')}`,
    '--secure-port=0',
    '--leader-elect=false',
  ])
}

function processSpec(layout: Layout, name: string, command: Command, flags: readonly string[]): ProcessSpec {
  const logPath = join(layout.directory, `${name}.log`)
  return { name, file: command.file, logPath, args: [...command.leading, ...flags] }
}

/** Whether a GET is answered with 200. No answer at all is "not yet": the process's end is noticed elsewhere. */
async function answers(cluster: Cluster, path: string): Promise<boolean> {
  try {
    const response = await cluster.request({ method: 'GET', path, timeoutMs: PROBE_TIMEOUT_MS })
    return response.status === 200
  } catch {
    return false
  }
}
