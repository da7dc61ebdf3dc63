/** Volumes that nobody serves: opened by their owner for some work, and closed. */
import { join } from 'node:path'
import type { Clock } from '../../../src/lib/clock.ts'
import { silentLog } from '../../../src/lib/log.ts'
import { openVolumeOwner } from '../../../src/server/open-volume.ts'
import { openEnvironment } from '../../../src/store/kv/lmdb/environment.ts'
import type { Store } from '../../../src/store/store.ts'
import { actor } from './support.ts'

export async function onVolume<T>(
  { directory, clock }: { readonly directory: string; readonly clock: Clock },
  work: (store: Store) => Promise<T>,
): Promise<T> {
  const owner = await openVolumeOwner({ directory, clock, log: silentLog })
  try {
    return await work(owner.store)
  } finally {
    await owner.close()
  }
}

/** The bucket `ledger`, with Object Lock. */
export async function createLedger(store: Store): Promise<void> {
  const name = 'ledger'
  const { accountId } = actor
  await store.buckets.create(actor, { name, accountId, region: 'us-east-1', objectLock: 'enabled' })
}

/** One bit of the row's last byte, or of another: from the end where `place` is below 0. */
export async function flipBit(directory: string, key: Uint8Array, place = -1): Promise<void> {
  const environment = openEnvironment({
    directory: join(directory, 'kv'),
    access: 'readWrite',
    reads: 'inOrder',
  })
  await environment.write((view) => {
    const value = Buffer.from(view.get(key) ?? [])
    const index = place < 0 ? value.length + place : place
    value[index] = (value[index] ?? 0) ^ 1
    view.put(key, value)
  })
  await environment.close()
}
