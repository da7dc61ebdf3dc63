import type { TestProject } from 'vitest/node'
import { CLUSTER_TIER_NOT_RUN, findBinaries } from './binaries.ts'
import type { ClusterAddress } from './cluster.ts'
import { startControlPlane } from './control-plane.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** The control plane that all tests of a run share; null if it is not built. For connectCluster. */
    cluster: ClusterAddress | null
  }
}

/**
 * vitest's globalSetup of the cluster tier: one control plane for the run; the returned function stops it. If a
 * program is missing, says so and provides null, and the tests skip themselves.
 */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const binaries = findBinaries()
  if (binaries.kind === 'missing') {
    console.log(CLUSTER_TIER_NOT_RUN)
    console.log(binaries.advice)
    project.provide('cluster', null)
    return async () => undefined
  }
  const controlPlane = await startControlPlane()
  project.provide('cluster', controlPlane.address)
  return async () => {
    try {
      controlPlane.assertRunning()
    } finally {
      await controlPlane.stop()
    }
  }
}
