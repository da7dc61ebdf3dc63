/** The CustomResourceDefinitions of others, as they publish them: tools/foreign-kinds says of which releases. */
import { expect } from 'vitest'
import { toolPath } from './cluster/binaries.ts'
import type { Cluster } from './cluster/cluster.ts'

/** Returns when the API server serves all of them. */
export async function installForeignKinds(cluster: Cluster): Promise<void> {
  const folder = toolPath('chart-tools', 'foreign-kinds')
  // By the server: some are larger than the annotation in which a client would note them.
  for (const args of [
    ['apply', '--server-side', '-f', folder],
    ['wait', '--for=condition=Established', '--timeout=60s', '-f', folder],
  ]) {
    const { code, stderr } = await cluster.kubectl(args)
    expect(code, stderr).toBe(0)
  }
}
