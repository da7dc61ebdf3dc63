/** The chart as Helm renders it, as objects. */
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import { parseAllDocuments, stringify } from 'yaml'
import { toolPath } from './cluster/binaries.ts'

export const root = join(import.meta.dirname, '../..')
export const chartFolder = join(root, 'charts/holdfast')
export const valuesFolder = join(root, 'test/chart/values')
/** Values as different users would set them; each has a golden rendering. */
export const valueSets = readdirSync(valuesFolder).map((name) => basename(name, '.yaml'))

export type KubeObject = {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: {
    readonly name: string
    readonly namespace?: string
    readonly labels?: Readonly<Record<string, string>>
    readonly annotations?: Readonly<Record<string, string>>
  }
  readonly [field: string]: unknown
}

export type Rendering = {
  /** As Helm prints it. */
  readonly text: string
  readonly objects: readonly KubeObject[]
  /** The one object of this kind whose name ends so. Throws if there is none, or more than one. */
  readonly one: (kind: string, nameEnd?: string) => KubeObject
  readonly all: (kind: string) => readonly KubeObject[]
}

export const release = { name: 'holdfast', namespace: 'holdfast-system' } as const

let helmPath: string | null = null

export function helm(args: readonly string[], stdin = ''): { code: number; stdout: string; stderr: string } {
  helmPath ??= toolPath('helm', 'helm')
  const { status, stdout, stderr } = spawnSync(helmPath, [...args], { input: stdin, encoding: 'utf8' })
  return { code: status ?? -1, stdout, stderr }
}

/** Values over the defaults; `args` are further ones of `helm template`. */
export function render(values: object, args: readonly string[] = []): Rendering {
  const given = ['template', release.name, chartFolder, '--namespace', release.namespace, '--values', '-']
  const { code, stdout, stderr } = helm([...given, ...args], JSON.stringify(values))
  if (code !== 0) throw new Error(stderr)
  return renderingOf(stdout, parseObjects(stdout))
}

const rendered = new Map<string, Rendering>()

/** Rendered once a test file. */
export function renderSet(name: string): Rendering {
  const found = rendered.get(name) ?? render({}, ['--values', join(valuesFolder, `${name}.yaml`)])
  rendered.set(name, found)
  return found
}

/** What Helm says of values that it refuses; throws if it renders them. */
export function refusal(values: object): string {
  const given = ['template', release.name, chartFolder, '--values', '-']
  const { code, stderr } = helm(given, JSON.stringify(values))
  if (code === 0) throw new Error(`the chart took ${JSON.stringify(values)}`)
  return stderr
}

/** Errors: the text is no YAML, or a key is there twice. */
export function parseObjects(text: string): KubeObject[] {
  const documents = parseAllDocuments(text, { uniqueKeys: true })
  if (!Array.isArray(documents)) return []
  return documents.flatMap((document) => {
    const [error] = document.errors
    if (error !== undefined) throw new Error(`${error.message}\n${String(document)}`)
    const value: unknown = document.toJS()
    return value === null ? [] : [value as KubeObject]
  })
}

/** As Kubernetes reads it, which takes `yes` without quotes for true. */
export function yamlOf(object: KubeObject): string {
  return stringify(object, { version: '1.1', aliasDuplicateObjects: false, lineWidth: 0 })
}

function renderingOf(text: string, objects: readonly KubeObject[]): Rendering {
  const all = (kind: string) => objects.filter((object) => object.kind === kind)
  const one = (kind: string, nameEnd = '') => {
    const found = all(kind).filter(({ metadata }) => metadata.name.endsWith(nameEnd))
    const [object] = found
    if (object === undefined || found.length > 1) {
      throw new Error(`${found.length} objects of kind ${kind} end in "${nameEnd}"`)
    }
    return object
  }
  return { text, objects, one, all }
}

/** The field at a path, with numbers for places in lists; throws where there is none. */
export function at(object: unknown, ...path: readonly (string | number)[]): unknown {
  let value = object
  for (const name of path) {
    const next = (value as Readonly<Record<string | number, unknown>> | undefined)?.[name]
    if (next === undefined) throw new Error(`there is no ${path.join('.')}`)
    value = next
  }
  return value
}

export type Pod = {
  readonly metadata: {
    readonly labels: Readonly<Record<string, string>>
    readonly annotations: Readonly<Record<string, string>>
  }
  readonly spec: {
    readonly containers: readonly Container[]
    readonly volumes: readonly NamedObject[]
  } & Readonly<Record<string, unknown>>
}
type NamedObject = { readonly name: string } & Readonly<Record<string, unknown>>
type Container = {
  readonly name: string
  readonly image: string
  readonly args: readonly string[]
  readonly env?: readonly NamedObject[]
  readonly volumeMounts: readonly NamedObject[]
} & Readonly<Record<string, unknown>>

export function podOf(workload: KubeObject): Pod {
  if (workload.kind === 'Pod') return workload as unknown as Pod
  return at(workload, 'spec', 'template') as Pod
}

/** Flag and value of `--flag=value`; throws if one is there twice. */
export function flagsOf(pod: Pod): ReadonlyMap<string, string> {
  const flags = new Map<string, string>()
  for (const argument of pod.spec.containers[0]?.args.slice(1) ?? []) {
    const [flag = '', ...rest] = argument.split('=')
    if (flags.has(flag)) throw new Error(`${flag} is given twice`)
    flags.set(flag, rest.join('='))
  }
  return flags
}
