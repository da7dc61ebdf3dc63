/** The documents that a LockedBucket decides: written in the transaction that applies its policy. */
import { isDeepStrictEqual } from 'node:util'
import type { Log } from '../lib/log.ts'
import type { LifecycleRule } from '../lock/lifecycle.ts'
import type { AuditDetail } from './audit-record.ts'
import { readDocument, writeDocument } from './bucket-documents.ts'
import { CorruptRecordError } from './fields.ts'
import { sha256Hex } from './hex.ts'
import type { KeyValueReader, KeyValueTransaction } from './kv/contract.ts'
import { lifecycleCodec } from './lifecycle-document.ts'
import type { BucketRecord } from './records.ts'
import type { ApplyBucket } from './requests.ts'
import { type BucketTags, bucketTagsCodec } from './tags-document.ts'

type ManagedKind = 'lifecycle' | 'tagging'
/** `text: null`: there is to be none. */
export type DocumentChange = { readonly kind: ManagedKind; readonly text: string | null }

/** null: none, or one that cannot be read, which is logged: whoever wishes for another one replaces it. */
export async function findLifecycle(
  reader: KeyValueReader,
  bucket: BucketRecord,
  log: Log,
): Promise<readonly LifecycleRule[] | null> {
  return find(reader, bucket, { kind: 'lifecycle', decode: (text) => lifecycleCodec.decode(text).rules, log })
}

/** As `findLifecycle`. */
export async function findTags(
  reader: KeyValueReader,
  bucket: BucketRecord,
  log: Log,
): Promise<BucketTags | null> {
  return find(reader, bucket, { kind: 'tagging', decode: (text) => bucketTagsCodec.decode(text).tags, log })
}

/** What must be written so that the bucket has what is asked for; what is not asked for stays as it is. */
export async function documentChanges(
  reader: KeyValueReader,
  bucket: BucketRecord,
  { input, log }: { readonly input: Pick<ApplyBucket, 'lifecycle' | 'tags'>; readonly log: Log },
): Promise<readonly DocumentChange[]> {
  const { lifecycle, tags } = input
  const changes: DocumentChange[] = []
  const isThere = (kind: ManagedKind): boolean => bucket.documents.includes(kind)
  if (lifecycle !== null) {
    const isNone = lifecycle.length === 0
    const isSame = isNone
      ? !isThere('lifecycle')
      : isDeepStrictEqual(await findLifecycle(reader, bucket, log), lifecycle)
    const transitionDefaultMinimumObjectSize = 'all_storage_classes_128K'
    const text = isNone
      ? null
      : lifecycleCodec.encode({ rules: lifecycle, transitionDefaultMinimumObjectSize })
    if (!isSame) changes.push({ kind: 'lifecycle', text })
  }
  if (tags !== null) {
    const isNone = Object.keys(tags).length === 0
    const isSame = isNone ? !isThere('tagging') : isDeepStrictEqual(await findTags(reader, bucket, log), tags)
    if (!isSame) changes.push({ kind: 'tagging', text: isNone ? null : bucketTagsCodec.encode({ tags }) })
  }
  return changes
}

/** Writes the documents; the bucket as its record then says which are there. */
export function writeDocumentChanges(
  transaction: KeyValueTransaction,
  bucket: BucketRecord,
  changes: readonly DocumentChange[],
): BucketRecord {
  let { documents } = bucket
  for (const change of changes) documents = writeDocument(transaction, { ...bucket, documents }, change)
  return { ...bucket, documents }
}

/** For the audit record: which documents, and the SHA-256 of what they are now; empty: removed. */
export function documentDetail(changes: readonly DocumentChange[]): AuditDetail {
  return Object.fromEntries(
    changes.map(({ kind, text }) => [`${kind}Sha256`, text === null ? '' : sha256Hex(text)]),
  )
}

async function find<T>(
  reader: KeyValueReader,
  bucket: BucketRecord,
  {
    kind,
    decode,
    log,
  }: { readonly kind: ManagedKind; readonly decode: (text: string) => T; readonly log: Log },
): Promise<T | null> {
  try {
    const text = await readDocument(reader, bucket, kind)
    return text === null ? null : decode(text)
  } catch (error) {
    if (!(error instanceof CorruptRecordError)) throw error
    log.error({ bucket: bucket.name, document: kind, cause: error.message }, 'a document cannot be read')
    return null
  }
}
