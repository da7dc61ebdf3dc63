/** node half.ts DIRECTORY: a write callback that fails after its first write. */
import { argv } from 'node:process'
import { openEnvironment } from '../../../../src/store/kv/lmdb/environment.ts'

const environment = openEnvironment({ directory: argv[2] ?? '', access: 'readWrite', reads: 'inOrder' })
await environment.write((view) => view.put(Buffer.from('before'), Buffer.from('x')))
await environment.write((view) => {
  view.put(Buffer.from('half'), Buffer.from('x'))
  throw new Error('in the middle')
})
