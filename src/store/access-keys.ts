/**
 * Access keys that the operator gives out: a row each, read at every request that is signed with one, so that a key
 * whose row is gone is refused by the next request of every worker. Secrets are sealed, and never shown or recorded.
 */
import { type AccessKey, accessKeyIdPattern, type Statement } from '../lib/identity.ts'
import { limits } from '../lib/limits.ts'
import type { EpochMs } from '../lib/units.ts'
import { noRuleDenies } from '../lock/rules.ts'
import { accountOf } from './accounts.ts'
import { appendAudit } from './audit-chain.ts'
import type { AuditDetail, AuditFields } from './audit-record.ts'
import { auditFields, type StoreContext } from './decision.ts'
import { CorruptRecordError, instant, listOf, matching, nullable, oneOf, shape, text } from './fields.ts'
import { sha256Hex } from './hex.ts'
import { keyAfter, metaKey, parseMetaKey, rangeOf } from './keys.ts'
import type { KeyValue, KeyValueTransaction } from './kv/contract.ts'
import { readLeadership } from './leadership.ts'
import type { Actor, TrustedNow } from './requests.ts'
import { rowCodec } from './row-codec.ts'
import { type MasterKey, openSecret, type SealedSecret, sealSecret } from './sealed-secret.ts'
import { readTrustedNow } from './trusted-clock.ts'

/** The BucketAccess that a key belongs to, by cluster, namespace and name. */
export type AccessKeyOwner = {
  readonly clusterId: string
  readonly namespace: string
  readonly name: string
}

/** A key without its secret. Its user is called as its owner: the same over all rotations, once in an account. */
export type AccessKeyFacts = {
  readonly accessKeyId: string
  readonly accountId: string
  readonly owner: AccessKeyOwner
  readonly statements: readonly Statement[]
  readonly createdMs: EpochMs
}
type AccessKeyRecord = AccessKeyFacts & { readonly secret: SealedSecret }

export type PutAccessKey = {
  readonly epoch: number
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly owner: AccessKeyOwner
  readonly statements: readonly Statement[]
  /** Of a key that is there: `refuse` when the given secret is another than its own, as far as that can be opened. */
  readonly otherSecret: 'replace' | 'refuse'
}
type StaleEpoch = { readonly kind: 'staleEpoch'; readonly epoch: number }
/** The id is another owner's: whose it is, is not told. */
type Taken = { readonly kind: 'taken' }
export type PutAccessKeyResult =
  | {
      readonly kind: 'put'
      readonly change: 'created' | 'updated' | 'unchanged'
      readonly accountId: string
      readonly createdMs: EpochMs
    }
  | Taken
  | StaleEpoch
  | { readonly kind: 'noMasterKey' }
  | { readonly kind: 'secretDiffers' }
export type DeleteAccessKeyResult =
  | { readonly kind: 'deleted'; readonly change: 'deleted' | 'unchanged' }
  | Taken
  | StaleEpoch

/** `sealed`: there is such a key, and its secret cannot be opened: no master key here, or another one. */
export type FindAccessKeyResult =
  | { readonly kind: 'found'; readonly key: AccessKey }
  | { readonly kind: 'none' }
  | { readonly kind: 'sealed' }

export type AccessKeyPage = { readonly keys: readonly AccessKeyFacts[]; readonly next: string | null }

export interface AccessKeyStore {
  /** Audited without the secret. The account is that of the owner's namespace. */
  put(actor: Actor, input: PutAccessKey): Promise<PutAccessKeyResult>
  /** From the commit on every request that is signed with it is refused. */
  delete(
    actor: Actor,
    input: { epoch: number; accessKeyId: string; owner: AccessKeyOwner },
  ): Promise<DeleteAccessKeyResult>
  /** From the row as it is now: there is no cache. */
  find(accessKeyId: string): Promise<FindAccessKeyResult>
  /** In byte order of ids, without those whose row is damaged: such a key authenticates nobody. `next`: null, there are no more. */
  list(options: { after: string | null; limit: number }): Promise<AccessKeyPage>
}

const table = 'access-key'
const rowOf = (accessKeyId: string): Uint8Array => metaKey(table, accessKeyId)

const codec = rowCodec<AccessKeyRecord>(
  table,
  shape({
    accessKeyId: text,
    accountId: matching(/^[0-9]{12}$/),
    owner: shape({ clusterId: text, namespace: text, name: text }),
    statements: listOf(
      shape({
        effect: oneOf('Allow', 'Deny'),
        actions: listOf(text),
        buckets: listOf(text),
        prefixes: nullable(listOf(text)),
      }),
    ),
    createdMs: instant,
    secret: shape({ masterKeyId: text, nonce: text, ciphertext: text, tag: text }),
  }),
)

