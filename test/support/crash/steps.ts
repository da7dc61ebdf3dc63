/**
 * A write taken apart: every call with which a server changes its volume is held up, and the volume as it lies at that
 * moment is copied. A copy is what a kill -9 of all processes would leave: what they wrote is in it, whether flushed or not.
 */
import { createHash } from 'node:crypto'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { silentLog } from '../../../src/lib/log.ts'
import { systemClock } from '../../../src/platform/clock.ts'
import { openOfflineVolume, openVolumeOwner } from '../../../src/server/open-volume.ts'
import type { Faults, Held } from './faults.ts'
import { offlineFindings, settledRows } from './volume-state.ts'

export type Step = {
  /** What was about to happen. */
  readonly name: string
  readonly process: number
  /** A data directory: the volume before it happened. */
  readonly copy: string
}

export type Walk = {
  readonly status: number
  readonly steps: readonly Step[]
  readonly remove: () => void
}

/** Sends a request to a server that `faults` were prepared for, and stops at every step of it up to its answer. */
export async function walkSteps(
  faults: Faults,
  dataDirectory: string,
  send: () => Promise<number>,
): Promise<Walk> {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-steps-'))
  const steps: Step[] = []
  faults.hold()
  try {
    const sent = { isDone: false }
    const status = send().finally(() => {
      sent.isDone = true
    })
    for (;;) {
      const held = faults.held()
      if (held === null && sent.isDone) break
      if (held !== null) {
        const name = nameOf(held, dataDirectory)
        const last = steps.at(-1)
        // The ballast is in no copy: a step of it leaves the volume as it was.
        const isSame = last !== undefined && name === ballastWritten && last.name === name
        const copy = isSame ? last.copy : join(directory, String(steps.length))
        if (!isSame) copyVolume(dataDirectory, copy)
        steps.push({ name, process: held.process, copy })
        faults.release()
      }
      await delay(1)
    }
    return { status: await status, steps, remove: () => rmSync(directory, { recursive: true }) }
  } finally {
    faults.disarm()
  }
}

/** The ballast is room and nothing else; the lock of LMDB is the living processes'. */
export function copyVolume(from: string, to: string): void {
  const isLeft = (name: string) => name.startsWith('ballast') || name === 'lock.mdb'
  cpSync(from, to, { recursive: true, filter: (path) => !isLeft(basename(path)) })
}

/** Every folder and file with its bytes, as one text: a flush changes nothing of it, so a kill after it is the one before. */
export function treeOf(directory: string): string {
  const hash = createHash('sha256')
  const entries = readdirSync(directory, { recursive: true, withFileTypes: true })
  const paths = entries.map((entry) => ({ path: join(entry.parentPath, entry.name), isFile: entry.isFile() }))
  for (const { path, isFile } of paths.toSorted((a, b) => (a.path < b.path ? -1 : 1))) {
    hash.update(`${path.slice(directory.length)}\n`)
    if (isFile) hash.update(readFileSync(path))
  }
  return hash.digest('hex')
}

function nameOf({ call, place }: Held, dataDirectory: string): string {
  if (call === 'answer') return call
  const path = place.slice(dataDirectory.length)
  const found = stepNames.find((step) => step.call === call && step.path.test(path))
  return found?.name ?? `${call} ${path}`
}

const body = /^\/stage\/[^/]+\/[0-9a-f]{32}$/
const store = /^\/kv\/data\.mdb$/

const ballast = /^\/ballast\.[^/]+$/
const ballastWritten = 'ballast written'

