/**
 * The product as it is shipped, on a real node: chart, image, kubelet, containerd, network, volume. What clients locked is read,
 * hashed and tried to delete after each step; the tests are the life of one release, in this order.
 */
import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, readdirSync, readFileSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { at, chartFolder, type KubeObject, release, root } from '../support/chart.ts'
import { until } from '../support/cluster/until.ts'
import { clientPod } from '../support/node/client-pod.ts'
import { holdfastRepository } from '../support/node/images.ts'
import { intruderPod } from '../support/node/intruder-pod.ts'
import { type LockedVersion, lockedVersions } from '../support/node/locked-versions.ts'
import { nodeName, type RealNode, startRealNode } from '../support/node/real-node.ts'
import {
  claim,
  patienceMs,
  type ReleaseRig,
  startReleaseRig,
  storageClass,
  volume,
} from '../support/node/release-rig.ts'

const { name, namespace } = release
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
const nextTag = `${version}-next`
const image = `${holdfastRepository}:${version}`
const values = () => ({
  server: { service: { type: 'NodePort' }, persistence: { size: '1Gi', storageClassName: storageClass } },
  tls: { extraNames: [node.address] },
})
const multiarch =
  { x64: 'x86_64-linux-gnu', arm64: 'aarch64-linux-gnu' }[String(process.arch)] ?? process.arch
const faketime = `/usr/lib/${multiarch}/faketime/libfaketimeMT.so.1`
const tenYearsMs = 3_650 * 86_400_000

let node: RealNode
let rig: ReleaseRig
/** How far the client's clock is ahead: a signature must fit the server's. */
let aheadMs = 0
const locked = lockedVersions(async () => ({
  ...(await rig.connection()),
  nowMs: () => Date.now() + aheadMs,
}))
const times: string[] = []
/** What comes after a step that failed would say nothing. */
let failed: string | null = null
const filtersBefore = packetFilters()

beforeAll(async () => {
  const startedMs = performance.now()
  node = await startRealNode([version, nextTag])
  rig = await startReleaseRig(node)
  note('node Ready, with the image built', startedMs)
}, 900_000)

afterAll(async () => {
  process.stdout.write(`${times.join('\n')}\n`)
  await node?.stop()
})

function note(what: string, startedMs: number): void {
  times.push(`e2e: ${((performance.now() - startedMs) / 1000).toFixed(1).padStart(6)} s  ${what}`)
}

/** A step of the release's life; after it everything that was locked before it is there. */
function step(title: string, action: () => Promise<void>): void {
  test(title, async () => {
    expect(failed, 'the step before').toBeNull()
    failed = title
    const startedMs = performance.now()
    await action()
    note(title, startedMs)
    const provedMs = performance.now()
    const count = await locked.verify()
    note(`   ${count} locked versions read, hashed, not deletable`, provedMs)
    failed = null
  })
}

async function podIsReplaced(action: () => Promise<unknown>): Promise<KubeObject> {
  const before = await rig.serverPod()
  await action()
  return rig.serverPod(String(at(before, 'metadata', 'uid')))
}

const imageOf = (pod: KubeObject | null) => at(pod, 'spec', 'containers', 0, 'image')
const upgrade = (more: object = {}) =>
  podIsReplaced(async () =>
    rig.helm(['upgrade', name, chartFolder, '--wait', '--timeout=180s'], merge(values(), more)),
  )

type More = { readonly server?: object; readonly image?: object }

/** Two levels are enough for what is set here. */
function merge(base: ReturnType<typeof values>, more: More): object {
  return { ...base, ...more, server: { ...base.server, ...more.server } }
}

step(
  'helm install: both pods get Ready under the restricted standard, on a volume that root made',
  async () => {
    rig.helm(['install', name, chartFolder, '--wait', '--timeout=180s'], values())
    expect(imageOf(await rig.serverPod())).toBe(`holdfast:${version}`)
    expect(readdirSync(rig.data)).toContain('lock')
  },
)

step('examples: every LockedBucket gets Ready', async () => {
  await rig.kubectl('create', 'namespace', 'backup')
  for (const folder of ['examples/quickstart', 'examples/gitops/retention']) {
    await rig.kubectl('apply', '--validate=strict', '-f', join(root, folder))
  }
  await rig.kubectl('wait', '--for=condition=Ready', 'lockedbuckets', '--all', '-A', '--timeout=50s')
  expect(await rig.readiness()).toEqual({ backups: 'True', ledger: 'True', nightly: 'True' })
})

