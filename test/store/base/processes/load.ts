/** node load.ts DIRECTORY WORKER: puts, uploads, deletes and collects until killed; one line for each acknowledged step. */
import { randomInt } from 'node:crypto'
import { writeSync } from 'node:fs'
import { join } from 'node:path'
import { argv } from 'node:process'
import { silentLog } from '../../../../src/lib/log.ts'
import { systemClock } from '../../../../src/platform/clock.ts'
import { openBodies } from '../../../../src/store/bodies/bodies.ts'
import { openLmdb } from '../../../../src/store/kv/lmdb/lmdb.ts'
import { openStore } from '../../../../src/store/open-store.ts'
import { fencedKeyValue, readServerEpoch, readVolume } from '../../../../src/store/volume.ts'
import { anyParts, createUpload, pattern, putBytes, putPart, removeVersion } from '../rig.ts'
import { actor } from '../support.ts'

const [directory = '', worker = ''] = argv.slice(2)
const clock = systemClock()
const kv = await openLmdb({ directory: join(directory, 'kv') })
const epoch = (await readServerEpoch(kv))?.epoch ?? 0
const bodies = await openBodies({ directory, epoch: String(epoch), worker, clock })
const volume = await readVolume(kv)
const store = openStore({
  kv: fencedKeyValue(kv, epoch),
  bodies,
  clock,
  log: silentLog,
  volume,
  masterKey: null,
})
const say = (line: string) => writeSync(1, `${line}\n`)

async function one(name: string): Promise<void> {
  const seed = randomInt(250)
  const length = randomInt(2) === 0 ? 1000 + seed : 100_000 + seed
  const version = await putBytes(store.versions, name, pattern(length, seed))
  say(`put ${name} ${version.versionId} ${length} ${seed}`)
  if (randomInt(3) > 0) return
  say(`removing ${name} ${version.versionId}`)
  await removeVersion(store.versions, version)
  say(`removed ${name} ${version.versionId}`)
}

async function multipart(name: string): Promise<void> {
  const seed = randomInt(250)
  const address = await createUpload(store.uploads, name)
  const part = await putPart(store, address, { partNumber: 1, bytes: pattern(70_000, seed) })
  await putPart(store, address, { partNumber: 2, bytes: pattern(300, seed) })
  const input = { ...address, parts: [part], checksum: null, precondition: anyParts }
  const done = await store.uploads.complete(actor, input)
  if (done.kind !== 'completed') throw new Error(done.kind)
  say(`put ${name} ${done.version.versionId} 70000 ${seed}`)
}

async function lane(number: number): Promise<never> {
  for (let index = 0; ; index += 1) {
    const name = `${worker}-${number}-${index}`
    await (number === 0 ? multipart(name) : one(name))
    if (number === 1 && index % 5 === 4) await store.collectGarbage(new AbortController().signal)
  }
}

await Promise.all([0, 1, 2, 3].map(lane))
