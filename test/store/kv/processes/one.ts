/** node one.ts DIRECTORY COUNT: transactions one after the other; prints how long each took, in ms. */
import { writeSync } from 'node:fs'
import { argv } from 'node:process'
import { openLmdb } from '../../../../src/store/kv/lmdb/lmdb.ts'

const kv = await openLmdb({ directory: argv[2] ?? '' })
for (let index = 0; index < Number(argv[3]); index += 1) {
  const started = performance.now()
  writeSync(1, 'begin\n')
  await kv.transact(async (transaction) => {
    transaction.put(Buffer.from(`k${index}`), Buffer.from('v'))
    transaction.append('audit', Buffer.from(`${index}`))
  })
  writeSync(1, `acknowledged ${Math.floor(performance.now() - started)}\n`)
}
await kv.close()
