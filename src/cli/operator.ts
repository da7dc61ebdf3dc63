import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import { connectLockServer } from '../client/connect.ts'
import { type LockServer, ServerRefusedError } from '../client/lock-server.ts'
import type { SettingValues } from '../config/settings.ts'
import { SettingError } from '../config/values.ts'
import { unreachable } from '../lib/assert.ts'
import type { Clock } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import { AdmissionGuard } from '../operator/admission/guard.ts'
import { releaseMetadata } from '../operator/bootstrap/secrets.ts'
import { type ElectionState, LeaseElection, leasePeriodsProblem } from '../operator/election.ts'
import { type Readiness, startHealthServer } from '../operator/health.ts'
import { CheckpointConfigMap } from '../operator/history/checkpoint-config-map.ts'
import { VolumeHistory } from '../operator/history/volume-history.ts'
import { connectKube, type KubeClient } from '../operator/kube.ts'
import { LeadershipLostError } from '../operator/leadership.ts'
import { OperatorMetrics } from '../operator/metrics.ts'
import { runOperator } from '../operator/run-operator.ts'
import { KubeSource, readClusterId } from '../operator/sources/kube.ts'
import { StorageGuard } from '../operator/storage/storage-guard.ts'
import { storageStatus } from '../operator/storage/storage-state.ts'
import { systemTimers } from '../operator/timers.ts'
import { systemClock } from '../platform/clock.ts'
import { createLog } from '../platform/log.ts'
import { openCheckpoint, publicHalf, signCheckpoint } from '../store/checkpoint.ts'
import { commandSettings } from './command-settings.ts'
import { CredentialsError, generateCredentials } from './credentials.ts'
import { operatorAccess } from './operator-access.ts'
import { persistently } from './persistently.ts'

const names = [
  'kubeconfig',
  'watchNamespaces',
  'operators',
  'serverS3',
  'serverAdmin',
  'serverCa',
  'serverNames',
  'storageClaims',
  'release',
  'region',
  'clusterId',
  'holder',
  'leaseNamespace',
  'leaseName',
  'leaseDurationMs',
  'renewDeadlineMs',
  'retryPeriodMs',
  'verifyIntervalMs',
  'watchSilenceMs',
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
  const problem = leasePeriodsProblem(settings.values)
  if (problem !== null) {
    process.stderr.write(`holdfast operator: ${problem}\n`)
    return 2
  }
  const { watchNamespaces, clusterId } = settings.values
  if (watchNamespaces !== null && clusterId === null) {
    process.stderr.write(
      'holdfast operator: --watch-namespaces needs --cluster-id: reading the uid of kube-system takes a ClusterRole\n',
    )
    return 2
  }
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
  const metrics = new OperatorMetrics(values.leaseName)
  let readiness: Readiness = { kind: 'notReady', text: 'starting: the objects are not listed yet' }
  const { host, port } = values.metricsListen
  const health = await startHealthServer({ host, port, metrics, readiness: () => readiness })
  log.info({ port: health.port }, 'health and metrics')
  const connect = () =>
    connectKube(kubeConfigOrigin(values), {
      clock,
      timers: systemTimers,
      watchSilenceMsMax: values.watchSilenceMs,
      onAnswer: (answer) => metrics.countRequest(answer),
    })
  let lockServer: LockServer | null = null
  try {
    const client = connect()
    const access = await operatorAccess(values, { client, clock, log }, signal)
    if (access === null) return
    const { credentials, trust, authority, checkpointKey } = access
    lockServer = connectLockServer({
      adminEndpoint: values.serverAdmin,
      s3Endpoint: values.serverS3,
      region: values.region,
      ...credentials,
      timeoutMs: serverTimeoutMs,
      trust,
      clock,
    })
    const holder = values.holder ?? hostname()
    const storage = storageGuard(values, { client, log, metrics })
    const source = kubeSource(values, { client, clock, log, metrics, holder, storage })
    const clusterId = values.clusterId ?? (await waitForClusterId({ client, log }, signal))
    if (clusterId === null) return
    const election = new LeaseElection({
      client: connect(),
      clock,
      timers: systemTimers,
      log,
      name: { namespace: values.leaseNamespace, name: values.leaseName },
      // A pod that starts again is another candidate: its former self may still be at work.
      identity: `${holder}_${randomUUID()}`,
      periods: values,
      onState: (state) => {
        readiness = { kind: 'ready', text: stateText(state) }
      },
    })
    const onReady = (epoch: number) => {
      readiness = { kind: 'ready', text: `leading: epoch ${epoch}` }
      log.info({ epoch, clusterId, apiServer: client.host }, 'the controllers work')
    }
    const { verifyIntervalMs } = values
    await runOperator({
      election,
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
      secrets: {
        client,
        makeKey: generateCredentials,
        authorityOf: (endpoint) => authority?.of(endpoint) ?? null,
      },
      storage,
      history: new VolumeHistory({
        ...{ lockServer, clock, timers: systemTimers, log, metrics },
        store: checkpointStore(values, { client, checkpointKey }),
      }),
    })
    await source.stopped()
  } finally {
    await health.close()
    await lockServer?.close()
  }
}

