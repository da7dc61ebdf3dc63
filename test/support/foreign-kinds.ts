/** The CustomResourceDefinitions of others, as they publish them: tools/foreign-kinds says of which releases. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import { toolPath } from './cluster/binaries.ts'
import type { Cluster } from './cluster/cluster.ts'

/** Whose kinds the chart renders. */
const groupsOfChart = ['cert-manager.io_', 'gateway.networking.k8s.io_', 'monitoring.coreos.com_']

/** Those that the chart renders, or all that an example has too. Returns when the API server serves them. */
export async function installForeignKinds(cluster: Cluster, whose: 'chart' | 'examples'): Promise<void> {
  const folder = toolPath('chart-tools', 'foreign-kinds')
  const isWanted = (name: string) =>
    whose === 'examples' || groupsOfChart.some((group) => name.startsWith(group))
  const files = readdirSync(folder)
    .filter(isWanted)
    .flatMap((name) => ['-f', join(folder, name)])
  // By the server: some are larger than the annotation in which a client would note them.
  for (const args of [
    ['apply', '--server-side', ...files],
    ['wait', '--for=condition=Established', '--timeout=60s', ...files],
  ]) {
    const { code, stderr } = await cluster.kubectl(args)
    expect(code, stderr).toBe(0)
  }
}
