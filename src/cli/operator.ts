import { hostname } from 'node:os'
import { connectLockServer } from '../client/connect.ts'
import { ServerRefusedError } from '../client/lock-server.ts'
import type { SettingValues } from '../config/settings.ts'
import { SettingError } from '../config/values.ts'
import { limits } from '../lib/limits.ts'
import type { Log } from '../lib/log.ts'
import { Backoff } from '../operator/backoff.ts'
import { startHealthServer } from '../operator/health.ts'
import { connectKube, type KubeClient } from '../operator/kube.ts'
import { LeadershipLostError } from '../operator/leadership.ts'
import { OperatorMetrics } from '../operator/metrics.ts'
import { runOperator } from '../operator/run-operator.ts'
import { KubeSource, readClusterId } from '../operator/sources/kube.ts'
import { sleep, systemTimers } from '../operator/timers.ts'
import { systemClock } from '../platform/clock.ts'
import { createLog } from '../platform/log.ts'
import { commandSettings } from './command-settings.ts'
import { CredentialsError, credentialsOf } from './credentials.ts'
import { serverTrust } from './server-trust.ts'

const names = [
  'kubeconfig',
  'serverS3',
  'serverAdmin',
  'serverCa',
  'region',
  'clusterId',
  'holder',
  'verifyIntervalMs',
  'metricsListen',
  'logLevel',
  'operatorAccessKeyId',
  'operatorSecretAccessKey',
] as const
type OperatorSettings = SettingValues<(typeof names)[number]>

/**
 * Another operator leads: a restart would only take it back, so the caller can tell this end from a failure.
 */
export const leadershipLostExitCode = 3
const serverTimeoutMs = 10_000

/**
 * `holdfast operator`: the controllers against kube-apiserver, until SIGTERM. Exit codes: 1 failed, 2 wrong
 * use, 3 lost.
 */
export async function operatorCommand(argv: readonly string[]): Promise<number> {
  const summary = 'Runs the controllers against kube-apiserver and a lock server.'
  const settings = commandSettings({ command: 'holdfast operator', summary, names }, argv)
  if (settings.kind === 'exit') return settings.code
  const log = createLog({ level: settings.values.logLevel, component: 'operator' })
  const stop = new AbortController()
  const onSignal = () => stop.abort()
  process.once('SIGTERM', onSignal)
  process.once('SIGINT', onSignal)
  try {
    await operate(settings.values, log, stop.signal)
    return 0
  } catch (error) {
    return explain(error, log)
  } finally {
    process.off('SIGTERM', onSignal)
    process.off('SIGINT', onSignal)
  }
}

async function operate(values: OperatorSettings, log: Log, signal: AbortSignal): Promise<void> {
  const clock = systemClock()
  const credentials = credentialsOf(values.operatorAccessKeyId, values.operatorSecretAccessKey)
  if (credentials === null) {
    throw new CredentialsError(
      'set HOLDFAST_OPERATOR_ACCESS_KEY_ID and HOLDFAST_OPERATOR_SECRET_ACCESS_KEY to the key of the operator',
    )
  }
  const lockServer = connectLockServer({
    adminEndpoint: values.serverAdmin,
    s3Endpoint: values.serverS3,
    region: values.region,
    ...credentials,
    timeoutMs: serverTimeoutMs,
    trust: serverTrust(values.serverCa),
    clock,
  })
  const metrics = new OperatorMetrics()
  let notReady: string | null = 'starting: no leadership yet, or the objects are not listed yet'
  const { host, port } = values.metricsListen
  const health = await startHealthServer({ host, port, metrics, notReady: () => notReady })
  log.info({ port: health.port }, 'health and metrics')
  try {
    const client = connectKube(kubeConfigOrigin(values), { clock, timers: systemTimers })
    const holder = values.holder ?? hostname()
    const source = new KubeSource({ client, clock, timers: systemTimers, log, instance: holder })
    const clusterId = values.clusterId ?? (await waitForClusterId({ client, log }, signal))
    if (clusterId === null) return
    const onReady = () => {
      notReady = null
      log.info({ clusterId, apiServer: client.host }, 'the controllers work')
    }
    const { verifyIntervalMs } = values
    await runOperator({
      source,
      lockServer,
      clock,
      log,
      clusterId,
      holder,
      verifyIntervalMs,
      signal,
      metrics,
      onReady,
    })
    await source.stopped()
  } finally {
    await health.close()
    await lockServer.close()
  }
}

/** The API server may start after us. Null: aborted meanwhile. */
async function waitForClusterId(
  { client, log }: { client: KubeClient; log: Log },
  signal: AbortSignal,
): Promise<string | null> {
  const backoff = new Backoff({ delayMsMin: limits.kubeBackoffMsMin, delayMsMax: limits.kubeBackoffMsMax })
  while (!signal.aborted) {
    try {
      return await readClusterId(client, signal)
    } catch (error) {
      log.warn({ error: textOf(error) }, 'the API server does not say which cluster it is; trying again')
      await sleep(systemTimers, backoff.nextMs(), signal)
    }
  }
  return null
}

function kubeConfigOrigin({ kubeconfig }: OperatorSettings): Parameters<typeof connectKube>[0] {
  return kubeconfig === null ? { kind: 'default' } : { kind: 'file', path: kubeconfig }
}

function explain(error: unknown, log: Log): number {
  if (error instanceof LeadershipLostError) return leadershipLostExitCode
  if (error instanceof CredentialsError || error instanceof SettingError) {
    process.stderr.write(`holdfast operator: ${error.message}\n`)
    return 2
  }
  const detail = error instanceof ServerRefusedError ? { status: error.status, code: error.code } : {}
  log.error({ ...detail, error: textOf(error) }, 'the operator ends')
  return 1
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