step(
  'clients: a pod by the name of the Service and the machine by the port of the node write locked data',
  async () => {
    await rig.apply(
      clientPod(image, [
        ['ledger', 'pod/small', 100],
        ['ledger', 'pod/file', 3_000_000],
        ['backups', 'pod/small', 4_000],
      ]),
    )
    await until('the client has ended', patienceMs, async () => {
      const phase = at(await rig.read('pod', 'client'), 'status', 'phase')
      expect(phase).not.toBe('Failed')
      return phase === 'Succeeded' ? true : null
    })
    const lines = (await rig.kubectl('logs', '-n', namespace, 'client')).trim().split('\n')
    expect(lines).toHaveLength(3)
    for (const line of lines) locked.add(JSON.parse(line) as LockedVersion)
    await locked.put('ledger', 'machine/small', 1_000)
    await locked.put('nightly-backups', 'monthly/file', 5_000_000)
  },
)

step(
  'kubectl exec: a backup beside the running server is whole, and the pod knows how to ask its server',
  async () => {
    const inside = (...args: readonly string[]) =>
      rig.kubectl('exec', '-n', namespace, `${name}-server-0`, '--', 'node', '/app/bin/holdfast', ...args)
    // Onto a volume that goes with the pod; a claim is mounted as well as that.
    expect(await inside('backup', '--data=/data', '--to=/tmp/backup')).toMatch(/; whole\n$/)
    expect(await inside('verify', '--data=/tmp/backup')).toMatch(/: nothing found\n$/)
    expect(await inside('status')).toMatch(/^volume /)
    expect(await inside('audit', 'export', '--data=/data')).toContain('"operation":"PutObject"')
  },
)

step('kubectl delete pod: another pod takes the volume', async () => {
  await podIsReplaced(() => rig.kubectl('delete', 'pod', '-n', namespace, `${name}-server-0`, '--wait=false'))
})

