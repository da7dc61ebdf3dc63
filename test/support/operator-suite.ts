/** What the suites of the operator have in common: the tier's API server, a lock server, and the operator between them. */
import { expect } from 'vitest'
import { type Cluster, type ClusterAddress, connectCluster } from './cluster/cluster.ts'
import { type OperatorOptions, prepareCluster, type RunningOperator, startOperator } from './operator.ts'
import { OperatorRig } from './operator-rig.ts'
import { startTestServer, type TestServer } from './server.ts'

export type OperatorSuite = {
  readonly cluster: Cluster
  readonly server: TestServer
  readonly operator: RunningOperator
  readonly rig: OperatorRig
}

/** When the operator leads. */
export async function startSuite(
  address: ClusterAddress | null,
  options: Omit<OperatorOptions, 'cluster' | 'server'>,
): Promise<OperatorSuite> {
  if (address === null) throw new Error('the suite runs only with a control plane')
  const cluster = connectCluster(address)
  await prepareCluster(cluster)
  const server = await startTestServer()
  const operator = startOperator({ cluster, server, ...options })
  try {
    await operator.leads()
  } catch (error) {
    await operator.end('SIGKILL')
    await server.stop()
    throw error
  }
  return { cluster, server, operator, rig: new OperatorRig(cluster, server) }
}

/** An operator that is told to end says 0. */
export async function endSuite({
  operator,
  server,
}: Partial<Pick<OperatorSuite, 'operator' | 'server'>>): Promise<void> {
  const code = await operator?.end('SIGTERM')
  await server?.stop()
  expect(code).toBe(0)
}
