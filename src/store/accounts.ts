/** Account numbers of namespaces: allocated once per cluster and namespace, never given out twice. */
import { assert } from '../lib/assert.ts'
import { matching, positive, shape } from './fields.ts'
import { metaKey } from './keys.ts'
import type { KeyValueReader, KeyValueTransaction } from './kv/contract.ts'
import { rowCodec } from './row-codec.ts'

export type AccountNamespace = { readonly clusterId: string; readonly namespace: string }

/** Numbers below are free for the accounts that `--access-keys` names; root is 000000000000. */
const firstAccount = 100_000_000_001
const lastAccount = 999_999_999_999

export const accountCountKey = metaKey('account-count')
const countCodec = rowCodec<{ readonly allocated: number }>('account-count', shape({ allocated: positive }))
const accountCodec = rowCodec<{ readonly accountId: string }>(
  'account',
  shape({ accountId: matching(/^[0-9]{12}$/) }),
)

/** The namespace's account, allocated in this transaction if it has none yet. Throws CorruptRecordError. */
export async function accountOf(transaction: KeyValueTransaction, owner: AccountNamespace): Promise<string> {
  const row = metaKey('account', owner.clusterId, owner.namespace)
  const [known = null, count = null] = await transaction.getMany([row, accountCountKey])
  if (known !== null) return accountCodec.decode(row, known).accountId
  const allocated = allocatedBy(count)
  assert(firstAccount + allocated <= lastAccount, 'there are accounts left')
  const accountId = String(firstAccount + allocated)
  transaction.put(row, accountCodec.encode(row, { accountId }))
  transaction.put(accountCountKey, countCodec.encode(accountCountKey, { allocated: allocated + 1 }))
  return accountId
}

/** How many numbers were given out. Throws CorruptRecordError. */
export async function readAccountCount(reader: KeyValueReader): Promise<number> {
  return allocatedBy(await reader.get(accountCountKey))
}

/** None of the next `count` numbers is ever given out. Throws CorruptRecordError: then no number is given out at all. */
export async function skipAccounts(transaction: KeyValueTransaction, count: number): Promise<void> {
  const allocated = (await readAccountCount(transaction)) + count
  transaction.put(accountCountKey, countCodec.encode(accountCountKey, { allocated }))
}

function allocatedBy(count: Uint8Array | null): number {
  return count === null ? 0 : countCodec.decode(accountCountKey, count).allocated
}
