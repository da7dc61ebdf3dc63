import { VolumeAwayError } from '../lib/read-only.ts'
import type { KeyValue } from './kv/contract.ts'
import { withTransact } from './kv/with-transact.ts'

/**
 * The store of a volume whose folder may be unmounted, moved or covered while it is open. It reads on, for it reads what it opened;
 * a transaction that is about to commit while another folder is in its place fails with VolumeAwayError: the next start, on what is
 * there now, would not know of it.
 */
export function placedKeyValue(kv: KeyValue, isInPlace: () => boolean): KeyValue {
  return withTransact(kv, (work) =>
    kv.transact(async (transaction) => {
      const result = await work(transaction)
      if (!isInPlace()) throw new VolumeAwayError()
      return result
    }),
  )
}
