/** What standalone tells a person: where everything is, each bucket's status as it changes, what was refused and why. */
import { eventReasons } from '../api/conditions.ts'
import type { LockedBucket, LockedBucketStatus } from '../api/LockedBucket.ts'
import { refusalSentence, type WritesRefused } from '../lib/read-only.ts'
import type { StatusChange } from '../operator/controller.ts'
import { displayName } from '../operator/objects.ts'
import type { ManifestProblem } from '../operator/sources/desired.ts'
import type { EventRecord, Source } from '../operator/sources/source.ts'

type CredentialsOrigin =
  | { readonly kind: 'environment' }
  /** `isNewForVolume`: made now, though the volume was there before. */
  | { readonly kind: 'file'; readonly path: string; readonly isNewForVolume: boolean }

export type ReportOptions = {
  readonly endpoint: string
  readonly adminEndpoint: string
  readonly region: string
  readonly manifests: string
  readonly credentials: CredentialsOrigin
  /** null: there is none, because the volume took no write. */
  readonly awsCredentials: string | null
  readonly write: (text: string) => void
}

export class StandaloneReport {
  readonly #options: ReportOptions
  readonly #last = new Map<string, string>()
  #hasShownCommands = false

  constructor(options: ReportOptions) {
    this.#options = options
  }

  started(): void {
    const { endpoint, adminEndpoint, region, manifests, credentials, awsCredentials } = this.#options
    const key = credentials.kind === 'environment' ? 'from the environment' : credentials.path
    const isNew = credentials.kind === 'file' && credentials.isNewForVolume
    this.#options.write(
      `S3 endpoint   ${endpoint}  (region ${region})\n` +
        `Credentials   ${key}${awsCredentials === null ? '' : `, and for the AWS CLI ${awsCredentials}`}\n` +
        (isNew ? '              a new key of root: the volume was there without one\n' : '') +
        `Admin API     ${adminEndpoint}  (holdfast status, why, clock)\n` +
        `Manifests     ${manifests} (edit them while this runs)\n\n`,
    )
  }

  readOnly(why: WritesRefused): void {
    this.#options.write(
      `WARNING the manifests are not applied and no status is written. ${refusalSentence(why)}\n`,
    )
  }

  stopping(): void {
    this.#options.write('\nStopped. The next start finds everything.\n')
  }

  problem({ kind, file, message }: ManifestProblem): void {
    if (kind === 'refused')
      this.#options.write(`REFUSED ${file}: ${message}. What was accepted before stays in force.\n`)
    else this.#options.write(`NOT READ ${file}: ${message}\n`)
  }

  changed(change: StatusChange, source: Source): void {
    if (change.kind === 'event') {
      this.#event(change.event)
      return
    }
    const { metadata } = change.object
    const name = `${change.object.kind} ${displayName(metadata)}`
    const line = `${name}: ${readySentence(change.status.conditions ?? [])}${bucketSentence(change)}`
    // A status is also written when only a count or a time moved: say what a person would notice.
    if (this.#last.get(name) === line) return
    this.#last.set(name, line)
    if (change.object.kind === 'LockedBucket') this.#options.write(`${line}\n`)
    else if (!line.includes(': Ready')) this.#options.write(`${line}\n`)
    this.#showCommands(source)
  }

  #event({ reason, message, regarding }: EventRecord): void {
    if (eventReasons[reason].type !== 'Warning') return
    const { kind, namespace, name } = regarding
    // The status, which comes first, has said it in the same words.
    if (this.#last.get(`${kind} ${namespace}/${name}`)?.includes(`${reason}: ${message}`)) return
    this.#options.write(`WARNING ${kind} ${namespace}/${name}: ${reason}: ${message}\n`)
  }

  /** Once, when every bucket is ready: what to paste into another terminal. */
  #showCommands(source: Source): void {
    if (this.#hasShownCommands) return
    const buckets = source.list('LockedBucket')
    const compliance = buckets.find(({ status }) => status?.objectLock?.mode === 'COMPLIANCE')
    if (compliance === undefined || !buckets.every((bucket) => this.#isShown(bucket) && isReady(bucket)))
      return
    this.#hasShownCommands = true
    const { awsCredentials } = this.#options
    if (awsCredentials === null) return
    this.#options.write(commands({ ...this.#options, awsCredentials }, compliance.spec.bucketName))
  }

  /** After a restart a bucket has its old status until it is looked at again. */
  #isShown({ kind, metadata }: LockedBucket): boolean {
    return this.#last.has(`${kind} ${metadata.namespace}/${metadata.name}`)
  }
}

function isReady({ status }: LockedBucket): boolean {
  return status?.conditions?.some(({ type, status: value }) => type === 'Ready' && value === 'True') ?? false
}

type Conditions = NonNullable<LockedBucketStatus['conditions']>

function readySentence(conditions: Conditions): string {
  const ready = conditions.find(({ type }) => type === 'Ready')
  const stalled = conditions.find(({ type, status }) => type === 'Stalled' && status === 'True')
  const told = stalled ?? ready
  if (told === undefined) return 'no status yet.'
  return ready?.status === 'True' && stalled === undefined ? 'Ready.' : `${told.reason}: ${told.message}`
}

function bucketSentence(change: Extract<StatusChange, { kind: 'status' }>): string {
  if (change.object.kind !== 'LockedBucket') return ''
  const { bucket, objectLock } = change.status as LockedBucketStatus
  if (bucket === undefined || objectLock === undefined) return ''
  return ` Bucket ${bucket.name}, ${objectLock.mode ?? 'no default'} ${objectLock.retention ?? ''}.`
}

type CommandParts = Pick<ReportOptions, 'endpoint' | 'region'> & { readonly awsCredentials: string }

function commands({ endpoint, region, awsCredentials }: CommandParts, bucket: string): string {
  const s3 = `aws --endpoint-url ${endpoint} s3api`
  return [
    '',
    'Try it in another terminal, in this directory:',
    '',
    `  export AWS_SHARED_CREDENTIALS_FILE=${shellWord(awsCredentials)} AWS_DEFAULT_REGION=${region}`,
    `  VERSION=$(${s3} put-object --bucket ${bucket} --key hello.txt --body README.md --checksum-algorithm CRC32 --query VersionId --output text)`,
    `  ${s3} delete-object --bucket ${bucket} --key hello.txt --version-id "$VERSION"   # 403: AccessDenied`,
    `  ${s3} get-object-retention --bucket ${bucket} --key hello.txt --version-id "$VERSION"   # until when`,
    '',
    'Ctrl-C stops.',
    '',
  ].join('\n')
}

/** As a POSIX shell reads it back. */
function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}
