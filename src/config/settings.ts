/** Every setting there is: one row each, with its flag, its environment variable, its default and its help. */
import { limits } from '../lib/limits.ts'
import { profileNames } from '../lib/profile.ts'
import {
  parseAccountText,
  parseCount,
  parseDuration,
  parseLabel,
  parseListenAddress,
  parseListenAddressOrNone,
  parseLogLevel,
  parseNames,
  parseNamespaces,
  parsePath,
  parseProfile,
  parseRegion,
  parseSwitch,
  parseText,
  parseUrl,
} from './values.ts'

export type Setting<Value> = {
  /** null: only by environment, because a flag would show a secret to everybody on the machine. */
  readonly flag: string | null
  readonly env: string
  /** The default as a user would write it; null: absent unless given. */
  readonly initial: string | null
  /** Throws SettingError with what is wrong and what is expected. */
  readonly parse: (text: string) => Value
  readonly help: string
}

/** Keeps whether the row has a default: a setting with one is never null. */
function setting<Value, Initial extends string | null>(
  row: Setting<Value> & { readonly initial: Initial },
): Setting<Value> & { readonly initial: Initial } {
  return row
}

export const settings = {
  data: setting({
    flag: '--data',
    env: 'HOLDFAST_DATA',
    initial: 'data',
    parse: parsePath,
    help: 'directory of the volume: metadata, bodies, audit log',
  }),
  s3Listen: setting({
    flag: '--s3-listen',
    env: 'HOLDFAST_S3_LISTEN',
    initial: '[::]:9000',
    parse: parseListenAddressOrNone,
    help: 'address and port of the S3 API over HTTP; port 0 takes a free one, none turns it off',
  }),
  s3TlsListen: setting({
    flag: '--s3-tls-listen',
    env: 'HOLDFAST_S3_TLS_LISTEN',
    initial: 'none',
    parse: parseListenAddressOrNone,
    help: 'address and port of the S3 API over HTTPS; needs --tls-cert and --tls-key',
  }),
  tlsCert: setting({
    flag: '--tls-cert',
    env: 'HOLDFAST_TLS_CERT',
    initial: null,
    parse: parsePath,
    help: 'PEM file of the certificate chain; with it the admin API speaks HTTPS only',
  }),
  tlsKey: setting({
    flag: '--tls-key',
    env: 'HOLDFAST_TLS_KEY',
    initial: null,
    parse: parsePath,
    help: 'PEM file of its key; both are read again when they change',
  }),
  serverCa: setting({
    flag: '--server-ca',
    env: 'HOLDFAST_SERVER_CA',
    initial: null,
    parse: parsePath,
    help: 'PEM file of the authorities that the lock server is trusted by (default: the system’s)',
  }),
  adminListen: setting({
    flag: '--admin-listen',
    env: 'HOLDFAST_ADMIN_LISTEN',
    initial: '[::]:9001',
    parse: parseListenAddress,
    help: 'address and port of the admin API',
  }),
  metricsListen: setting({
    flag: '--metrics-listen',
    env: 'HOLDFAST_METRICS_LISTEN',
    initial: '[::]:9002',
    parse: parseListenAddress,
    help: 'address and port of /healthz, /readyz and /metrics',
  }),
  workers: setting({
    flag: '--workers',
    env: 'HOLDFAST_WORKERS',
    initial: null,
    parse: (text) => parseCount(text, { min: 1, max: 256 }),
    help: 'worker processes (default: one a core, at least 2)',
  }),
  domain: setting({
    flag: '--domain',
    env: 'HOLDFAST_DOMAIN',
    initial: null,
    parse: parseText,
    help: 'host name under which buckets are virtual hosts: <bucket>.<domain>',
  }),
  region: setting({
    flag: '--region',
    env: 'HOLDFAST_REGION',
    initial: 'us-east-1',
    parse: parseRegion,
    help: 'region of every bucket and of every signature',
  }),
  defaultProfile: setting({
    flag: '--default-profile',
    env: 'HOLDFAST_DEFAULT_PROFILE',
    initial: 'aws',
    parse: parseProfile,
    help: `dialect of buckets that S3 CreateBucket makes: ${profileNames.join(', ')}`,
  }),
  publicEndpoint: setting({
    flag: '--public-endpoint',
    env: 'HOLDFAST_PUBLIC_ENDPOINT',
    initial: null,
    parse: parseUrl,
    help: 'URL by which clients reach the S3 API (default: where it listens)',
  }),
  accessKeys: setting({
    flag: '--access-keys',
    env: 'HOLDFAST_ACCESS_KEYS',
    initial: null,
    parse: parsePath,
    help: 'JSON file of further access keys with their statements; read again when it changes',
  }),
  masterKeyFile: setting({
    flag: '--master-key-file',
    env: 'HOLDFAST_MASTER_KEY_FILE',
    initial: null,
    parse: parsePath,
    help: 'file with 32 bytes in base64 that seal the secrets of stored access keys; never on the volume',
  }),
  shutdownGraceMs: setting({
    flag: '--shutdown-grace',
    env: 'HOLDFAST_SHUTDOWN_GRACE',
    initial: '30s',
    parse: parseDuration,
    help: 'how long running requests may take to finish after SIGTERM',
  }),
  lifecycleIntervalMs: setting({
    flag: '--lifecycle-interval',
    env: 'HOLDFAST_LIFECYCLE_INTERVAL',
    initial: '1h',
    parse: parseDuration,
    help: 'how often lifecycle rules are carried out',
  }),
  scrubBytesPerSecond: setting({
    flag: '--scrub-bytes-per-second',
    env: 'HOLDFAST_SCRUB_BYTES_PER_SECOND',
    initial: '33554432',
    parse: (text) => parseCount(text, { min: limits.bodyBlockBytes, max: 999_999_999 }),
    help: 'how fast all bytes are read again once a week to find damage, so that clients come first',
  }),
  backupTo: setting({
    flag: '--to',
    env: 'HOLDFAST_BACKUP_TO',
    initial: null,
    parse: parsePath,
    help: 'folder of the backup: empty, or an older backup of the same volume',
  }),
  restoreFrom: setting({
    flag: '--from',
    env: 'HOLDFAST_RESTORE_FROM',
    initial: null,
    parse: parsePath,
    help: 'folder of the backup to restore',
  }),
  restoreAudit: setting({
    flag: '--audit',
    env: 'HOLDFAST_RESTORE_AUDIT',
    initial: null,
    parse: parsePath,
    help: 'file that `holdfast audit export` wrote: what it locked after the backup is locked again',
  }),
  logLevel: setting({
    flag: '--log-level',
    env: 'HOLDFAST_LOG_LEVEL',
    initial: 'info',
    parse: parseLogLevel,
    help: 'debug, info, warn or error',
  }),
  accessLog: setting({
    flag: '--access-log',
    env: 'HOLDFAST_ACCESS_LOG',
    initial: 'off',
    parse: parseSwitch,
    help: 'on: one JSON line on stdout for each S3 request',
  }),
  manifests: setting({
    flag: '--manifests',
    env: 'HOLDFAST_MANIFESTS',
    initial: 'manifests',
    parse: parsePath,
    help: 'directory of RetentionPolicy and LockedBucket manifests, watched for changes',
  }),
  verifyIntervalMs: setting({
    flag: '--verify-interval',
    env: 'HOLDFAST_VERIFY_INTERVAL',
    initial: '10m',
    parse: parseDuration,
    help: 'how often every bucket is read back and compared',
  }),
  kubeconfig: setting({
    flag: '--kubeconfig',
    env: 'KUBECONFIG',
    initial: null,
    parse: parsePath,
    help: 'kubeconfig file (default: the pod’s service account)',
  }),
  watchNamespaces: setting({
    flag: '--watch-namespaces',
    env: 'HOLDFAST_WATCH_NAMESPACES',
    initial: null,
    parse: parseNamespaces,
    help: 'the only namespaces that are watched, by commas; no ClusterRole is needed then (default: all)',
  }),
  clusterId: setting({
    flag: '--cluster-id',
    env: 'HOLDFAST_CLUSTER_ID',
    initial: null,
    parse: parseAccountText,
    help: 'identity of this cluster at the server (default: uid of the namespace kube-system)',
  }),
  holder: setting({
    flag: '--holder',
    env: 'HOLDFAST_HOLDER',
    initial: null,
    parse: parseAccountText,
    help: 'name of this operator at the server (default: host name)',
  }),
  release: setting({
    flag: '--release',
    env: 'HOLDFAST_RELEASE',
    initial: null,
    parse: parseAccountText,
    help: 'makes the Secrets of this release in the namespace of the Lease, once, and takes the operator’s key from there',
  }),
  serverNames: setting({
    flag: '--server-names',
    env: 'HOLDFAST_SERVER_NAMES',
    initial: null,
    parse: parseNames,
    help: 'with --release: names and addresses of the lock server, by commas, for a certificate from the release’s own authority',
  }),
  operatorNamespace: setting({
    flag: '--operator-namespace',
    env: 'HOLDFAST_OPERATOR_NAMESPACE',
    initial: 'holdfast-system',
    parse: parseLabel,
    help: 'namespace of the ServiceAccount that the operator runs as',
  }),
  operatorServiceAccount: setting({
    flag: '--operator-service-account',
    env: 'HOLDFAST_OPERATOR_SERVICE_ACCOUNT',
    initial: 'holdfast-operator',
    parse: parseLabel,
    help: 'ServiceAccount that the operator runs as: it alone may write statuses',
  }),
  leaseNamespace: setting({
    flag: '--leader-elect-resource-namespace',
    env: 'HOLDFAST_LEADER_ELECT_RESOURCE_NAMESPACE',
    initial: 'holdfast-system',
    parse: parseText,
    help: 'namespace of the Lease by which one of several replicas is elected',
  }),
  leaseName: setting({
    flag: '--leader-elect-resource-name',
    env: 'HOLDFAST_LEADER_ELECT_RESOURCE_NAME',
    initial: 'holdfast-operator',
    parse: parseText,
    help: 'name of that Lease; replicas of one installation share it',
  }),
  leaseDurationMs: setting({
    flag: '--leader-elect-lease-duration',
    env: 'HOLDFAST_LEADER_ELECT_LEASE_DURATION',
    initial: '15s',
    parse: parseDuration,
    help: 'how long a replica waits for a silent leader before it takes over; whole seconds',
  }),
  renewDeadlineMs: setting({
    flag: '--leader-elect-renew-deadline',
    env: 'HOLDFAST_LEADER_ELECT_RENEW_DEADLINE',
    initial: '10s',
    parse: parseDuration,
    help: 'how long a leader goes on without renewing its Lease',
  }),
  retryPeriodMs: setting({
    flag: '--leader-elect-retry-period',
    env: 'HOLDFAST_LEADER_ELECT_RETRY_PERIOD',
    initial: '2s',
    parse: parseDuration,
    help: 'how often the Lease is renewed, and looked at by those who wait',
  }),
  watchSilenceMs: setting({
    flag: '--watch-silence',
    env: 'HOLDFAST_WATCH_SILENCE',
    initial: '90s',
    parse: parseDuration,
    help: 'how long a watch may be silent before it is opened anew (a bookmark comes each minute)',
  }),
  serverS3: setting({
    flag: '--server-s3',
    env: 'HOLDFAST_SERVER_S3',
    initial: 'http://127.0.0.1:9000',
    parse: parseUrl,
    help: 'S3 endpoint of the lock server',
  }),
  serverAdmin: setting({
    flag: '--server-admin',
    env: 'HOLDFAST_SERVER_ADMIN',
    initial: 'http://127.0.0.1:9001',
    parse: parseUrl,
    help: 'admin endpoint of the lock server',
  }),
  planFile: setting({
    flag: '-f',
    env: 'HOLDFAST_PLAN_FILE',
    initial: null,
    parse: parsePath,
    help: 'manifests to be applied: a file, a folder, or - for stdin',
  }),
  planAgainst: setting({
    flag: '--against',
    env: 'HOLDFAST_PLAN_AGAINST',
    initial: null,
    parse: parsePath,
    help: 'the same manifests as they are applied now: a file or a folder',
  }),
  planServer: setting({
    flag: '--ask-server',
    env: 'HOLDFAST_PLAN_ASK_SERVER',
    initial: 'off',
    parse: parseSwitch,
    help: 'on: compare with what the lock server enforces',
  }),
  planGovernance: setting({
    flag: '--bypass-governance',
    env: 'HOLDFAST_PLAN_BYPASS_GOVERNANCE',
    initial: 'off',
    parse: parseSwitch,
    help: 'on: whoever applies holds the verb bypassgovernance, so GOVERNANCE may be loosened',
  }),
  accessKeyId: setting({
    flag: null,
    env: 'HOLDFAST_ACCESS_KEY_ID',
    initial: null,
    parse: parseText,
    help: 'access key id of root',
  }),
  secretAccessKey: setting({
    flag: null,
    env: 'HOLDFAST_SECRET_ACCESS_KEY',
    initial: null,
    parse: parseText,
    help: 'secret access key of root',
  }),
  operatorAccessKeyId: setting({
    flag: null,
    env: 'HOLDFAST_OPERATOR_ACCESS_KEY_ID',
    initial: null,
    parse: parseText,
    help: 'access key id of the operator',
  }),
  operatorSecretAccessKey: setting({
    flag: null,
    env: 'HOLDFAST_OPERATOR_SECRET_ACCESS_KEY',
    initial: null,
    parse: parseText,
    help: 'secret access key of the operator',
  }),
} as const

export type SettingName = keyof typeof settings
type ValueOf<Row> = Row extends Setting<infer Value> ? Value : never
/** Settings with a default are always there. */
export type SettingValues<Name extends SettingName> = {
  readonly [Key in Name]:
    | ValueOf<(typeof settings)[Key]>
    | ((typeof settings)[Key]['initial'] extends string ? never : null)
}
