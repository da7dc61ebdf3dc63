/**
 * The namespaces of a node: mounts, network, processes and host name of its own. When its first process ends, the kernel
 * ends all others and takes mounts, addresses and packet filters with it: the machine is left as it was.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type ManagedProcess, type ProcessSpec, startProcess } from '../cluster/managed-process.ts'
import { until } from '../cluster/until.ts'

/** The two ends of the cable between machine and node. */
export const gateway = '10.200.0.1'
export const nodeAddress = '10.200.0.2'
const cable = 'holdfast-node'
/** Below this group of each cgroup hierarchy lies everything that the node runs. */
export const cgroup = 'holdfast-node'
const cgroupRoot = '/sys/fs/cgroup'

/** Folders that the node's programs take for granted, each replaced by one below the node's directory. */
const ownFolders = [
  '/run',
  '/etc/cni/net.d',
  '/opt/cni/bin',
  '/var/lib/cni',
  '/var/lib/containerd',
  '/var/lib/kubelet',
  '/var/log',
]
/** What the kubelet would set for the whole machine, with the values that it wants to find: then it writes nothing. */
const kernelSettings: Readonly<Record<string, string>> = {
  'vm/overcommit_memory': '1',
  'vm/panic_on_oom': '0',
  'kernel/panic': '10',
  'kernel/panic_on_oops': '1',
  'kernel/keys/root_maxkeys': '1000000',
  'kernel/keys/root_maxbytes': '25000000',
}

export type Namespaces = {
  /** Runs a program inside to its end and returns what it printed. Throws with its stderr. */
  readonly run: (file: string, args: readonly string[]) => string
  /** The same program as a process: for `startProcess`. It ends with the namespaces. */
  readonly inside: (spec: ProcessSpec) => ProcessSpec
  /** Ends everything inside and removes the cgroups; the directory is the caller's. */
  readonly stop: () => Promise<void>
}

/** `firstProcess` is pause.c, compiled. Throws if another node is there: there is one a machine. */
export async function makeNamespaces(directory: string, firstProcess: string): Promise<Namespaces> {
  const holder = await startProcess({
    name: 'the namespaces of the node',
    file: 'unshare',
    args: [...'--mount --net --uts --ipc --pid --fork --kill-child --mount-proc'.split(' '), firstProcess],
    logPath: join(directory, 'namespaces.log'),
  })
  const made: string[] = []
  const stop = async () => {
    await holder.kill()
    await removeCgroups()
    for (const folder of made.splice(0).toReversed()) rmdirSync(folder)
  }
  try {
    const pid = await firstChild(holder)
    const entering = ['--target', String(pid), '--mount', '--net', '--uts', '--ipc', '--pid']
    const run = (file: string, args: readonly string[]) =>
      execFileSync('nsenter', [...entering, file, ...args], { encoding: 'utf8' })
    plugIn(pid, run)
    makeCgroups()
    for (const folder of ownFolders) made.push(...makeFolder(folder))
    replaceFolders(directory, run)
    const inside = (spec: ProcessSpec) => ({
      ...spec,
      file: 'nsenter',
      args: [...entering, spec.file, ...spec.args],
    })
    return { run, inside, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** unshare stays outside, its child is the first process inside. */
async function firstChild(holder: ManagedProcess): Promise<number> {
  return until('the first process of the node', 10_000, async () => {
    holder.assertRunning()
    const children = readFileSync(`/proc/${holder.pid}/task/${holder.pid}/children`, 'utf8').trim()
    if (children === '' || children.includes(' ')) return null
    const isSet = readFileSync(`/proc/${children}/cmdline`, 'utf8').includes('pause')
    return isSet ? Number(children) : null
  })
}

type Run = Namespaces['run']

function plugIn(pid: number, run: Run): void {
  const ip = (...args: readonly string[]) => execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] })
  ip('link', 'add', cable, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', String(pid))
  ip('address', 'add', `${gateway}/30`, 'dev', cable)
  ip('link', 'set', cable, 'up')
  run('ip', ['link', 'set', 'lo', 'up'])
  run('ip', ['address', 'add', `${nodeAddress}/30`, 'dev', 'eth0'])
  run('ip', ['link', 'set', 'eth0', 'up'])
  run('ip', ['route', 'add', 'default', 'via', gateway])
  run('sysctl', ['--quiet', '--write', 'net.ipv4.ip_forward=1'])
}

/** The folders that were missing, outermost first: a mount needs one to lie on. */
function makeFolder(path: string): readonly string[] {
  if (existsSync(path)) return []
  const made = [...makeFolder(dirname(path)), path]
  mkdirSync(path)
  return made
}

function replaceFolders(directory: string, run: Run): void {
  const mount = (...args: readonly string[]) => run('mount', args)
  // Volumes and pods' namespaces are mounted in one place and seen in another.
  mount('--make-rshared', '/')
  for (const [name, value] of Object.entries(kernelSettings)) {
    const path = join(directory, name.replaceAll('/', '-'))
    writeFileSync(path, `${value}\n`)
    if (existsSync(`/proc/sys/${name}`)) mount('--bind', path, `/proc/sys/${name}`)
  }
  for (const folder of ownFolders) {
    const own = join(directory, 'root', folder)
    mkdirSync(own, { recursive: true })
    mount('--bind', own, folder)
    mount('--make-shared', folder)
  }
  run('hostname', ['holdfast-node'])
}

/** Version 1 has a hierarchy for each controller, version 2 has one. */
function hierarchies(): readonly string[] {
  if (existsSync(join(cgroupRoot, 'cgroup.controllers'))) return [cgroupRoot]
  return readdirSync(cgroupRoot, { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() ? [join(cgroupRoot, entry.name)] : [],
  )
}

/** Paths of what a node has on the machine: nothing when there is none. */
export function traces(): readonly string[] {
  const groups = hierarchies().map((hierarchy) => join(hierarchy, cgroup))
  return [...groups, `/sys/class/net/${cable}`].filter((path) => existsSync(path))
}

function makeCgroups(): void {
  for (const hierarchy of hierarchies()) mkdirSync(join(hierarchy, cgroup), { recursive: true })
}

/** The last processes leave their groups a little after they were killed. */
async function removeCgroups(): Promise<void> {
  for (const hierarchy of hierarchies()) {
    await until(`${hierarchy}/${cgroup} is empty`, 30_000, async () => {
      try {
        removeGroup(join(hierarchy, cgroup))
        return true
      } catch (error) {
        if (String(error).includes('EBUSY')) return null
        throw error
      }
    })
  }
}

function removeGroup(group: string): void {
  if (!existsSync(group)) return
  for (const entry of readdirSync(group, { withFileTypes: true })) {
    if (entry.isDirectory()) removeGroup(join(group, entry.name))
  }
  rmdirSync(group)
}