export function createAccessKeys(context: StoreContext, masterKey: MasterKey | null): AccessKeyStore {
  return {
    put: (actor, input) => putAccessKey(context, actor, { ...input, masterKey }),
    delete: (actor, input) => deleteAccessKey(context, actor, input),
    find: (accessKeyId) => findAccessKey(context, masterKey, accessKeyId),
    list: async ({ after, limit }) => {
      const all = rangeOf(metaKey(table))
      const from = after === null ? all.from : keyAfter(rowOf(after))
      const rows = await context.kv.range({ from, to: all.to, limit })
      const records = rows.map(({ key, value }) => decodeUnlessDamaged(key, value))
      const last = rows.length < limit ? undefined : rows.at(-1)
      return {
        keys: records.flatMap((record) => (record === null ? [] : [withoutSecret(record)])),
        next: last === undefined ? null : (parseMetaKey(last.key).at(-1) ?? null),
      }
    },
  }
}

/** For a volume that was restored: whoever had a key gets a new one, or the same again. Returns how many there were. */
export async function forgetAccessKeys(kv: KeyValue): Promise<number> {
  const all = rangeOf(metaKey(table))
  for (let keyCount = 0; ; ) {
    const rows = await kv.range({ ...all, limit: limits.accessKeysPageMax })
    if (rows.length === 0) return keyCount
    await kv.transact(async (transaction) => {
      for (const { key } of rows) transaction.delete(key)
    })
    keyCount += rows.length
  }
}

async function findAccessKey(
  { kv }: StoreContext,
  masterKey: MasterKey | null,
  accessKeyId: string,
): Promise<FindAccessKeyResult> {
  // Whoever asks is not known yet: a made-up id may be longer than any row's key.
  if (!accessKeyIdPattern.test(accessKeyId)) return { kind: 'none' }
  const row = rowOf(accessKeyId)
  const value = await kv.get(row)
  if (value === null) return { kind: 'none' }
  const { secret, ...facts } = codec.decode(row, value)
  const secretAccessKey = masterKey === null ? null : openSecret(masterKey, contextOf(facts), secret)
  if (secretAccessKey === null) return { kind: 'sealed' }
  const { accountId, owner, statements } = facts
  const principal = { kind: 'user', accessKeyId, accountId, displayName: owner.name, statements } as const
  return { kind: 'found', key: { principal, secretAccessKey } }
}

type Attempt<Answer> = { readonly answer: Answer; readonly refusal: AuditFields | null }
type Job = {
  readonly actor: Actor
  readonly input: { readonly epoch: number; readonly accessKeyId: string; readonly owner: AccessKeyOwner }
  readonly now: TrustedNow
  readonly transaction: KeyValueTransaction
  readonly current: AccessKeyRecord | null
  /** There is a row, and nobody can say whose: its key authenticates nobody, so whoever leads may put another in its place. */
  readonly isDamaged: boolean
}

function putAccessKey(
  context: StoreContext,
  actor: Actor,
  input: PutAccessKey & { readonly masterKey: MasterKey | null },
): Promise<PutAccessKeyResult> {
  const { accessKeyId, owner, statements, secretAccessKey, masterKey } = input
  return change<PutAccessKeyResult>(context, { actor, input }, async (job) => {
    const { current, transaction, now } = job
    if (masterKey === null) return refused(job, 'NoMasterKey', { kind: 'noMasterKey' })
    const { clusterId, namespace } = owner
    const accountId = await accountOf(transaction, { clusterId, namespace })
    const createdMs = current?.createdMs ?? now.wallMs
    const facts = { accessKeyId, accountId, owner, statements, createdMs }
    const put = (kind: 'created' | 'updated' | 'unchanged'): Attempt<PutAccessKeyResult> => {
      return { answer: { kind: 'put', change: kind, accountId, createdMs }, refusal: null }
    }
    const opened =
      current === null ? null : openSecret(masterKey, contextOf(withoutSecret(current)), current.secret)
    if (input.otherSecret === 'refuse' && opened !== null && opened !== secretAccessKey)
      return refused(job, 'SecretDiffers', { kind: 'secretDiffers' })
    const isSame = current !== null && contextOf(withoutSecret(current)) === contextOf(facts)
    if (isSame && opened === secretAccessKey) return put('unchanged')
    const row = rowOf(accessKeyId)
    const secret = sealSecret(masterKey, contextOf(facts), secretAccessKey)
    transaction.put(row, codec.encode(row, { ...facts, secret }))
    const kind = current === null && !job.isDamaged ? 'created' : 'updated'
    const statementsSha256 = sha256Hex(JSON.stringify(statements))
    const detail = { change: kind, accountId, statementCount: statements.length, statementsSha256 }
    allow(job, { ...detail, ...damageOf(job) })
    return put(kind)
  })
}