type SourceParts = {
  readonly client: KubeClient
  readonly clock: Clock
  readonly log: Log
  readonly metrics: OperatorMetrics
  readonly holder: string
  readonly storage: StorageGuard
}

/** What the lock server keeps its data on, in the operator's own namespace. */
function storageGuard(
  { leaseNamespace, leaseName, storageClaims }: OperatorSettings,
  { client, log, metrics }: Pick<SourceParts, 'client' | 'log' | 'metrics'>,
): StorageGuard {
  const storage = new StorageGuard({
    client,
    timers: systemTimers,
    log,
    namespace: leaseNamespace,
    claims: storageClaims,
    holder: leaseName,
  })
  const tell = () => metrics.storageRetained(storageStatus(storage.state))
  storage.subscribe(tell)
  tell()
  return storage
}

/** null: only a release has a place to keep checkpoints, and a key to sign them. */
function checkpointStore(
  { release, leaseNamespace: namespace }: OperatorSettings,
  { client, checkpointKey }: { readonly client: KubeClient; readonly checkpointKey: string | null },
): CheckpointConfigMap | null {
  if (release === null || checkpointKey === null) return null
  const publicKey = publicHalf(checkpointKey)
  return new CheckpointConfigMap({
    client,
    namespace,
    name: `${release}-checkpoints`,
    metadata: releaseMetadata(release),
    seal: {
      publicKey,
      sign: (head) => signCheckpoint(head, checkpointKey),
      open: (line) => openCheckpoint(line, publicKey),
    },
  })
}

/** The objects of the cluster, and whether the API server refuses by itself what they must not become. */
function kubeSource(
  { watchNamespaces, operators }: OperatorSettings,
  { client, clock, log, metrics, holder, storage }: SourceParts,
): KubeSource {
  const timers = systemTimers
  metrics.guardInstalled(0)
  const guard = new AdmissionGuard({
    client,
    timers,
    log,
    operators,
    namespaces: watchNamespaces,
    onState: ({ kind }) => metrics.guardInstalled(kind === 'installed' ? 1 : 0),
  })
  return new KubeSource({
    client,
    onUnparsable: (kind, count) => metrics.unparsableObjects(kind, count),
    clock,
    timers,
    log,
    instance: holder,
    namespaces: watchNamespaces,
    guard,
    storage,
  })
}

function stateText(state: ElectionState): string {
  switch (state.kind) {
    case 'standby':
      return state.holder === null ? 'standby' : `standby: ${state.holder} leads`
    case 'elected':
      return 'elected: asking the lock server for an epoch'
    default:
      return unreachable(state, 'a replica stands by or is elected')
  }
}

/** The API server may start after us. Null: aborted meanwhile. */
function waitForClusterId(
  { client, log }: { client: KubeClient; log: Log },
  signal: AbortSignal,
): Promise<string | null> {
  const sentence = 'the API server does not say which cluster it is'
  return persistently({ log, signal, sentence, isPassing: () => true }, () => readClusterId(client, signal))
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
