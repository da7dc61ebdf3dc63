/** kube-score judges every rendering of the chart: nothing critical but what is declined here, each for a reason. */
import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { renderSet, valueSets } from '../support/chart.ts'
import { toolPath } from '../support/cluster/binaries.ts'

/** By kube-score's own names. */
const declined: Readonly<Record<string, string>> = {
  'container-image-pull-policy':
    'tags of releases do not move, a digest can be pinned, and a pod starts without a registry',
  'container-ephemeral-storage-request-and-limit':
    'nothing is written but logs, and an eviction would stop the server',
}
/** Of the one set of values that turns the NetworkPolicies off. */
const withoutPolicies: Readonly<Record<string, readonly string[]>> = { bare: ['pod-networkpolicy'] }
const gradeCritical = 1

type Comment = { readonly path: string; readonly summary: string }
type Check = {
  readonly check: { readonly id: string }
  readonly grade: number
  readonly skipped: boolean
  readonly comments: readonly Comment[] | null
}
type Scored = { readonly object_name: string; readonly checks: readonly Check[] }

/** `check: object: what is wrong`, of what is critical. */
function criticals(set: string): readonly string[] {
  // No CPU limit: throttling delays flushes.
  const args = ['score', '--kubernetes-version', 'v1.34', '--ignore-container-cpu-limit', '-o', 'json', '-']
  const { stdout, stderr } = spawnSync(toolPath('chart-tools', 'kube-score'), args, {
    input: renderSet(set).text,
    encoding: 'utf8',
  })
  expect(stderr).toBe('')
  const scored = JSON.parse(stdout) as readonly Scored[]
  const pods = ['StatefulSet', 'Deployment', 'Pod'].flatMap((kind) => renderSet(set).all(kind))
  const judged = scored.filter(({ checks }) => checks.some(({ check }) => check.id === 'container-resources'))
  expect(judged).toHaveLength(pods.length)
  return scored.flatMap(({ object_name, checks }) =>
    checks
      .filter(({ grade, skipped }) => grade <= gradeCritical && !skipped)
      .flatMap(({ check, comments }) =>
        (comments ?? []).map(({ path, summary }) => `${check.id}: ${object_name}: ${path} ${summary}`),
      ),
  )
}

const idOf = (critical: string) => critical.split(':')[0] ?? ''

test.each(valueSets)('kube-score, with the values %s: nothing critical that is not declined', (set) => {
  const excused = [...Object.keys(declined), ...(withoutPolicies[set] ?? [])]
  expect(criticals(set).filter((critical) => !excused.includes(idOf(critical)))).toEqual([])
})

test('kube-score: what is declined is what it finds critical, and nothing else', () => {
  expect([...new Set(criticals('default').map(idOf))].sort()).toEqual(Object.keys(declined).sort())
  expect(new Set(criticals('bare').map(idOf))).toContain('pod-networkpolicy')
})
