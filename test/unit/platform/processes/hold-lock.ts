/** node hold-lock.ts DIRECTORY: takes the lock of the volume, says so and holds it until it is ended. */
import { writeSync } from 'node:fs'
import { argv, stdin } from 'node:process'
import { lockVolume } from '../../../../src/platform/volume-lock.ts'

await lockVolume(argv[2] ?? '')
writeSync(1, `held by ${process.pid}\n`)
stdin.resume()
