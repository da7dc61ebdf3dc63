/** node fill.ts DIRECTORY: writes until the volume is full; prints how many were acknowledged, as JSON. */
import { argv, stdout } from 'node:process'
import { StoreFailedError } from '../../../../src/store/kv/contract.ts'
import { openLmdb } from '../../../../src/store/kv/lmdb/lmdb.ts'

const kv = await openLmdb({ directory: argv[2] ?? '' })
const put = (index: number) =>
  kv.transact(async (transaction) => {
    transaction.put(Buffer.from(`k${index}`), Buffer.alloc(40_000, index % 251))
    transaction.append('audit', Buffer.from(`${index}`))
  })

const acknowledged: number[] = []
const errors: string[] = []
let next = 0
async function caller(): Promise<void> {
  while (errors.length === 0 && next < 10_000) {
    const index = next
    next += 1
    try {
      await put(index)
      acknowledged.push(index)
    } catch (error) {
      errors.push(error instanceof StoreFailedError ? 'StoreFailedError' : String(error))
    }
  }
}
await Promise.all(Array.from({ length: 4 }, caller))

const later = await Promise.allSettled([put(-1), kv.get(Buffer.from('k0'))])
const laterNames = later.map((result) => (result.status === 'rejected' ? result.reason.name : 'fulfilled'))
await kv.close()
stdout.write(JSON.stringify({ acknowledged, errors, laterNames }))
