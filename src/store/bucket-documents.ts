/** A bucket's policy, lifecycle, tags and CORS rules: texts of the S3 surface, each a row beside the bucket's record. */
import { assert } from '../lib/assert.ts'
import { limits } from '../lib/limits.ts'
import { noRuleDenies } from '../lock/rules.ts'
import { appendAudit } from './audit-chain.ts'
import { writeBucket } from './bucket-rows.ts'
import { auditFields, type StoreContext } from './decision.ts'
import { shape, text } from './fields.ts'
import { sha256Hex } from './hex.ts'
import { documentKey } from './keys.ts'
import type { KeyValueReader, KeyValueTransaction } from './kv/contract.ts'
import type { BucketDocumentKind, BucketRecord } from './records.ts'
import type { Actor } from './requests.ts'
import { rowCodec } from './row-codec.ts'
import type { BucketDocuments } from './store.ts'
import { openScene, type Scene } from './version-rows.ts'

type Changed = Awaited<ReturnType<BucketDocuments['put']>>

const documentCodec = rowCodec<{ readonly text: string }>('document', shape({ text }))

export function createBucketDocuments(context: StoreContext): BucketDocuments {
  return {
    read: (bucket, kind) => readDocument(context.kv, bucket, kind),
    put: (actor, bucket, { kind, text: document }) =>
      change(context, actor, bucket, (scene) => putDocument(scene, actor, { kind, text: document })),
    delete: (actor, bucket, kind) =>
      change(context, actor, bucket, (scene) => deleteDocument(scene, actor, kind)),
  }
}

/** With the bucket they go: nothing else has them. */
export function deleteDocuments(transaction: KeyValueTransaction, bucket: BucketRecord): void {
  for (const kind of bucket.documents) transaction.delete(documentKey(bucket.id, kind))
}

/** null: there is none. Throws CorruptRecordError, also where the bucket's record promises one that is not there. */
export async function readDocument(
  reader: KeyValueReader,
  bucket: BucketRecord,
  kind: BucketDocumentKind,
): Promise<string | null> {
  if (!bucket.documents.includes(kind)) return null
  const row = documentKey(bucket.id, kind)
  return documentCodec.decode(row, await reader.get(row)).text
}

/** Writes a document's row, `null`: removes it; which documents there are then, for the bucket's record. */
export function writeDocument(
  transaction: KeyValueTransaction,
  bucket: BucketRecord,
  { kind, text: written }: { readonly kind: BucketDocumentKind; readonly text: string | null },
): readonly BucketDocumentKind[] {
  const row = documentKey(bucket.id, kind)
  if (written === null) {
    transaction.delete(row)
    return bucket.documents.filter((each) => each !== kind)
  }
  const sizeBytes = Buffer.byteLength(written)
  assert(sizeBytes <= limits.bucketDocumentBytesMax, 'the surfaces bound their documents')
  transaction.put(row, documentCodec.encode(row, { text: written }))
  return [...new Set([...bucket.documents, kind])].toSorted()
}

function putDocument(
  scene: Scene,
  actor: Actor,
  document: { readonly kind: BucketDocumentKind; readonly text: string },
): Changed {
  const { bucket, transaction } = scene
  const { kind, text: written } = document
  const documents = writeDocument(transaction, bucket, document)
  return changed(scene, actor, { documents, detail: { document: kind, documentSha256: sha256Hex(written) } })
}

function deleteDocument(scene: Scene, actor: Actor, kind: BucketDocumentKind): Changed {
  const { bucket, transaction } = scene
  if (!bucket.documents.includes(kind)) return { kind: 'changed', bucket }
  const documents = writeDocument(transaction, bucket, { kind, text: null })
  return changed(scene, actor, { documents, detail: { document: kind, documentSha256: '' } })
}

type Change = {
  readonly documents: readonly BucketDocumentKind[]
  readonly detail: { readonly document: BucketDocumentKind; readonly documentSha256: string }
}

/** The bucket's record changes with each document, so that two writers of one meet in it. */
function changed(scene: Scene, actor: Actor, { documents, detail }: Change): Changed {
  const { transaction, now } = scene
  const bucket = { ...scene.bucket, documents, revision: scene.bucket.revision + 1 }
  writeBucket(transaction, bucket)
  const outcome = { verdict: { kind: 'allow', rule: noRuleDenies }, detail } as const
  appendAudit(transaction, auditFields({ actor, bucket: bucket.name, key: null }, now, outcome))
  return { kind: 'changed', bucket }
}

async function change(
  context: StoreContext,
  actor: Actor,
  bucket: string,
  work: (scene: Scene) => Changed,
): Promise<Changed> {
  return context.kv.transact(async (transaction) => {
    const scene = await openScene(transaction, context.clock, { bucket, actor })
    return scene === null ? { kind: 'noSuchBucket' } : work(scene)
  })
}
