/** A runner over a folder of policies, with time moved by hand. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { silentLog } from '../../../src/lib/log.ts'
import type { Next, Reconciler, Watch } from '../../../src/operator/controller.ts'
import { OperatorMetrics } from '../../../src/operator/metrics.ts'
import type { ObjectKey, ObjectKind } from '../../../src/operator/objects.ts'
import { runController } from '../../../src/operator/runner.ts'
import { DirectorySource } from '../../../src/operator/sources/directory.ts'
import type { Change, Source } from '../../../src/operator/sources/source.ts'
import { systemTimers } from '../../../src/operator/timers.ts'
import { type Folder, makeFolder, policyYaml } from './directory-fixtures.ts'
import { ManualTime } from './manual-timers.ts'

export const verifyIntervalMs = 600_000
export const reconcileMsMax = 60_000

export type Rig = {
  readonly time: ManualTime
  readonly metrics: OperatorMetrics
  readonly tell: (change: Change) => void
  readonly annotate: (name: string, annotations: Record<string, string>) => void
  /** Begins no further reconcile and lets the running ones end. */
  readonly drain: () => void
  readonly running: Promise<void>
  readonly stop: () => Promise<void>
}

const folders: Folder[] = []
const rigs: Rig[] = []

/** After each test. */
export async function endRigs(): Promise<void> {
  for (const rig of rigs.splice(0)) await rig.stop()
  for (const folder of folders.splice(0)) await folder.remove()
}

/** Runs a reconciler over a directory of policies with time moved by hand; `tell` stands for a change. */
export async function rigOf(
  names: readonly string[],
  reconcile: (key: ObjectKey, signal: AbortSignal, time: ManualTime) => Promise<Next>,
  options: { workers?: number; watches?: readonly Watch[]; leftovers?: Reconciler['leftovers'] } = {},
): Promise<Rig> {
  const folder = await makeFolder()
  folders.push(folder)
  for (const name of names) {
    await writeFile(join(folder.manifests, `${name}.yaml`), policyYaml(name, '{mode: GOVERNANCE, days: 1}'))
  }
  const reading = new AbortController()
  const directory = new DirectorySource({
    directory: folder.manifests,
    stateDirectory: folder.state,
    timers: systemTimers,
    log: silentLog,
    onProblem: () => undefined,
  })
  await directory.start(reading.signal)
  const marks = new Map<string, Record<string, string>>()
  let listener: (change: Change) => void = () => undefined
  const source: Source = Object.assign(Object.create(directory) as Source, {
    get: <Kind extends ObjectKind>(kind: Kind, key: ObjectKey) => {
      const object = directory.get(kind, key)
      const annotations = marks.get(key.name)
      return object === null || annotations === undefined
        ? object
        : { ...object, metadata: { ...object.metadata, annotations } }
    },
    list: directory.list.bind(directory),
    subscribe: (told: (change: Change) => void) => {
      listener = told
      return () => undefined
    },
  })
  const time = new ManualTime()
  const metrics = new OperatorMetrics()
  const reconciler: Reconciler = {
    name: 'test',
    kind: 'RetentionPolicy',
    watches: options.watches ?? [],
    leftovers: options.leftovers ?? null,
    reconcile: (key, signal) => reconcile(key, signal, time),
  }
  const abort = new AbortController()
  const abandon = new AbortController()
  const running = runController(
    reconciler,
    {
      source,
      clock: time,
      timers: time,
      log: silentLog,
      metrics,
      workers: options.workers ?? 1,
      verifyIntervalMs,
      reconcileMsMax,
    },
    { stop: abort.signal, abandon: abandon.signal },
  )
  const stop = async () => {
    abort.abort()
    abandon.abort()
    reading.abort()
    await running
    await directory.stopped()
  }
  const rig: Rig = {
    time,
    metrics,
    tell: (change) => listener(change),
    annotate: (name, annotations) => marks.set(name, annotations),
    drain: () => abort.abort(),
    running,
    stop,
  }
  rigs.push(rig)
  return rig
}

/** One sample of controller-runtime's metrics of this controller. */
export function counted({ metrics }: Rig, name: string, result?: string): number {
  const labels = `controller="test"${result === undefined ? '' : `,result="${result}"`}`
  const line = `controller_runtime_${name}{${labels}} `
  const found = metrics
    .render()
    .split('\n')
    .find((each) => each.startsWith(line))
  return Number(found?.slice(line.length))
}

export function change(name: string, cause: Change['cause'] = 'object'): Change {
  return { kind: 'RetentionPolicy', namespace: 'default', name, cause }
}