/** Every step that a server makes. One that is not here has no name, and the test that lists them says so. */
const stepNames: readonly { readonly call: string; readonly path: RegExp; readonly name: string }[] = [
  { call: 'create', path: body, name: 'body opened' },
  { call: 'write', path: body, name: 'body bytes written' },
  { call: 'sync', path: body, name: 'body bytes flushed' },
  { call: 'mkdir', path: /^\/bodies\/\w\w(\/\w\w)?$/, name: 'shard' },
  { call: 'sync', path: /^\/bodies(\/\w\w)?$/, name: 'shard' },
  { call: 'link', path: /^\/bodies\/\w\w\/\w\w\/[0-9a-f]{32}$/, name: 'body named' },
  { call: 'sync', path: /^\/bodies\/\w\w\/\w\w$/, name: 'body name flushed' },
  { call: 'sync', path: /^\/stage\/[^/]+$/, name: 'stage name flushed' },
  { call: 'write', path: store, name: 'store pages written' },
  { call: 'sync', path: store, name: 'store pages flushed' },
  { call: 'write synchronous', path: store, name: 'store root written' },
  { call: 'unlink', path: body, name: 'stage name removed' },
  { call: 'unlink', path: /^\/bodies\/\w\w\/\w\w\/[0-9a-f]{32}$/, name: 'body removed' },
  { call: 'mkdir', path: /^\/(stage|bodies|kv)$/, name: 'folder made' },
  // Its lock is a file that the first process makes whole; it has no data.
  { call: 'create', path: /^\/kv\/(lock|data)\.mdb(\.\w+)?$/, name: 'store opened' },
  { call: 'write', path: /^\/kv\/lock\.mdb\.\w+$/, name: 'store opened' },
  { call: 'sync', path: /^\/kv(\/lock\.mdb\.\w+)?$/, name: 'store opened' },
  { call: 'link', path: /^\/kv\/lock\.mdb$/, name: 'store opened' },
  { call: 'unlink', path: /^\/kv\/lock\.mdb\.\w+$/, name: 'store opened' },
  { call: 'truncate', path: /^\/kv\/lock\.mdb$/, name: 'store opened' },
  { call: 'create', path: /^\/removals\.lock$/, name: 'removals locked' },
  { call: 'mkdir', path: /^\/stage\/[^/]+$/, name: 'stage made' },
  { call: 'rmdir', path: /^\/stage\/[^/]+$/, name: 'stage removed' },
  { call: 'sync', path: /^\/stage$/, name: 'stages flushed' },
  { call: 'sync', path: /^$/, name: 'volume flushed' },
  { call: 'create', path: ballast, name: 'ballast opened' },
  { call: 'write', path: ballast, name: ballastWritten },
  { call: 'sync', path: ballast, name: 'ballast flushed' },
  { call: 'rename', path: /^\/ballast$/, name: 'ballast named' },
  { call: 'unlink', path: /^\/ballast$/, name: 'ballast removed' },
]

/**
 * What a volume has become once a server has recovered it: the same text for the same rows and files. `findings` are those of
 * `holdfast verify`, on the volume as it lay (not where there was none yet) and after its recovery.
 */
export async function recoveredState(
  directory: string,
  before: 'volume' | 'none' = 'volume',
): Promise<{ readonly state: string; readonly findings: readonly string[] }> {
  const findings = before === 'none' ? [] : [...(await offlineFindings(directory))]
  const owner = await openVolumeOwner({ directory, clock: systemClock(), log: silentLog })
  try {
    await owner.store.collectGarbage(AbortSignal.timeout(60_000))
  } finally {
    await owner.close()
  }
  findings.push(...(await offlineFindings(directory)))
  return { state: await stateOf(directory), findings }
}

async function stateOf(directory: string): Promise<string> {
  const { kv, close } = await openOfflineVolume(directory)
  const hash = createHash('sha256')
  try {
    for await (const { name, value } of settledRows(kv)) hash.update(`${name} ${value}\n`)
  } finally {
    await close()
  }
  for (const folder of ['bodies', 'stage']) {
    const entries = readdirSync(join(directory, folder), { recursive: true, withFileTypes: true })
    const files = entries.filter((entry) => entry.isFile()).map(({ name }) => name)
    hash.update(`${folder} ${files.toSorted().join()}\n`)
  }
  return hash.digest('hex')
}
