/**
 * kubeconform and the API server itself judge every rendering of the chart and every example: the schemas are those of a real API
 * server, with our kinds and those of others as they publish them.
 */
import { spawnSync } from 'node:child_process'
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type KubeObject, parseObjects, renderSet, root, valueSets } from '../support/chart.ts'
import { toolPath } from '../support/cluster/binaries.ts'
import { type ControlPlane, startControlPlane } from '../support/cluster/control-plane.ts'
import { installForeignKinds } from '../support/foreign-kinds.ts'
import { schemaLocation, writeSchemas } from '../support/kube-schemas.ts'

/** No objects: what kubectl kustomize reads (kustomize.test.ts), and a patch of Argo CD's ConfigMap. */
const others = ['kustomization.yaml', 'argocd-cm.yaml']
const examples = globSync('examples/**/*.yaml', { cwd: root })
  .filter((path) => !others.includes(basename(path)))
  .sort()
const objectsOf = (path: string) => parseObjects(readFileSync(join(root, path), 'utf8'))

let cluster: ControlPlane
let folder: string

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-schemas-'))
  cluster = await startControlPlane()
  const { code, stderr } = await cluster.kubectl(['apply', '-f', join(root, 'crds')])
  expect(code, stderr).toBe(0)
  await installForeignKinds(cluster, 'examples')
  const all = [...valueSets.flatMap((set) => renderSet(set).objects), ...examples.flatMap(objectsOf)]
  await writeSchemas(cluster, folder, all)
})

afterAll(async () => {
  await cluster.stop()
  rmSync(folder, { recursive: true })
})

type Verdict = {
  readonly name: string
  readonly kind: string
  readonly status: string
  readonly msg?: string
}

/** What kubeconform says of each object of the text; throws if it does not end as it says. */
function kubeconform(text: string): readonly Verdict[] {
  const location = `${folder}/${schemaLocation}`
  const args = ['-strict', '-verbose', '-output', 'json', '-schema-location', location]
  const { status, stdout, stderr } = spawnSync(toolPath('chart-tools', 'kubeconform'), args, {
    input: text,
    encoding: 'utf8',
  })
  const { resources } = JSON.parse(stdout) as { resources: readonly Verdict[] }
  const isValid = resources.every((resource) => resource.status === 'statusValid')
  expect(status, stderr).toBe(isValid ? 0 : 1)
  return resources
}

function expectValid(text: string, objects: readonly KubeObject[]): void {
  const verdicts = kubeconform(text)
  expect(verdicts.filter(({ status }) => status !== 'statusValid')).toEqual([])
  const names = (list: readonly (readonly [string, string])[]) => list.map((one) => one.join(' ')).sort()
  expect(names(verdicts.map(({ kind, name }) => [kind, name]))).toEqual(
    names(objects.map(({ kind, metadata }) => [kind, metadata.name])),
  )
}

describe('kubeconform, with the schemas of the API server', () => {
  test.each(valueSets)('the chart, with the values %s: every object is valid, no field is unknown', (set) => {
    const { text, objects } = renderSet(set)
    expectValid(text, objects)
  })

  test.each(examples)('%s: every object is valid, no field is unknown', (path) => {
    const objects = objectsOf(path)
    expect(objects.length).toBeGreaterThan(0)
    expectValid(readFileSync(join(root, path), 'utf8'), objects)
  })

  test.each([
    ['our own', 'examples/velero/bucket.yaml', 'retentionPolicyRef', 'retentionPolicyReference'],
    ['of Velero', 'examples/velero/backup-storage-location.yaml', 'objectStorage', 'objectStore'],
    ['of CloudNativePG', 'examples/cloudnative-pg/cluster.yaml', 'instances', 'instancez'],
    ['of Kubernetes', 'examples/kustomize/base/server.yaml', 'volumeMounts', 'volumeMount'],
  ])('a field that a kind %s does not have: refused, so the check is one', (_whose, path, field, wrong) => {
    const text = readFileSync(join(root, path), 'utf8').replace(`${field}:`, `${wrong}:`)
    const said = kubeconform(text).flatMap(({ msg }) => msg ?? [])
    expect(said.join('\n')).toContain(`additional properties '${wrong}' not allowed`)
  })

  test('a value of another type, and a key that is there twice: refused', () => {
    const text = readFileSync(join(root, 'examples/cloudnative-pg/cluster.yaml'), 'utf8')
    const wrong = text.replace('instances: 3', 'instances: three')
    expect(JSON.stringify(kubeconform(wrong))).toContain("/spec/instances': got string, want integer")
    const twice = text.replace('instances: 3', 'instances: 3\n  instances: 4')
    expect(JSON.stringify(kubeconform(twice))).toContain('already set in map')
  })
})

test('the API server: takes every example with strict validation', async () => {
  const namespaces = new Set(examples.flatMap(objectsOf).flatMap(({ metadata }) => metadata.namespace ?? []))
  for (const name of namespaces) await cluster.kubectl(['create', 'namespace', name])
  const files = examples.flatMap((path) => ['-f', join(root, path)])
  const args = ['apply', '--dry-run=server', '--validate=strict', '-o', 'name', ...files]
  const { code, stdout, stderr } = await cluster.kubectl(args)
  expect(code, stderr).toBe(0)
  expect(stdout.trim().split('\n')).toHaveLength(examples.flatMap(objectsOf).length)
})
