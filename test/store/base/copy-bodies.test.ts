import { afterEach, beforeEach, expect, test } from 'vitest'
import { limits } from '../../../src/lib/limits.ts'
import type { BodyFolder } from '../../../src/store/bodies/body-folder.ts'
import { BodyCorruptError } from '../../../src/store/bodies/contract.ts'
import { inspectBodies } from '../../../src/store/bodies/inspect.ts'
import { copyBodies } from '../../../src/store/copy-bodies.ts'
import { openRig, putBytes, type Rig } from './rig.ts'
import { engines } from './support.ts'

let rig: Rig
let problems: string[]
beforeEach(async () => {
  const [engine] = engines
  if (engine === undefined) throw new Error('there is an engine')
  rig = await openRig(engine)
  problems = []
  await putBytes(rig.versions, 'large', new Uint8Array(limits.inlineBodyBytesMax + 1))
})
afterEach(() => rig.close())

function copyTo(write: BodyFolder['write']) {
  const target: BodyFolder = { has: async () => false, write, remove: async () => {} }
  const source = inspectBodies(rig.directory)
  const onProblem = (sentence: string) => problems.push(sentence)
  return copyBodies({ reader: rig.kv, source, target, check: { kind: 'sizes' }, onProblem })
}

test('copyBodies: a disk of the copy that fails a write, is no damage of the volume: the copy ends', async () => {
  const eio = Object.assign(new Error('EIO: i/o error, write'), { code: 'EIO' })
  await expect(copyTo(() => Promise.reject(eio))).rejects.toBe(eio)
  expect(problems).toEqual([])
})

test('copyBodies: a body that the disk of the volume does not give out, is told and the copy goes on', async () => {
  const cause = Object.assign(new Error('EIO: i/o error, read'), { code: 'EIO' })
  const unread = new BodyCorruptError('body x cannot be read from the disk', { cause })
  expect(await copyTo(() => Promise.reject(unread))).toMatchObject({ copiedCount: 0, problemCount: 1 })
  expect(problems).toEqual(['body x cannot be read from the disk'])
})
