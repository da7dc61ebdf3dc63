/** JSON schemas of every kind that an API server serves, out of its OpenAPI documents, as kubeconform reads them. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Cluster } from './cluster/cluster.ts'
import { until } from './cluster/until.ts'

/** `apiVersion` and `kind` of an object. */
export type TypeOf = { readonly apiVersion: string; readonly kind: string }

type Schema = { readonly [field: string]: unknown }
type Document = { readonly components: { readonly schemas: Readonly<Record<string, Schema>> } }
type GroupVersionKind = { readonly group: string; readonly version: string; readonly kind: string }

const waitMs = 90_000

/** Of kubeconform's --schema-location, below the folder; the core group is that of its version. */
export const schemaLocation = '{{.Group}}/{{.ResourceKind}}_{{.ResourceAPIVersion}}.json'

/** Writes a file for each type. Waits while the server's documents lack one: they follow the CRDs a little later. */
export async function writeSchemas(
  cluster: Cluster,
  folder: string,
  types: readonly TypeOf[],
): Promise<void> {
  const apiVersions = new Set(types.map(({ apiVersion }) => apiVersion))
  for (const apiVersion of apiVersions) {
    const kinds = new Set(types.filter((type) => type.apiVersion === apiVersion).map(({ kind }) => kind))
    const schemas = await until(`schemas of ${apiVersion} ${[...kinds]}`, waitMs, async () => {
      const found = await schemasOf(cluster, apiVersion)
      return found !== null && [...kinds].every((kind) => nameOf(found, apiVersion, kind) !== null)
        ? found
        : null
    })
    const group = apiVersion.split('/')[0] ?? ''
    const version = apiVersion.split('/').at(-1) ?? ''
    mkdirSync(join(folder, group), { recursive: true })
    const definitions = join(folder, group, `${version}.definitions.json`)
    const closedSchemas = Object.entries(schemas).map(([name, schema]) => [name, closed(schema)])
    writeFileSync(definitions, JSON.stringify({ components: { schemas: Object.fromEntries(closedSchemas) } }))
    for (const kind of kinds) {
      const $ref = `${pathToFileURL(definitions)}#/components/schemas/${nameOf(schemas, apiVersion, kind)}`
      const file = `${kind.toLowerCase()}_${version}.json`
      writeFileSync(join(folder, group, file), JSON.stringify({ $ref }))
    }
  }
}

/** null: the server does not serve it yet. */
async function schemasOf(
  cluster: Cluster,
  apiVersion: string,
): Promise<Document['components']['schemas'] | null> {
  const path = apiVersion.includes('/') ? `apis/${apiVersion}` : `api/${apiVersion}`
  const { status, json } = await cluster.request({ method: 'GET', path: `/openapi/v3/${path}` })
  return status === 200 ? (json() as Document).components.schemas : null
}

/** Which of the document's schemas is that of the kind. */
function nameOf(schemas: Document['components']['schemas'], apiVersion: string, kind: string): string | null {
  const isIt = (type: GroupVersionKind) =>
    type.kind === kind && [type.group, type.version].filter((part) => part !== '').join('/') === apiVersion
  const found = Object.entries(schemas).find(([, schema]) =>
    ((schema['x-kubernetes-group-version-kind'] ?? []) as readonly GroupVersionKind[]).some(isIt),
  )
  return found?.[0] ?? null
}

/** Refuses fields that the schema does not name, as `--validate=strict` does; what is null is as good as not there. */
function closed(schema: Schema): Schema {
  const entries = Object.entries(schema).map(([field, value]) => {
    if (field === 'properties') return [field, mapped(value as Readonly<Record<string, Schema>>)]
    const isSchema = ['items', 'additionalProperties'].includes(field) && typeof value === 'object'
    return [field, isSchema ? closed(value as Schema) : value]
  })
  const own = Object.fromEntries(entries) as Schema
  const type = schema['nullable'] === true ? { type: [schema['type'], 'null'] } : {}
  const isOpen =
    schema['properties'] === undefined ||
    schema['additionalProperties'] !== undefined ||
    schema['x-kubernetes-preserve-unknown-fields'] === true ||
    schema['x-kubernetes-embedded-resource'] === true
  return { ...own, ...type, ...(isOpen ? {} : { additionalProperties: false }) }
}

function mapped(properties: Readonly<Record<string, Schema>>): Readonly<Record<string, Schema>> {
  return Object.fromEntries(Object.entries(properties).map(([name, schema]) => [name, closed(schema)]))
}