function deleteAccessKey(
  context: StoreContext,
  actor: Actor,
  input: Parameters<AccessKeyStore['delete']>[1],
): Promise<DeleteAccessKeyResult> {
  return change<DeleteAccessKeyResult>(context, { actor, input }, async (job) => {
    const { current, isDamaged } = job
    if (current === null && !isDamaged)
      return { answer: { kind: 'deleted', change: 'unchanged' }, refusal: null }
    job.transaction.delete(rowOf(input.accessKeyId))
    const accountId = current === null ? {} : { accountId: current.accountId }
    allow(job, { change: 'deleted', ...accountId, ...damageOf(job) })
    return { answer: { kind: 'deleted', change: 'deleted' }, refusal: null }
  })
}

/** Fenced by the leader's epoch; nobody touches what is another owner's. */
async function change<Answer>(
  context: StoreContext,
  { actor, input }: Pick<Job, 'actor' | 'input'>,
  work: (job: Job) => Promise<Attempt<Answer>>,
): Promise<Answer | Taken | StaleEpoch> {
  const row = rowOf(input.accessKeyId)
  const attempted = await context.kv.transact<Attempt<Answer | Taken | StaleEpoch>>(async (transaction) => {
    const [leadership, value, now] = await Promise.all([
      readLeadership(transaction),
      transaction.get(row),
      readTrustedNow(transaction, context.clock),
    ])
    const current = value === null ? null : decodeUnlessDamaged(row, value)
    const job: Job = {
      actor,
      input,
      now,
      transaction,
      current,
      isDamaged: value !== null && current === null,
    }
    const epoch = leadership?.epoch ?? 0
    if (epoch !== input.epoch) return refused(job, 'StaleEpoch', { kind: 'staleEpoch', epoch })
    if (current !== null && !isSameOwner(current.owner, input.owner))
      return refused(job, 'AccessKeyTaken', { kind: 'taken' })
    return work(job)
  })
  if (attempted.refusal !== null) await context.denials.record(attempted.refusal)
  return attempted.answer
}

function decodeUnlessDamaged(row: Uint8Array, value: Uint8Array): AccessKeyRecord | null {
  try {
    return codec.decode(row, value)
  } catch (error) {
    if (error instanceof CorruptRecordError) return null
    throw error
  }
}

/** What was there before is not known to the record of the change. */
function damageOf({ isDamaged }: Job): AuditDetail {
  return isDamaged ? { wasDamaged: true } : {}
}

function isSameOwner(a: AccessKeyOwner, b: AccessKeyOwner): boolean {
  return a.clusterId === b.clusterId && a.namespace === b.namespace && a.name === b.name
}

/** Everything of the row but its secret, in one text: what the secret is sealed for. */
function contextOf({ accessKeyId, accountId, owner, statements, createdMs }: AccessKeyFacts): string {
  const { clusterId, namespace, name } = owner
  const rights = statements.map(({ effect, actions, buckets, prefixes }) => [
    effect,
    actions,
    buckets,
    prefixes,
  ])
  return JSON.stringify([accessKeyId, accountId, clusterId, namespace, name, rights, createdMs])
}

function withoutSecret({ secret: _secret, ...facts }: AccessKeyRecord): AccessKeyFacts {
  return facts
}

function allow(job: Job, detail: AuditDetail): void {
  const verdict = { kind: 'allow', rule: noRuleDenies } as const
  const facts = { verdict, detail: { ...subjectOf(job), ...detail } }
  appendAudit(job.transaction, auditFields(nobodysBucket(job), job.now, facts))
}

function refused<Answer>(job: Job, rule: string, answer: Answer): Attempt<Answer> {
  const verdict = { kind: 'deny', rule } as const
  return { answer, refusal: auditFields(nobodysBucket(job), job.now, { verdict, detail: subjectOf(job) }) }
}

const nobodysBucket = ({ actor }: Job) => ({ actor, bucket: '', key: null })

function subjectOf({ input }: Job): AuditDetail {
  const { clusterId, namespace, name } = input.owner
  return { subjectAccessKeyId: input.accessKeyId, clusterId, namespace, name, epoch: input.epoch }
}
