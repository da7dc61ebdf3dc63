/**
 * node check.ts DIRECTORY: which keys of fill.ts are there whole, which it logged, and whether writing works;
 * JSON.
 */
import { argv, stdout } from 'node:process'
import { logKey, parseChainValue } from '../../../../src/store/kv/chain.ts'
import { openLmdb } from '../../../../src/store/kv/lmdb/lmdb.ts'

const kv = await openLmdb({ directory: argv[2] ?? '' })
const stored = await kv.range({ from: Buffer.from('k'), to: Buffer.from('l'), limit: 10_000 })
const present = stored
  .map(({ key, value }) => ({ index: Number(Buffer.from(key).toString().slice(1)), value }))
  .filter(({ index, value }) => value.length === 40_000 && value.every((byte) => byte === index % 251))
  .map(({ index }) => index)
  .sort((a, b) => a - b)
const chain = await kv.range({ from: logKey('audit', 0), to: logKey('audit', 2 ** 53 - 1), limit: 10_000 })
const logged = chain
  .map(({ value }) => Number(Buffer.from(parseChainValue(value).record).toString()))
  .sort((a, b) => a - b)
await kv.transact(async (transaction) => transaction.put(Buffer.from('later'), Buffer.alloc(40_000)))
const wroteAgain = (await kv.get(Buffer.from('later')))?.length === 40_000
await kv.close()
stdout.write(JSON.stringify({ present, logged, wroteAgain }))
