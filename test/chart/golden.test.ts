/** `vitest run --project chart -u` writes them anew; the difference is for the reviewer. */
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type KubeObject, render, renderSet, root, valueSets, yamlOf } from '../support/chart.ts'

/** Generated as a whole and compared with their source elsewhere. */
const elsewhere = [
  'CustomResourceDefinition',
  'ValidatingAdmissionPolicy',
  'ValidatingAdmissionPolicyBinding',
  'PrometheusRule',
]

function golden(objects: readonly KubeObject[]): string {
  const texts = objects
    .filter(({ kind, metadata }) => !elsewhere.includes(kind) && !metadata.name.endsWith('-dashboard'))
    .map((object) => yamlOf(object))
  return texts.join('---\n')
}

describe('golden renderings', () => {
  test('golden: six sets of values have one', () => {
    expect(valueSets).toEqual(['bare', 'cert-manager', 'default', 'full', 'namespaced', 'own-secrets'])
  })

  test.each(valueSets)('golden: %s renders as it did', async (name) => {
    const { objects } = renderSet(name)
    await expect(golden(objects)).toMatchFileSnapshot(join(root, `test/chart/golden/${name}.yaml`))
  })

  test('golden: values of an older release (helm upgrade --reuse-values), which lack what is newer, render as the defaults', () => {
    const older = {
      admission: { otherOperators: null },
      server: { backup: null, volumeId: null, scrubBytesPerSecond: null },
    }
    expect(golden(render(older).objects)).toBe(golden(renderSet('default').objects))
  })
})
