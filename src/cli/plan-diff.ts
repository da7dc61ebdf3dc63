import type { Manifest } from '../api/manifest.ts'

/** Every field that differs, a line each, as `spec.defaultRetention.days: 30 becomes 60`. Lists are told whole. */
export function manifestChanges(old: Manifest, next: Manifest): readonly string[] {
  return ['labels', 'annotations']
    .flatMap((field) =>
      changes(`metadata.${field}`, fieldOf(old.metadata, field), fieldOf(next.metadata, field)),
    )
    .concat(changes('spec', old.spec, next.spec))
}

function changes(path: string, old: unknown, next: unknown): readonly string[] {
  if (isMap(old) && isMap(next)) {
    const names = [...new Set([...Object.keys(old), ...Object.keys(next)])]
    return names.flatMap((name) => changes(`${path}.${name}`, fieldOf(old, name), fieldOf(next, name)))
  }
  const [from, to] = [textOf(old), textOf(next)]
  return from === to ? [] : [`${path}: ${from} becomes ${to}`]
}

function isMap(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function fieldOf(value: object, field: string): unknown {
  return new Map<string, unknown>(Object.entries(value)).get(field)
}

/** With sorted names, so that their order is no difference. */
function textOf(value: unknown): string {
  if (value === undefined) return 'absent'
  return JSON.stringify(value, (_name, each: unknown) =>
    isMap(each) ? Object.fromEntries(Object.entries(each).sort(([a], [b]) => (a < b ? -1 : 1))) : each,
  )
}