step(
  'other keys of root and operator, as OPERATIONS says: the server takes them, and no others',
  async () => {
    const keyOf = async (of: string) =>
      at(await rig.read('secret', `${name}-${of}`), 'data', 'AWS_ACCESS_KEY_ID')
    const before = [await keyOf('root'), await keyOf('operator')]
    const chapter = readFileSync(join(root, 'docs/OPERATIONS.md'), 'utf8').split(
      '## Keys and certificates',
    )[1]
    const commands = /```sh\n([^`]+)\n```/.exec(chapter ?? '')?.[1]?.split('\n') ?? []
    expect(commands).toHaveLength(4)
    await podIsReplaced(async () => {
      await rig.kubectl('delete', 'secret', `${name}-root`, '-n', namespace)
      for (const command of commands) await rig.kubectl(...command.split(' ').slice(1))
    })
    const now = [await keyOf('root'), await keyOf('operator')]
    for (const key of now) expect([...before, undefined]).not.toContain(key)
    await rig.kubectl(
      'annotate',
      'lockedbucket/backups',
      '-n',
      'default',
      'holdfast.dev/verify-now=other-keys',
    )
    const handled = '--for=jsonpath={.status.lastHandledVerifyAt}=other-keys'
    await rig.kubectl('wait', handled, 'lockedbucket/backups', '-n', 'default', '--timeout=60s')
  },
)

step('kill -9 of every worker inside: the supervisor starts others, the container goes on', async () => {
  const kill = `
    for (const name of require('fs').readdirSync('/proc').filter((name) => Number(name) > 1)) {
      const [, parent] = require('fs').readFileSync('/proc/' + name + '/stat', 'utf8').split(') ')[1].split(' ')
      if (parent === '1') { process.kill(Number(name), 'SIGKILL'); console.log(name) }
    }`
  const killed = await rig.kubectl('exec', '-n', namespace, `${name}-server-0`, '--', 'node', '--eval', kill)
  expect(killed.trim().split('\n').length).toBeGreaterThanOrEqual(2)
  expect(rig.restartsOf(await rig.serverPod())).toBe(0)
})

step('kill -9 of the supervisor from the node: the kubelet starts the container again', async () => {
  const id = String(at(await rig.serverPod(), 'status', 'containerStatuses', 0, 'containerID')).split('//')[1]
  const task = node
    .run('ctr', ['--namespace', 'k8s.io', 'tasks', 'list'])
    .split('\n')
    .find((line) => line.startsWith(String(id)))
  node.run('kill', ['-9', String(task?.split(/\s+/)[1])])
  await until('the container was started again', patienceMs, async () =>
    rig.restartsOf(await rig.read('pod', `${name}-server-0`)) === 1 ? true : null,
  )
  await rig.serverPod()
})

step('kubectl drain and uncordon: the pods wait, then take up the volume', async () => {
  await podIsReplaced(async () => {
    await rig.kubectl(
      'drain',
      nodeName,
      '--force',
      '--delete-emptydir-data',
      '--ignore-daemonsets',
      '--timeout=55s',
    )
    await rig.kubectl('uncordon', nodeName)
  })
})

step('helm upgrade: another image', async () => {
  expect(imageOf(await upgrade({ image: { tag: nextTag } }))).toBe(`holdfast:${nextTag}`)
})

step(
  'helm rollback from an image that is nowhere: the pod that cannot start is replaced by itself',
  async () => {
    const pod = await podIsReplaced(async () => {
      rig.helm(['upgrade', name, chartFolder], merge(values(), { image: { tag: 'nowhere' } }))
      await until('a pod waits for its image', patienceMs, async () => {
        const waiting = await rig.read('pod', `${name}-server-0`)
        return waiting !== null && imageOf(waiting) === `holdfast:nowhere` ? true : null
      })
      rig.helm(['rollback', name, '2', '--wait', '--timeout=180s'])
    })
    expect(imageOf(pod)).toBe(`holdfast:${nextTag}`)
  },
)

step('helm rollback: the image before', async () => {
  const pod = await podIsReplaced(async () => rig.helm(['rollback', name, '1', '--wait', '--timeout=180s']))
  expect(imageOf(pod)).toBe(`holdfast:${version}`)
})

step('helm uninstall and install: data, keys and objects are taken up again', async () => {
  const secret = await rig.read('secret', `${name}-root`)
  rig.helm(['uninstall', name, '--wait'])
  await rig.noServerPod()
  // An older state of the volume, for the step after the next.
  cpSync(rig.data, `${rig.data}-old`, { recursive: true, preserveTimestamps: true })
  execFileSync('chown', ['-R', '--reference', rig.data, `${rig.data}-old`])
  rig.helm(['install', name, chartFolder, '--wait', '--timeout=180s'], values())
  await rig.serverPod()
  expect(await rig.read('secret', `${name}-root`)).toEqual(secret)
  await rig.becomes({ backups: 'True', ledger: 'True', nightly: 'True' })
})

step(
  'an older copy of the volume put back: the bucket that it lacks says VolumeReplaced, and is not made again',
  async () => {
    await rig.apply({
      apiVersion: 'holdfast.dev/v1',
      kind: 'LockedBucket',
      metadata: { name: 'later', namespace: 'default' },
      spec: { bucketName: 'later', retentionPolicyRef: { name: 'governance' } },
    })
    await rig.becomes({ later: 'True' })
    await locked.put('later', 'object', 10_000)
    await withoutPod(() => {
      renameSync(rig.data, `${rig.data}-new`)
      renameSync(`${rig.data}-old`, rig.data)
    })
    await rig.kubectl('annotate', 'lockedbucket', 'later', 'holdfast.dev/verify-now=1')
    await rig.kubectl('annotate', 'lockedbucket', 'ledger', 'holdfast.dev/verify-now=1')
    await rig.becomes({ later: 'False VolumeReplaced', ledger: 'False RollbackDetected' })
    await withoutPod(() => {
      renameSync(rig.data, `${rig.data}-old`)
      renameSync(`${rig.data}-new`, rig.data)
    })
    for (const object of ['later', 'ledger'])
      await rig.kubectl('annotate', '--overwrite', 'lockedbucket', object, 'holdfast.dev/verify-now=2')
    await rig.becomes({ later: 'True', ledger: 'True', nightly: 'True', backups: 'True' })
  },
)

async function withoutPod(action: () => void): Promise<void> {
  const scale = (replicas: number) =>
    rig.kubectl('scale', '-n', namespace, 'statefulset', `${name}-server`, `--replicas=${replicas}`)
  await scale(0)
  await rig.noServerPod()
  action()
  await scale(1)
  await rig.serverPod()
}

step(
  'deletions: of volume, claim, namespace, kinds, policies and buckets are refused with the reason',
  async () => {
    const labelled = [
      ['persistentvolume', volume],
      ['persistentvolumeclaim', claim],
      ['namespace', namespace],
    ] as const
    for (const [kind, object] of labelled) {
      await until(`the operator labels ${kind} ${object}`, patienceMs, async () => {
        const held = await rig.read(kind, object, namespace)
        return at(held, 'metadata', 'labels', 'holdfast.dev/protected') === 'true' ? true : null
      })
      expect(await rig.refusal('delete', '-n', namespace, kind, object)).toContain(
        'the label holdfast.dev/protected guards it',
      )
      const unlabel = await rig.refusal('label', '-n', namespace, kind, object, 'holdfast.dev/protected-')
      expect(unlabel).toContain('is removed by the operator alone')
    }
    const policy = '{"spec":{"persistentVolumeReclaimPolicy":"Delete"}}'
    expect(await rig.refusal('patch', 'persistentvolume', volume, '-p', policy)).toContain(
      'keeps its reclaim policy Retain',
    )
    expect(await rig.refusal('delete', 'crd', 'lockedbuckets.holdfast.dev')).toContain(
      'deletes every object of its kind',
    )
    expect(await rig.refusal('delete', 'lockedbucket', 'ledger')).toContain(
      'status.deletionProtected is true',
    )
    expect(await rig.refusal('delete', 'retentionpolicy', 'compliance')).toContain(
      'status.deletionProtected is true',
    )
  },
)

step('a second server on the same folder, by a direct hostPath: it ends, the first goes on', async () => {
  await rig.apply(intruderPod(image, rig.data))
  const ended = await until('the intruder has ended', patienceMs, async () => {
    const pod = await rig.read('pod', 'intruder', 'default')
    return at(pod, 'status', 'phase') === 'Failed' ? pod : null
  })
  expect(at(ended, 'status', 'containerStatuses', 0, 'state', 'terminated', 'exitCode')).not.toBe(0)
  expect(await rig.kubectl('logs', 'intruder')).toContain('is in use by another holdfast server')
  await rig.kubectl('delete', 'pod', 'intruder')
  expect(rig.restartsOf(await rig.serverPod())).toBe(0)
})

step('libfaketime, ten years ahead in the pod of the server: nothing is unlocked', async () => {
  await rig.kubectl('create', 'configmap', '-n', namespace, 'faketime', `--from-file=faketime.so=${faketime}`)
  await upgrade({
    server: {
      extraEnv: [
        { name: 'LD_PRELOAD', value: '/faketime/faketime.so' },
        { name: 'FAKETIME', value: '+3650d' },
      ],
      extraVolumes: [{ name: 'faketime', configMap: { name: 'faketime', defaultMode: 0o555 } }],
      extraVolumeMounts: [{ name: 'faketime', mountPath: '/faketime' }],
    },
  })
  aheadMs = tenYearsMs
  const { endpoint } = await rig.connection()
  const date = execFileSync('curl', ['--silent', '--insecure', '--head', endpoint], { encoding: 'utf8' })
  expect(date).toMatch(new RegExp(`date: .* ${new Date(Date.now() + tenYearsMs).getUTCFullYear()} `, 'i'))
})

step('the clock of the machine again: the release is as it was', async () => {
  await upgrade()
  aheadMs = 0
  await rig.becomes({ backups: 'True', ledger: 'True', nightly: 'True', later: 'True' })
})

step('helm test: a held version cannot be deleted', async () => {
  rig.helm(['test', name, '--timeout=180s'])
})

test('the end of the node: no mount, cgroup, link or packet filter is left on the machine', async () => {
  node.assertRunning()
  expect(node.traces().length).toBeGreaterThan(1)
  await node.stop()
  expect(existsSync(node.directory)).toBe(false)
  expect(readFileSync('/proc/mounts', 'utf8')).not.toContain(node.directory)
  expect(node.traces()).toEqual([])
  expect(packetFilters()).toBe(filtersBefore)
})

function packetFilters(): string {
  const saved = execFileSync('iptables-save', { encoding: 'utf8', stdio: 'pipe' })
  return saved.replaceAll(/^#.*\n/gm, '').replaceAll(/\[\d+:\d+\]/g, '')
}
