/** Argo CD's side of the kinds: its ConfigMap, and health.lua run by the real interpreter. */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeCrds } from '../../src/api/crd.ts'
import { apiGroup } from '../../src/api/metadata.ts'
import { formatYaml } from '../../src/operator/sources/yaml.ts'

const healthPath = join(import.meta.dirname, '../../examples/gitops/argocd/health.lua')

/** A merge patch for the ConfigMap argocd-cm: the same script for each kind. */
export function makeArgoConfig(): string {
  const script = readFileSync(healthPath, 'utf8')
  const kinds = makeCrds().map(({ crd }) => JSON.parse(JSON.stringify(crd)).spec.names.kind)
  const data = Object.fromEntries(
    kinds.map((kind: string) => [`resource.customizations.health.${apiGroup}_${kind}`, script]),
  )
  return `# Printed from health.lua by \`npm run docs:operations\`.\n${formatYaml({ data })}`
}

/** Runs health.lua on the object, as Argo CD does: the object is the global `obj`, the result is returned. */
export function argoHealth(object: object): string {
  const program = `obj = ${lua(object)}\nlocal health = dofile(${JSON.stringify(healthPath)})\nio.write(health.status, ' ', health.message)`
  const { status, stdout, stderr } = spawnSync('lua5.4', ['-'], { input: program, encoding: 'utf8' })
  if (status !== 0) throw new Error(`health.lua: ${stderr}`)
  return stdout
}

/** A value as a Lua literal; texts byte by byte, so that no quoting is trusted. */
function lua(value: unknown): string {
  if (Array.isArray(value)) return `{${value.map(lua).join(', ')}}`
  if (typeof value === 'object' && value !== null) {
    const fields = Object.entries(value).filter(([, each]) => each !== undefined)
    return `{${fields.map(([name, each]) => `[${lua(name)}] = ${lua(each)}`).join(', ')}}`
  }
  if (typeof value !== 'string') return String(value ?? 'nil')
  return `"${[...Buffer.from(value)].map((byte) => `\\${String(byte).padStart(3, '0')}`).join('')}"`
}
