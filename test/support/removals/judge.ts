/**
 * Judges what the processes of one server run did to the files of its volume, by their system calls: a body may only be
 * unlinked, and only if the volume's rows and audit chain of before the run permit it, or nothing ever referred to it.
 */

import type { SystemCall } from '../crash/strace.ts'
import type { AuditRecord } from '../crash/volume-state.ts'
import type { VolumeFacts, Waste } from './facts.ts'

export const watchedCalls = [
  ...['unlink', 'unlinkat', 'rmdir', 'rename', 'renameat', 'renameat2'],
  ...['truncate', 'ftruncate', 'fallocate', 'link', 'linkat'],
]

/** Why a body might go. `unused`: it was staged and no commit ever referred to it. */
export type Permission = Waste['kind'] | 'unused'
export type Judgement = {
  readonly counts: Readonly<Record<Permission, number>>
  /** Sentences; empty when everything was permitted. */
  readonly faults: readonly string[]
}

export type ServerRun = {
  readonly dataDirectory: string
  readonly calls: readonly SystemCall[]
  readonly before: VolumeFacts
  readonly after: VolumeFacts
  /** Versions whose removal already stood for bytes that went; this run's are added. */
  readonly spent: Set<string>
}

const removing = new Set(['unlink', 'unlinkat'])
const linking = new Set(['link', 'linkat'])
const growing = new Set(['ftruncate', 'fallocate'])

export function judgeRun(run: ServerRun): Judgement {
  const counts = { version: 0, upload: 0, replacedPart: 0, unused: 0 }
  const faults = [...run.after.faults, ...unrecorded(run.after), ...removedTwice(run.after.records)]
  const permitted = new Set<Waste>()
  for (const call of run.calls.filter(({ result }) => result === 0)) {
    for (const path of pathsOf(call, run.dataDirectory)) {
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
      const permission = permissionOf(run, bodyId, permitted)
      if (permission === null) faults.push(`the body ${bodyId} was removed without a permission of before`)
      else counts[permission] += 1
    }
  }
  return { counts, faults }
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

function permissionOf(
  { before, after, spent }: ServerRun,
  bodyId: string,
  permitted: Set<Waste>,
): Permission | null {
  const waste = before.waste.get(bodyId)
  if (waste === undefined) {
    // Published and dropped: by then nothing held it, and nothing that is over did.
    const isUnused = !before.held.has(bodyId) && !after.held.has(bodyId) && !after.waste.has(bodyId)
    return isUnused ? 'unused' : null
  }
  if (permitted.has(waste) || isRecorded(waste, before.records, spent)) {
    permitted.add(waste)
    return waste.kind
  }
  return null
}

/** Whether the chain of before the run permits it; a removed version stands for the bytes of one list only. */
function isRecorded(waste: Waste, records: readonly AuditRecord[], spent: Set<string>): boolean {
  switch (waste.kind) {
    case 'replacedPart':
      return true
    case 'upload':
      // Its beginning and its end.
      return allowed(records).filter(({ detail }) => detail?.['uploadId'] === waste.uploadId).length > 1
    case 'version': {
      const found = [...removedVersions(records)].find(
        ([versionId, written]) =>
          !spent.has(versionId) &&
          written.sizeBytes === waste.sizeBytes &&
          (written.sha256 === null || written.sha256 === waste.sha256),
      )
      if (found !== undefined) spent.add(found[0])
      return found !== undefined
    }
  }
}

function allowed(records: readonly AuditRecord[]): readonly AuditRecord[] {
  return records.filter(({ verdict }) => verdict === 'allow')
}

/** What each removed version was written with. */
function removedVersions(records: readonly AuditRecord[]): ReadonlyMap<string, AuditRecord> {
  const written = new Map<string, AuditRecord>()
  const removed = new Map<string, AuditRecord>()
  for (const record of allowed(records)) {
    if (record.versionId !== null && !written.has(record.versionId)) written.set(record.versionId, record)
    for (const versionId of removalsOf(record)) {
      const birth = written.get(versionId)
      if (birth !== undefined) removed.set(versionId, birth)
    }
  }
  return removed
}

/** The versions that are there are those that the chain leaves. */
function unrecorded({ records, versions }: VolumeFacts): readonly string[] {
  const left = new Set<string>()
  for (const record of allowed(records)) {
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
  for (const versionId of allowed(records).flatMap(removalsOf)) {
    if (gone.has(versionId)) faults.push(`version ${versionId} was removed twice`)
    gone.add(versionId)
  }
  return faults
}

function removalsOf({ versionId, lockAfter, detail }: AuditRecord): readonly string[] {
  const replaced = detail?.['replacedVersionId']
  const isRemoval = versionId !== null && lockAfter === null && detail?.['isDeleteMarker'] !== true
  return [...(isRemoval ? [versionId] : []), ...(typeof replaced === 'string' ? [replaced] : [])]
}
