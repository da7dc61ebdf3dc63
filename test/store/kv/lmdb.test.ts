import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openLmdb } from '../../../src/store/kv/lmdb/lmdb.ts'
import { keyValueSuite } from './suite.ts'

keyValueSuite({
  name: 'lmdb',
  create: async (uptimeMs) => {
    const directory = await mkdtemp(join(tmpdir(), 'holdfast-kv-'))
    const kv = await openLmdb({ directory, uptimeMs })
    return {
      kv,
      remove: async () => {
        await kv.close()
        await rm(directory, { recursive: true })
      },
    }
  },
})
