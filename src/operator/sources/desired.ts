import { formatViolations, type Manifest, parseManifest, validateManifest } from '../../api/manifest.ts'
import { limits } from '../../lib/limits.ts'
import type { ObjectRef } from '../objects.ts'
import type { AnyObject } from '../parse-object.ts'
import type { ManifestFile } from './manifest-files.ts'
import { refOf, stateName } from './state-files.ts'

/**
 * Why something was not taken. `file`: the file itself or one of its documents; `refused`: a rule of the CRD,
 * as the API server would answer 422, with the accepted object still in force; `duplicate`: an earlier file
 * says it already.
 */
export type ManifestProblem =
  | { readonly kind: 'file'; readonly file: string; readonly message: string }
  | { readonly kind: 'refused'; readonly file: string; readonly object: ObjectRef; readonly message: string }
  | {
      readonly kind: 'duplicate'
      readonly file: string
      readonly object: ObjectRef
      readonly message: string
    }

export type Desired = { readonly ref: ObjectRef; readonly manifest: Manifest; readonly file: string }

export type DesiredObjects = {
  readonly desired: readonly Desired[]
  readonly problems: readonly ManifestProblem[]
  /** Names (`stateName`) of accepted objects that stay although no readable manifest asks for them. */
  readonly keep: ReadonlySet<string>
}

type Read = { readonly desired: Desired[]; readonly problems: ManifestProblem[]; isWhole: boolean }

/**
 * What the files ask for, judged against the accepted objects. Pure. While any file is not understood whole,
 * nothing is deleted: it may be the one that holds the object.
 */
export function desiredObjects(
  files: readonly ManifestFile[],
  accepted: readonly AnyObject[],
): DesiredObjects {
  const read = readFiles(files)
  const held = new Map(accepted.map((object) => [stateName(refOf(object)), object]))
  const taken: Desired[] = []
  /** The first file that names an object owns it, also while its change is refused. */
  const claimed = new Map<string, Desired>()
  const problems = [...read.problems]
  const keep = new Set<string>(read.isWhole ? [] : held.keys())
  for (const wanted of read.desired) {
    const name = stateName(wanted.ref)
    const first = claimed.get(name)
    if (first !== undefined) {
      const message = `${first.file} says it already and comes first by name`
      problems.push({ kind: 'duplicate', file: wanted.file, object: wanted.ref, message })
      continue
    }
    claimed.set(name, wanted)
    const violations = validateManifest(held.get(name) ?? null, wanted.manifest)
    if (violations.length === 0) {
      taken.push(wanted)
      continue
    }
    keep.add(name)
    problems.push({
      kind: 'refused',
      file: wanted.file,
      object: wanted.ref,
      message: formatViolations(violations),
    })
  }
  return { desired: taken, problems, keep }
}

function readFiles(files: readonly ManifestFile[]): Read {
  const read: Read = { desired: [], problems: [], isWhole: true }
  for (const { name: file, documents, problem } of files) {
    if (problem !== null) {
      read.isWhole = false
      read.problems.push({ kind: 'file', file, message: problem })
    }
    const invalid: string[] = []
    for (const document of documents.slice(0, limits.manifestObjectsMax)) {
      const result = parseManifest(document)
      if (result.kind === 'invalid') {
        invalid.push(formatViolations(result.violations))
        continue
      }
      const { manifest } = result
      const ref = {
        kind: manifest.kind,
        namespace: manifest.metadata.namespace,
        name: manifest.metadata.name,
      }
      read.desired.push({ ref, manifest, file })
    }
    if (invalid.length === 0) continue
    read.isWhole = false
    read.problems.push({
      kind: 'file',
      file,
      message: invalid.join(' | ').slice(0, limits.conditionMessageLengthMax),
    })
  }
  return read
}
