/**
 * node put.ts DIRECTORY KIBIBYTES: stages, publishes and removes one body; prints each step, errors by
 * name.
 */
import { writeSync } from 'node:fs'
import { argv } from 'node:process'
import { systemClock } from '../../../../src/platform/clock.ts'
import { openBodies } from '../../../../src/store/bodies/bodies.ts'

const [directory = '', kibibytes = '0'] = argv.slice(2)
const bodies = await openBodies({ directory, epoch: 'e1', worker: 'w1', clock: systemClock() })

async function* source() {
  for (let index = 0; index < Number(kibibytes); index += 1) yield new Uint8Array(1024).fill(index)
}

async function step<T>(name: string, run: () => Promise<T>): Promise<T | null> {
  writeSync(1, `${name} begins\n`)
  try {
    const result = await run()
    writeSync(1, `${name} ends\n`)
    return result
  } catch (error) {
    writeSync(1, `${name} ${error instanceof Error ? error.name : String(error)}\n`)
    return null
  }
}

const stage = () => bodies.stage(source(), { bytesMax: 1e9 })
const staged = await step('stage', stage)
if (staged !== null) {
  await step('publish', () => bodies.publish(staged))
  await step('remove', () => bodies.remove(staged.bodyId))
}
await step('again', stage)
