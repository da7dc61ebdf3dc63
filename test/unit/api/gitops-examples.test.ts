import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parseManifest } from '../../../src/api/manifest.ts'
import { parseYaml } from '../../../src/operator/sources/yaml.ts'
import { makeArgoConfig } from '../../support/argocd.ts'

const folder = join(import.meta.dirname, '../../../examples/gitops')

/** As much as is asked about, of a Kustomization, an Application or an object of ours. */
type Example = {
  readonly metadata: { readonly name: string; readonly annotations: Readonly<Record<string, string>> }
  readonly spec: {
    readonly prune?: boolean
    readonly healthCheckExprs?: readonly { readonly kind: string }[]
    readonly syncPolicy?: { readonly automated: { readonly prune: boolean } }
  }
}

function documents(path: string): readonly Example[] {
  const parsed = parseYaml(readFileSync(join(folder, path), 'utf8'))
  if (parsed.kind === 'bad') throw new Error(`${path}: ${parsed.message}`)
  return JSON.parse(JSON.stringify(parsed.documents))
}

describe('examples/gitops', () => {
  test('argocd-cm.yaml: holds health.lua for each kind, else npm run docs:operations', async () => {
    await expect(makeArgoConfig()).toMatchFileSnapshot(join(folder, 'argocd/argocd-cm.yaml'))
  })

  test('retention: valid, policies in the wave before buckets, nothing is pruned by itself', () => {
    const objects = [...documents('retention/policy.yaml'), ...documents('retention/bucket.yaml')]
    expect(objects.map((each) => parseManifest(each).kind)).toEqual(['manifest', 'manifest'])
    const waves = objects.map(({ metadata }) => Number(metadata.annotations['argocd.argoproj.io/sync-wave']))
    expect(waves).toEqual([0, 1])
    for (const { metadata } of objects) {
      expect(metadata.annotations).toMatchObject({
        'argocd.argoproj.io/sync-options': 'Prune=confirm,Delete=confirm',
        'kustomize.toolkit.fluxcd.io/prune': 'disabled',
      })
    }
  })

  test('flux: the objects wait for the kinds, and each of their kinds has its expressions', () => {
    const [install, retention] = documents('flux/kustomizations.yaml')
    expect(install?.spec).toMatchObject({ prune: false, wait: true })
    expect(retention?.spec).toMatchObject({
      dependsOn: [{ name: install?.metadata.name }],
      wait: true,
      deletionPolicy: 'Orphan',
    })
    const expressions = retention?.spec.healthCheckExprs ?? []
    expect(expressions.map(({ kind }) => kind)).toEqual([
      'RetentionPolicy',
      'LockedBucket',
      'BucketAccess',
      'ClusterRetentionPolicy',
    ])
    for (const each of expressions)
      expect(Object.keys(each)).toEqual(['apiVersion', 'kind', 'inProgress', 'failed', 'current'])
  })

  test('argocd: the kinds come before the objects, and neither is pruned', () => {
    const [install, retention] = documents('argocd/applications.yaml')
    const wave = (each: Example | undefined) =>
      Number(each?.metadata.annotations['argocd.argoproj.io/sync-wave'])
    expect(wave(install)).toBeLessThan(wave(retention))
    for (const each of [install, retention]) expect(each?.spec.syncPolicy?.automated.prune).toBe(false)
    expect(retention?.metadata.annotations['argocd.argoproj.io/compare-options']).toBe('ServerSideDiff=true')
  })
})
