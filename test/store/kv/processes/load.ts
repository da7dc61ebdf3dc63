/**
 * node load.ts DIRECTORY NAME COUNT: transactions by one process; prints each number once it is
 * acknowledged.
 */
import { writeSync } from 'node:fs'
import { argv } from 'node:process'
import { TransactionConflictError } from '../../../../src/store/kv/contract.ts'
import { openLmdb } from '../../../../src/store/kv/lmdb/lmdb.ts'

const [directory = '', name = '', countText = '0'] = argv.slice(2)
const count = Number(countText)
const kv = await openLmdb({ directory })
let next = 0

async function one(index: number): Promise<void> {
  await kv.transact(async (transaction) => {
    const value = await transaction.get(Buffer.from('total'))
    const total = value === null ? 0 : Number(Buffer.from(value).toString())
    transaction.put(Buffer.from('total'), Buffer.from(`${total + 1}`))
    transaction.put(Buffer.from(`own/${name}/${index}`), Buffer.alloc(300, index % 251))
    transaction.add(Buffer.from('n'), 1)
    transaction.append('audit', Buffer.from(`${name}/${index}`))
  })
  writeSync(1, `${index}\n`)
}

async function caller(): Promise<void> {
  while (next < count) {
    const index = next
    next += 1
    for (let isDone = false; !isDone; ) {
      try {
        await one(index)
        isDone = true
      } catch (error) {
        // The key that all write is contended on purpose: the contract allows giving up, the load goes on.
        if (!(error instanceof TransactionConflictError)) throw error
      }
    }
  }
}

await Promise.all(Array.from({ length: 8 }, caller))
await kv.close()
