/** A Kubernetes node of this machine: containerd, kubelet, kube-proxy and the cluster's names, next to a control plane. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findBinaries, toolPath } from '../cluster/binaries.ts'
import { type ControlPlane, startControlPlane } from '../cluster/control-plane.ts'
import { type ManagedProcess, type ProcessSpec, startProcess } from '../cluster/managed-process.ts'
import { until } from '../cluster/until.ts'
import * as configuration from './configuration.ts'
import { makeArchive } from './images.ts'
import { makeNamespaces, type Namespaces, tracesOf } from './namespaces.ts'

const readyTimeoutMs = 180_000
export const nodeName = 'holdfast-node'

export type RealNode = {
  readonly controlPlane: ControlPlane
  /** The node's files: volumes lie in `volumes/`, under the same path inside and outside. */
  readonly directory: string
  /** Where the machine reaches it. */
  readonly address: string
  /** Runs a program in the node's namespaces. */
  readonly run: Namespaces['run']
  /** Throws, with the end of its log, if a process of the node or the control plane has ended. */
  readonly assertRunning: () => void
  /** Paths of what it has on the machine outside of its directory. */
  readonly traces: () => readonly string[]
  /** Leaves nothing on the machine. A second call does nothing. */
  readonly stop: () => Promise<void>
}

/** Returns when the node is Ready and has the product's image under `tags`. */
export async function startRealNode(tags: readonly string[]): Promise<RealNode> {
  const binaries = findBinaries()
  if (binaries.kind === 'missing') throw new Error(binaries.advice)
  if (binaries.controlPlane === null) throw new Error('a node needs tools/build.sh: unset KUBEBUILDER_ASSETS')
  const programs = { kubernetes: binaries.controlPlane, coredns: toolPath('dns', 'coredns') }
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-node-'))
  const ends: (() => Promise<void>)[] = [
    async () => rmSync(directory, { recursive: true, force: true, maxRetries: 10 }),
  ]
  const stop = async () => {
    for (const end of ends.splice(0).toReversed()) await end()
  }
  try {
    const pause = join(directory, 'pause')
    execFileSync('gcc', ['-Os', '-static', '-s', '-o', pause, join(import.meta.dirname, 'pause.c')])
    const archive = makeArchive(directory, tags, pause)
    const namespaces = await makeNamespaces(directory, pause)
    ends.push(namespaces.stop)
    const controlPlane = await startControlPlane({
      controllerManager: 'run',
      nodeGateway: namespaces.gateway,
    })
    ends.push(controlPlane.stop)
    const start = { programs, directory, namespaces, controlPlane, archive }
    const assertRunning = await startPrograms(start)
    const { address, run } = namespaces
    return { controlPlane, directory, address, run, traces: () => tracesOf(namespaces), assertRunning, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

type Start = {
  readonly programs: { readonly kubernetes: string; readonly coredns: string }
  readonly directory: string
  readonly namespaces: Namespaces
  readonly controlPlane: ControlPlane
  readonly archive: string
}

async function startPrograms({
  programs,
  directory,
  namespaces,
  controlPlane,
  archive,
}: Start): Promise<() => void> {
  const file = (name: string, content: string) => {
    const path = join(directory, name)
    writeFileSync(path, content)
    return path
  }
  const running: ManagedProcess[] = []
  const assertRunning = () => {
    controlPlane.assertRunning()
    for (const process of running) process.assertRunning()
  }
  const launch = async (name: string, program: string, args: readonly string[]) => {
    const spec: ProcessSpec = { name, file: program, args, logPath: join(directory, `${name}.log`) }
    running.push(await startProcess(namespaces.inside(spec)))
  }
  const kubeconfig = controlPlane.kubeconfigPath('cluster-admin')
  mkdirSync(join(directory, 'volumes'))
  await launch('containerd', 'containerd', ['--config', file('containerd.toml', configuration.containerd)])
  await until('containerd answers', readyTimeoutMs, async () => {
    assertRunning()
    return attempt(() => namespaces.run('ctr', ['version']))
  })
  namespaces.run('ctr', ['--namespace', 'k8s.io', 'images', 'import', archive])
  file('root/etc/cni/net.d/pods.conflist', JSON.stringify(configuration.network))
  const kubelet = configuration.kubelet({
    caPath: controlPlane.address.caPath,
    resolvConf: file('resolv.conf', `nameserver ${namespaces.address}\n`),
    clusterDns: namespaces.address,
    cgroup: namespaces.cgroup,
  })
  await launch('kubelet', programs.kubernetes, [
    'kubelet',
    `--config=${file('kubelet.json', JSON.stringify(kubelet))}`,
    `--kubeconfig=${controlPlane.kubeconfigPath('node')}`,
    `--hostname-override=${nodeName}`,
    `--node-ip=${namespaces.address}`,
  ])
  await launch('kube-proxy', programs.kubernetes, [
    'kube-proxy',
    `--kubeconfig=${kubeconfig}`,
    `--hostname-override=${nodeName}`,
    `--cluster-cidr=${configuration.podRange}`,
    '--proxy-mode=iptables',
    '--conntrack-max-per-core=0',
    '--conntrack-tcp-timeout-established=0',
    '--conntrack-tcp-timeout-close-wait=0',
  ])
  await launch('coredns', programs.coredns, [
    '-conf',
    file('Corefile', configuration.names(namespaces.address, kubeconfig)),
  ])
  await until('the node is Ready', readyTimeoutMs, async () => {
    assertRunning()
    const path = '{.status.conditions[?(@.type=="Ready")].status}'
    const { stdout } = await controlPlane.kubectl(['get', 'node', nodeName, '-o', `jsonpath=${path}`])
    return stdout === 'True' ? true : null
  })
  return assertRunning
}

function attempt(action: () => unknown): true | null {
  try {
    action()
    return true
  } catch {
    return null
  }
}
