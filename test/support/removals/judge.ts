/**
 * Judges what the processes of one server run did to the files of its volume, by their system calls: a body may only be
 * unlinked, and only after a commit that permits it, or if none ever referred to it.
 */

import type { SystemCall } from '../crash/strace.ts'
import type { AuditRecord } from '../crash/volume-state.ts'
import { CommitJudge, removalsOf, type Waste } from './commits.ts'
import type { Counted } from './counts.ts'
import type { VolumeFacts } from './facts.ts'
import type { Commit } from './journal.ts'
import type { Rows } from './rows.ts'

export const watchedCalls = [
  ...['unlink', 'unlinkat', 'rmdir', 'rename', 'renameat', 'renameat2'],
  ...['truncate', 'ftruncate', 'fallocate', 'link', 'linkat'],
]

type Permission = Waste['kind'] | 'unused'
export type ServerRun = {
  readonly dataDirectory: string
  readonly calls: readonly SystemCall[]
  /** The volume's rows before the run; the judge's own from now on. */
  readonly before: Rows
  readonly commits: readonly Commit[]
  readonly after: VolumeFacts
}

const removing = new Set(['unlink', 'unlinkat'])
const linking = new Set(['link', 'linkat'])
const growing = new Set(['ftruncate', 'fallocate'])

/** No faults: everything was permitted. */
export async function judgeRun({
  dataDirectory,
  calls,
  before,
  commits,
  after,
}: ServerRun): Promise<Counted> {
  const judge = await CommitJudge.of(before)
  for (const commit of commits) await judge.judge(commit)
  const counts = { version: 0, upload: 0, replacedPart: 0, unused: 0 }
  const faults = [...judge.faults, ...after.faults, ...unrecorded(after), ...removedTwice(after.records)]
  for (const call of calls.filter(({ result }) => result === 0)) {
    for (const path of pathsOf(call, dataDirectory)) {
      const bodyId = /^bodies\/..\/..\/([0-9a-f]{32})$/.exec(path)?.[1]
      if (bodyId === undefined) {
        if (!isHousekeeping(call, path)) faults.push(`${call.name} of ${path}`)
        continue
      }
      if (linking.has(call.name)) continue
      if (!removing.has(call.name)) {
        faults.push(`${call.name} of the body ${bodyId}`)
        continue
      }
      const permission = permissionOf(judge, bodyId, startMs(call))
      if (permission === null) faults.push(`the body ${bodyId} was removed before a commit permitted it`)
      else counts[permission] += 1
    }
  }
  return { counts: { ...counts, ...judge.counts }, faults }
}

/** Both ends of a rename or link; below the volume only, relative to it. */
function pathsOf(call: SystemCall, dataDirectory: string): readonly string[] {
  const paths =
    call.descriptor === null && !removing.has(call.name) ? [call.text, call.target] : [call.target]
  const inside = paths.filter((path) => path.startsWith(`${dataDirectory}/`))
  return [...new Set(inside)].map((path) => path.slice(dataDirectory.length + 1))
}

/** Files that are no object's bytes: stages and their folders, the ballast, the volume's lock, the engine's growth. */
function isHousekeeping({ name }: SystemCall, path: string): boolean {
  if (path.startsWith('kv/lock.mdb')) return true
  if (path.startsWith('kv/')) return growing.has(name)
  if (path === 'lock') return name === 'ftruncate'
  if (/^ballast(\.[A-Za-z0-9-]+)?$/.test(path)) return true
  return /^stage\/[A-Za-z0-9-]+(\/[0-9a-f]{32})?$/.test(path)
}

/** To the microsecond, as strace tells it: a product of fractions may fall below the millisecond that it is. */
function startMs({ start }: SystemCall): number {
  return Math.round(start * 1e6) / 1e3
}

function permissionOf(judge: CommitJudge, bodyId: string, atMs: number): Permission | null {
  const waste = judge.waste.get(bodyId)
  // Published and dropped: no commit of any time gave it to a version or a part.
  if (waste === undefined) return judge.held.has(bodyId) ? null : 'unused'
  return waste.sinceMs <= atMs ? waste.kind : null
}

/** The versions that are there are those that the chain leaves. */
function unrecorded({ records, versions }: VolumeFacts): readonly string[] {
  const left = new Set<string>()
  for (const record of records.filter(({ verdict }) => verdict === 'allow')) {
    if (record.versionId !== null) left.add(record.versionId)
    for (const versionId of removalsOf(record)) left.delete(versionId)
  }
  const lost = [...left].filter((versionId) => !versions.has(versionId))
  const strange = [...versions].filter((versionId) => !left.has(versionId))
  return [
    ...lost.map((versionId) => `version ${versionId} went without a record`),
    ...strange.map((versionId) => `version ${versionId} came without a record`),
  ]
}

/** A version that is there is removed by one record, never by two. */
function removedTwice(records: readonly AuditRecord[]): readonly string[] {
  const gone = new Set<string>()
  const faults: string[] = []
  for (const versionId of records.flatMap(removalsOf)) {
    if (gone.has(versionId)) faults.push(`version ${versionId} was removed twice`)
    gone.add(versionId)
  }
  return faults
}
