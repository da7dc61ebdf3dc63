/**
 * kill -9 between two steps of a PutObject of a file: flush of the bytes, name, commit, end of the trace. Each step is
 * held up by strace, so that the moment is the same in every run.
 */
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { until, untilReady, workerPids } from '../support/crash/processes.ts'
import { expectSound } from '../support/crash/recovered.ts'
import { recordSystemCalls } from '../support/crash/strace.ts'
import { isTidied, readVolume, rowsOf } from '../support/crash/volume-state.ts'
import { startTestServer, type TestServer } from '../support/server.ts'

const body = Buffer.alloc(1024 ** 2, 'whole ')
const holdUpMicroseconds = 60_000_000
let server: TestServer

beforeEach(async () => {
  server = await startTestServer()
  expect((await server.client.send({ method: 'PUT', path: '/bucket' })).status).toBe(200)
})
afterEach(async () => {
  await server.stop()
})

/** Files in a folder of the volume and all below it. */
function files(folder: string): readonly string[] {
  const path = join(server.dataDirectory, folder)
  if (!existsSync(path)) return []
  const entries = readdirSync(path, { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).map(({ name }) => name)
}

async function isCommitted(): Promise<boolean> {
  const rows = await readVolume(server.dataDirectory, (reader) => rowsOf(reader, 'version'))
  return rows.length > 0
}

type Step = {
  readonly name: string
  readonly heldUp: string
  /** What shows that the step before is done. */
  readonly isReached: () => boolean | Promise<boolean>
  readonly outcome: 'absent' | 'whole'
}

const steps: readonly Step[] = [
  {
    name: 'before the flush of the bytes',
    heldUp: 'fsync',
    isReached: () => files('stage').length === 1,
    outcome: 'absent',
  },
  {
    name: 'before the body has its own name',
    heldUp: 'link',
    isReached: () => files('stage').length === 1,
    outcome: 'absent',
  },
  {
    name: 'between the name of the body and the commit',
    heldUp: 'fdatasync',
    isReached: () => files('bodies').length === 1,
    outcome: 'absent',
  },
  {
    name: 'between the commit and the end of the trace',
    heldUp: 'unlink',
    isReached: isCommitted,
    outcome: 'whole',
  },
]

it.each(steps)('PutObject killed $name: the object is $outcome, nothing is left over', async (step) => {
  const { heldUp, isReached, outcome } = step
  const holding = await recordSystemCalls(workerPids(server), [`${heldUp}:delay_enter=${holdUpMicroseconds}`])
  const answer = server.client.send({ method: 'PUT', path: '/bucket/key', body }).catch(() => 'none')
  await until(step.name, isReached)
  await server.kill9()
  await holding.abandon()
  expect(await answer).toBe('none')
  await server.start()
  await untilReady(server)
  const got = await server.client.send({ method: 'GET', path: '/bucket/key' })
  if (outcome === 'whole') expect([got.status, got.body.equals(body)]).toEqual([200, true])
  else expect([got.status, got.code]).toEqual([404, 'NoSuchKey'])
  await until('garbage is collected', () => isTidied(server.dataDirectory))
  expect(files('stage')).toEqual([])
  expect(files('bodies')).toHaveLength(outcome === 'whole' ? 1 : 0)
  await expectSound(server)
})
