/**
 * Random histories over HTTP against a model: two workers, a real volume, seven principals, four kinds of buckets, a clock that
 * is turned and a server that is killed. HOLDFAST_SEED (`seed` or `seed:path`, as a failure prints it) replays, HOLDFAST_RUNS
 * says how many.
 */
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestServer, type TestServer } from '../support/server.ts'
import { type Command, command } from './commands.ts'
import { HistoryError, type Rig, runHistory } from './history.ts'
import { ModelClock } from './model-clock.ts'
import { accessKeys } from './principals.ts'
import { shrink } from './shrink.ts'

const commandCount = 60
const runCount = Number(process.env['HOLDFAST_RUNS'] ?? '50')
const minutes = Math.max(10, Math.ceil(runCount / 5))
const shrinkMs = 90_000

let rig: Rig
let server: TestServer

beforeAll(async () => {
  // Often: a run costs nothing while no bucket has rules.
  server = await startTestServer({ accessKeys, workerCount: 2, lifecycleIntervalMs: 200 })
  rig = { server, clock: new ModelClock(server), tally: new Map() }
})
afterAll(() => server.stop())

let historyCount = 0

function run(commands: readonly Command[]): Promise<void> {
  historyCount += 1
  return runHistory(rig, `history-${historyCount}`, commands)
}

/** The error of a history that does not end alike; null: it does. */
async function failureOf(commands: readonly Command[]): Promise<HistoryError | null> {
  try {
    await run(commands)
    return null
  } catch (error) {
    if (error instanceof HistoryError) return error
    throw error
  }
}

test("Model: random histories over HTTP, every answer is the model's and nothing locked is lost", {
  timeout: minutes * 60_000,
}, async () => {
  const [seed, path] = (process.env['HOLDFAST_SEED'] ?? String(Date.now() % 2 ** 31)).split(':', 2)
  process.stdout.write(`model: HOLDFAST_SEED=${seed} HOLDFAST_RUNS=${runCount}\n`)
  const history = fc.array(command, { minLength: commandCount, maxLength: commandCount })
  // fast-check's own shrinking replays a hundred histories: `shrink` knows when to stop.
  const details = await fc.check(fc.asyncProperty(history, run), {
    seed: Number(seed),
    ...(path === undefined ? {} : { path: path.split(':')[0] ?? '' }),
    numRuns: path === undefined ? runCount : 1,
    endOnFailure: true,
  })
  process.stdout.write(
    `model: ${[...rig.tally]
      .toSorted()
      .map((each) => each.join(' '))
      .join(', ')}\n`,
  )
  if (!details.failed) return
  const error = details.errorInstance
  if (!(error instanceof HistoryError)) throw error
  process.stdout.write(`model: failed, and is made shorter now: ${error.message}\n`)
  const endMs = performance.now() + shrinkMs
  const fewest = await shrink(error.commands, async (some) => (await failureOf(some)) !== null, endMs)
  const last = (await failureOf(fewest)) ?? error
  const shown = fewest.map((each) => JSON.stringify(each)).join('\n')
  const replay = `HOLDFAST_SEED=${details.seed}:${details.counterexamplePath ?? '0'}`
  throw new Error(`${last.message}\n\n${replay}\n${fewest.length} commands:\n${shown}\n${server.logs()}`, {
    cause: last.cause,
  })
})

test('Model: the histories had successes and refusals of every kind, and went over what they promise', () => {
  const count = (name: string): number => rig.tally.get(name) ?? 0
  expect(count('locked version read and hashed')).toBeGreaterThan(runCount)
})
