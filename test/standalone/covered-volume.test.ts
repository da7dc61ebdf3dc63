/** Another folder takes the path of the volume while standalone runs: what it accepted stays with the volume. */
import { cpSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { makeDirectory, startStandalone } from '../support/standalone.ts'

const state = 'status/RetentionPolicy/default.governance.yaml'

test('a copy at the path of the volume: what is accepted is noted on the volume, and the copy stays as it is', async () => {
  const directory = makeDirectory()
  const [data, own] = [join(directory, 'data'), join(directory, 'own')]
  const server = startStandalone(directory)
  await server.printed(/default\/ledger: Ready[\s\S]*Try it/)
  renameSync(data, own)
  cpSync(own, data, { recursive: true })
  const before = readFileSync(join(data, state), 'utf8')
  const manifest = join(directory, 'manifests/governance-policy.yaml')
  writeFileSync(manifest, readFileSync(manifest, 'utf8').replace('days: 7', 'days: 8'))
  while (!readFileSync(join(own, state), 'utf8').includes('days: 8')) await sleep(50)
  expect(readFileSync(join(data, state), 'utf8')).toBe(before)
  expect(await server.end('SIGTERM')).toBe(0)
}, 120_000)
