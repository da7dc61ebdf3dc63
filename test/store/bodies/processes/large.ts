/**
 * node large.ts DIRECTORY MEBIBYTES: stages, publishes and reads a large body; prints the peaks of RssAnon in
 * KiB.
 */
import { readFileSync } from 'node:fs'
import { argv, stdout } from 'node:process'
import { systemClock } from '../../../../src/platform/clock.ts'
import { openBodies } from '../../../../src/store/bodies/bodies.ts'

const [directory = '', mebibytesText = '0'] = argv.slice(2)
const mebibytes = Number(mebibytesText)
const bodies = await openBodies({ directory, epoch: 'e1', worker: 'w1', clock: systemClock() })

let peakKib = 0
function sample(): void {
  const line = readFileSync('/proc/self/status', 'utf8').match(/RssAnon:\s+(\d+)/)
  peakKib = Math.max(peakKib, Number(line?.[1]))
}

async function* source() {
  // As sockets do: a fresh chunk each time.
  for (let index = 0; index < mebibytes * 16; index += 1) {
    if (index % 64 === 0) sample()
    yield Buffer.alloc(65_536, index)
  }
}

sample()
const startKib = peakKib
const staged = await bodies.stage(source(), { bytesMax: 2 ** 40 })
await bodies.publish(staged)
let readBytes = 0
const reader = bodies.open(
  staged,
  { firstBlockIndex: 0, crcs: staged.blockCrcs },
  { startByte: 0, endByteExclusive: staged.sizeBytes },
)
for await (const chunk of reader) {
  readBytes += chunk.length
  reader.recycle(chunk)
  if (readBytes % 2 ** 24 === 0) sample()
}
stdout.write(JSON.stringify({ startKib, peakKib, readBytes, sizeBytes: staged.sizeBytes }))
