/**
 * Every request that writes, stopped at every step: the volume as it lies there passes `holdfast verify`, and recovers to
 * the state before the request or to the state after it, whole. From the commit on, and so when the answer goes, it is after.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { adminOperations } from '../../src/admin/operations/index.ts'
import { operations } from '../../src/s3/operations/index.ts'
import { type Faults, prepareFaults } from '../support/crash/faults.ts'
import {
  closedOperations,
  type Flush,
  makeMutationsBucket,
  mutations,
  mutationsMasterKey,
  sendMutation,
} from '../support/crash/mutations.ts'
import { until, workerPids } from '../support/crash/processes.ts'
import { recoveredState, type Step, walkSteps } from '../support/crash/steps.ts'
import { startTestServer, type TestServer } from '../support/server.ts'

let faults: Faults
let server: TestServer

beforeAll(async () => {
  faults = prepareFaults()
  server = await startTestServer({ environment: faults.environment, masterKey: mutationsMasterKey })
  await makeMutationsBucket(server)
  // Workers make it too: it is no step of a request.
  await until('the ballast is there', () => existsSync(join(server.dataDirectory, 'ballast')))
})
afterAll(async () => {
  faults.disarm()
  await server.stop()
  faults.remove()
})

const commitSteps = ['store pages written', 'store pages flushed', 'store root written']

/** The steps of a request that makes these flushes durable before its answer. */
function stepsOf(flushes: readonly Flush[]): readonly string[] {
  const isFile = flushes.includes('body bytes')
  const before = ['body opened', 'body bytes written', 'body bytes flushed', 'body named']
  // Side by side, so in no order.
  const names = ['body name flushed', 'stage name flushed']
  const commits = flushes.filter((flush) => flush === 'store root').flatMap(() => commitSteps)
  return isFile ? [...before, ...names, ...commits, 'stage name removed', 'answer'] : [...commits, 'answer']
}

/** In order; repeated writes of one file are one step, and a shard is made once for each worker. */
function named(steps: readonly Step[]): readonly string[] {
  const workers = workerPids(server)
  const names = steps
    .filter(({ process, name }) => workers.includes(process) && name !== 'shard')
    .map(({ name }) => name)
  const once = names.filter((name, index) => name !== names[index - 1])
  const at = once.indexOf('stage name flushed')
  return once[at + 1] === 'body name flushed'
    ? once.with(at, 'body name flushed').with(at + 1, 'stage name flushed')
    : once
}

/** One letter a state, in the order of its first time. */
function letters(states: readonly string[]): string {
  const seen = [...new Set(states)]
  return states.map((state) => 'abcdefgh'[seen.indexOf(state)]).join('')
}

/** Each root of a worker is a new state, for what comes after it; the supervisor's, the clock's mark, is none. */
function lettersByRoots(steps: readonly Step[]): string {
  const workers = workerPids(server)
  let roots = 0
  const states = steps.map(({ name, process }) => {
    const state = String(roots)
    if (name === 'store root written' && workers.includes(process)) roots += 1
    return state
  })
  return letters(states)
}

describe('a request killed at each of its steps', () => {
  it.each(mutations)(
    '$name: at every step it is whole or absent, and recovers by itself',
    async (mutation) => {
      const request = await mutation.prepare(server)
      const walk = await walkSteps(
        faults,
        server.dataDirectory,
        async () => (await sendMutation(server, request)).status,
      )
      try {
        expect(walk.status).toBe(mutation.status)
        expect(named(walk.steps)).toEqual(stepsOf(mutation.flushes))
        const states: string[] = []
        for (const { name, copy } of walk.steps) {
          const { state, findings } = await recoveredState(copy)
          expect([name, findings]).toEqual([name, []])
          states.push(state)
        }
        expect(letters(states)).toBe(lettersByRoots(walk.steps))
      } finally {
        walk.remove()
      }
    },
  )

  it('the list: every operation that writes is in it', () => {
    const writing = [...operations, ...adminOperations].filter((operation) => {
      const method = 'match' in operation ? operation.match.method : operation.method
      return !['GET', 'HEAD', 'OPTIONS'].includes(method)
    })
    const names = writing.map(({ name }) => name).toSorted()
    const listed = new Set([...mutations.map(({ operation }) => operation), ...closedOperations])
    expect([...listed].toSorted()).toEqual(names)
  })
})
