/**
 * The namespaces of a node: mounts, network, processes and host name of its own. When its first process ends, the kernel
 * ends all others and takes mounts, addresses and packet filters with it: the machine is left as it was.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type ManagedProcess, type ProcessSpec, startProcess } from '../cluster/managed-process.ts'
import { until } from '../cluster/until.ts'

/** Several nodes at once each have a number: of their cable, their addresses and their cgroups. */
const nodesMax = 64
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

type Place = {
  /** The link between machine and node, on this side. */
  readonly cable: string
  /** The machine's end, and the node's. */
  readonly gateway: string
  readonly address: string
  /** Below this group of each cgroup hierarchy lies everything that the node runs. */
  readonly cgroup: string
}

export type Namespaces = Place & {
  /** Runs a program inside to its end and returns what it printed. Throws with its stderr. */
  readonly run: (file: string, args: readonly string[]) => string
  /** The same program as a process: for `startProcess`. It ends with the namespaces. */
  readonly inside: (spec: ProcessSpec) => ProcessSpec
  /** Ends everything inside and removes the cgroups; the directory is the caller's. */
  readonly stop: () => Promise<void>
}

/** `firstProcess` is pause.c, compiled. */
export async function makeNamespaces(directory: string, firstProcess: string): Promise<Namespaces> {
  const holder = await startProcess({
    name: 'the namespaces of the node',
    file: 'unshare',
    args: [...'--mount --net --uts --ipc --pid --fork --kill-child --mount-proc'.split(' '), firstProcess],
    logPath: join(directory, 'namespaces.log'),
  })
  let place: Place | null = null
  const stop = async () => {
    await holder.kill()
    if (place === null) return
    await removeCgroups(place.cgroup)
    const link = linkOf(place)
    // The kernel takes the network down a little after the last process.
    await until(`${link} is gone`, 60_000, async () => (existsSync(link) ? null : true))
  }
  try {
    const pid = await firstChild(holder)
    const entering = ['--target', String(pid), '--mount', '--net', '--uts', '--ipc', '--pid']
    const run = (file: string, args: readonly string[]) =>
      execFileSync('nsenter', [...entering, file, ...args], { encoding: 'utf8' })
    place = plugIn(pid, run)
    for (const group of groupsOf(place)) mkdirSync(group, { recursive: true })
    replaceFolders(directory, run)
    const inside = (spec: ProcessSpec) => ({
      ...spec,
      file: 'nsenter',
      args: [...entering, spec.file, ...spec.args],
    })
    return { ...place, run, inside, stop }
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

/** The name of a link is there once: who makes it has its number. */
function plugIn(pid: number, run: Run): Place {
  const ip = (...args: readonly string[]) => execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] })
  const place = numbers.map(placeOf).find(({ cable }) => {
    try {
      ip('link', 'add', cable, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', String(pid))
      return true
    } catch (error) {
      if (String(error).includes('File exists')) return false
      throw error
    }
  })
  if (place === undefined) throw new Error(`there are ${nodesMax} nodes on this machine`)
  ip('address', 'add', `${place.gateway}/30`, 'dev', place.cable)
  ip('link', 'set', place.cable, 'up')
  run('ip', ['link', 'set', 'lo', 'up'])
  run('ip', ['address', 'add', `${place.address}/30`, 'dev', 'eth0'])
  run('ip', ['link', 'set', 'eth0', 'up'])
  run('ip', ['route', 'add', 'default', 'via', place.gateway])
  run('sysctl', ['--quiet', '--write', 'net.ipv4.ip_forward=1'])
  return place
}

const numbers = Array.from({ length: nodesMax }, (_, number) => number)

function placeOf(number: number): Place {
  const name = `holdfast-node${number}`
  return { cable: name, cgroup: name, gateway: `10.200.${number}.1`, address: `10.200.${number}.2` }
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
    // A mount needs a folder to lie on; an empty one may stay behind, as another node may use it by now.
    mkdirSync(folder, { recursive: true })
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

function groupsOf({ cgroup }: Pick<Place, 'cgroup'>): readonly string[] {
  return hierarchies().map((hierarchy) => join(hierarchy, cgroup))
}

/** Paths of what this node has on the machine: nothing when it has ended. */
export function tracesOf(place: Place): readonly string[] {
  return [...groupsOf(place), linkOf(place)].filter((path) => existsSync(path))
}

function linkOf({ cable }: Pick<Place, 'cable'>): string {
  return `/sys/class/net/${cable}`
}

/** The last processes leave their groups a little after they were killed. */
async function removeCgroups(cgroup: string): Promise<void> {
  for (const group of groupsOf({ cgroup })) {
    await until(`${group} is empty`, 60_000, async () => {
      try {
        removeGroup(group)
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
