/**
 * Random histories over HTTP against a model: two workers, a real volume, seven principals, four kinds of buckets, a clock that
 * is turned and a server that is killed. HOLDFAST_SEED (`seed` or `seed:path`, as a failure prints it) replays, HOLDFAST_RUNS
 * says how many new ones, HOLDFAST_LONG=1 stands for thousands.
 */
import fc from 'fast-check'
import { afterAll, beforeAll, test } from 'vitest'
import { tellFigure } from '../support/long-figures.ts'
import { startTestServer, type TestServer } from '../support/server.ts'
import { type Command, command } from './commands.ts'
import { HistoryError, type Rig, runHistory } from './history.ts'
import { ModelClock } from './model-clock.ts'
import { accessKeys } from './principals.ts'
import { expectTried } from './promised.ts'
import { shrink } from './shrink.ts'

const commandCount = 60
const usualRunCount = 50
const { HOLDFAST_SEED, HOLDFAST_RUNS, HOLDFAST_LONG } = process.env
const runCount = Number(HOLDFAST_RUNS ?? (HOLDFAST_LONG === '1' ? 2000 : usualRunCount))
/** The usual run is the same for everybody: new histories are for the long runs, which have time to be looked into. */
const usualSeed = 20_261_122
const isUsual = HOLDFAST_RUNS === undefined && HOLDFAST_LONG !== '1'
const [seed = '', path] = (HOLDFAST_SEED ?? String(isUsual ? usualSeed : Date.now() % 2 ** 31)).split(':')
/** Ten times what it takes. */
const minutes = Math.max(15, Math.ceil(runCount / 2))
const shrinkMs = 90_000

let rig: Rig
let server: TestServer

beforeAll(async () => {
  // A run of the lifecycle costs nothing while no bucket has rules.
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
  process.stdout.write(`model: HOLDFAST_SEED=${seed} HOLDFAST_RUNS=${runCount}\n`)
  const history = fc.array(command, { minLength: commandCount, maxLength: commandCount })
  // fast-check's own shrinking replays a hundred histories: `shrink` knows when to stop.
  const details = await fc.check(fc.asyncProperty(history, run), {
    seed: Number(seed),
    ...(path === undefined ? {} : { path }),
    numRuns: path === undefined ? runCount : 1,
    endOnFailure: true,
  })
  const tried = [...rig.tally].toSorted().map(([name, count]) => `${name}: ${count}`)
  process.stdout.write(`model: ${tried.join(', ')}\n`)
  if (details.failed) {
    const { errorInstance: error, counterexamplePath } = details
    if (!(error instanceof HistoryError)) throw error
    throw await explained(error, `HOLDFAST_SEED=${seed}:${counterexamplePath ?? '0'}`)
  }
  if (path === undefined && runCount >= usualRunCount) expectTried(rig.tally)
  tellFigure('histories', details.numRuns)
})

/** The error with how to see it again and the fewest commands that were found to do. */
async function explained(error: HistoryError, replay: string): Promise<Error> {
  process.stdout.write(`model: ${replay} failed, and is made shorter now: ${error.message}\n`)
  const endMs = performance.now() + shrinkMs
  const fewest = await shrink(error.commands, async (some) => (await failureOf(some)) !== null, endMs)
  const last = (await failureOf(fewest)) ?? error
  const shown = fewest.map((each) => JSON.stringify(each)).join('\n')
  const message = `${last.message}\n\n${replay}\n${fewest.length} commands:\n${shown}\n\n${server.logs().slice(-2000)}`
  return new Error(message, { cause: last.cause })
}
