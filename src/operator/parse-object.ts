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

/** As `parseObject`, of one kind. */
export function parseObjectOf<Kind extends ObjectKind>(kind: Kind, raw: unknown): ObjectByKind[Kind] {
  const object = parseObject(raw)
  if (object.kind !== kind) throw new Error(`${nameOf(raw)} is not a ${kind}`)
  return object as ObjectByKind[Kind]
}

function nameOf(raw: unknown): string {
  if (typeof raw !== 'object' || raw === null) return 'an object'
  const metadata: unknown = Reflect.get(raw, 'metadata')
  if (typeof metadata !== 'object' || metadata === null) return 'an object'
  return `${String(Reflect.get(metadata, 'namespace'))}/${String(Reflect.get(metadata, 'name'))}`
}
