import { annotations } from '../api/annotations.ts'
import { formatViolations, parseObject as parse } from '../api/manifest.ts'
import type { ObjectByKind, ObjectKind } from './objects.ts'

/** Any object that the controllers know. */
export type AnyObject = ObjectByKind[ObjectKind]

/** An object as a server holds it. Throws an Error that names what cannot be understood. */
export function parseObject(raw: unknown): AnyObject {
  const result = parse(raw)
  if (result.kind === 'object') return result.object
  throw new Error(`${nameOf(raw)}: ${formatViolations(result.violations)}`)
}

const ownAnnotations: ReadonlySet<string> = new Set(Object.values(annotations))

/**
 * As `parseObject`, of one kind, with nothing that we never read: others may write 1.5 MB of labels and annotations on an
 * object, and every object is held.
 */
export function parseObjectOf<Kind extends ObjectKind>(kind: Kind, raw: unknown): ObjectByKind[Kind] {
  const object = parseObject(raw)
  if (object.kind !== kind) throw new Error(`${nameOf(raw)} is not a ${kind}`)
  const { labels: _, annotations: written, ...metadata } = object.metadata
  const own = Object.entries(written ?? {}).filter(([name]) => ownAnnotations.has(name))
  const kept = own.length === 0 ? metadata : { ...metadata, annotations: Object.fromEntries(own) }
  return { ...object, metadata: kept } as ObjectByKind[Kind]
}

function nameOf(raw: unknown): string {
  if (typeof raw !== 'object' || raw === null) return 'an object'
  const metadata: unknown = Reflect.get(raw, 'metadata')
  if (typeof metadata !== 'object' || metadata === null) return 'an object'
  return `${String(Reflect.get(metadata, 'namespace'))}/${String(Reflect.get(metadata, 'name'))}`
}
