import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import type { Cluster } from '../support/cluster/cluster.ts'
import type { RunningOperator } from '../support/operator.ts'
import { endSuite, startSuite } from '../support/operator-suite.ts'
import type { TestServer } from '../support/server.ts'

const address = inject('cluster')
const examples = join(import.meta.dirname, '../../examples/gitops/retention')

describe.runIf(address !== null)('examples/gitops on a real API server', () => {
  let cluster: Cluster
  let server: TestServer
  let operator: RunningOperator

  beforeAll(async () => {
    ;({ cluster, server, operator } = await startSuite(address, { verifyInterval: '1s' }))
    const created = await cluster.kubectl(['create', 'namespace', 'backup'])
    expect(created.code, created.stderr).toBe(0)
  })

  afterAll(() => endSuite({ operator, server }))

  test('retention: applied strictly, ready, and then kubectl diff of the same files exits 0', async () => {
    const applied = await cluster.kubectl(['apply', '--validate=strict', '-f', examples])
    expect(applied, applied.stderr).toMatchObject({ code: 0, stderr: '' })
    const objects = ['retpol/nightly', 'lbk/nightly']
    const waited = await cluster.kubectl([
      ...['wait', '-n', 'backup', '--for=condition=Ready', '--timeout=60s'],
      ...objects,
    ])
    expect(waited.code, waited.stderr + operator.logs()).toBe(0)
    for (const flags of [[], ['--server-side']]) {
      const diff = await cluster.kubectl(['diff', ...flags, '-f', examples])
      expect(diff, diff.stderr).toMatchObject({ code: 0, stdout: '' })
    }
  })

  test('retention: a revert to less days is seen as refused before the sync, by the server-side dry run', async () => {
    const stdin = JSON.stringify({
      apiVersion: 'holdfast.dev/v1',
      kind: 'RetentionPolicy',
      metadata: { name: 'nightly', namespace: 'backup' },
      spec: {
        defaultRetention: { mode: 'COMPLIANCE', days: 29 },
        rules: [{ prefix: 'monthly/', days: 366 }],
      },
    })
    const dryRun = await cluster.kubectl(['apply', '--dry-run=server', '-f', '-'], { stdin })
    expect(dryRun.code).toBe(1)
    expect(dryRun.stderr).toContain('can only get longer')
    const diff = await cluster.kubectl(['diff', '-f', examples])
    expect(diff).toMatchObject({ code: 0, stdout: '' })
  })
})
