/** One history: commands in a row, and after each of them everything that was promised is looked at. */
import { unreachable } from '../../src/lib/assert.ts'
import { until, untilReady, workerPids } from '../support/crash/processes.ts'
import type { TestServer } from '../support/server.ts'
import {
  beginBuckets,
  runApply,
  runCreateBucket,
  runDeleteBucket,
  runFreeze,
  runPolicy,
  runPutLock,
  runVersioning,
} from './bucket-commands.ts'
import type { ClockCommand, Command, ServerCommand } from './commands.ts'
import { runLifecycle } from './lifecycle-command.ts'
import type { ModelClock } from './model-clock.ts'
import { runDelete, runDeleteMany, runHead, runHold, runRetention, runTags } from './version-commands.ts'
import { compareListing, type Tally, World } from './world.ts'
import { runCopy, runCreateUpload, runPut, runUpload } from './write-commands.ts'

export type Rig = { readonly server: TestServer; readonly clock: ModelClock; readonly tally: Tally }

/** Thrown with the commands up to the one that failed. */
export class HistoryError extends Error {
  override readonly name = 'HistoryError'
  readonly commands: readonly Command[]

  constructor(commands: readonly Command[], cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause })
    this.commands = commands
  }
}

/** Errors: HistoryError. */
export async function runHistory(rig: Rig, name: string, commands: readonly Command[]): Promise<void> {
  const world = new World(rig, name)
  try {
    await rig.clock.begin()
    await beginBuckets(world)
  } catch (error) {
    throw new HistoryError([], error)
  }
  for (const [index, command] of commands.entries()) {
    try {
      await runCommand(world, command)
      const readCount = await world.ledger.verify(world.clock.now().high.trustedMs)
      for (let count = 0; count < readCount; count += 1) world.note('locked version read and hashed')
      for (const bucket of touched(world, command)) await compareListing(world, bucket)
    } catch (error) {
      throw new HistoryError(commands.slice(0, index + 1), error)
    }
  }
}

/** Whatever is about the server is about all of its buckets. */
function touched(world: World, command: Command) {
  if ('bucket' in command) return [world.bucket(command.bucket)]
  return command.kind === 'freeze' || command.kind === 'apply' ? [] : [...world.buckets.values()]
}

async function runCommand(world: World, command: Command): Promise<void> {
  switch (command.kind) {
    case 'put':
      return runPut(world, command)
    case 'copy':
      return runCopy(world, command)
    case 'delete':
      return runDelete(world, command)
    case 'deleteMany':
      return runDeleteMany(world, command)
    case 'putRetention':
      return runRetention(world, command)
    case 'putHold':
      return runHold(world, command)
    case 'putTags':
      return runTags(world, command)
    case 'head':
      return runHead(world, command)
    case 'createUpload':
      return runCreateUpload(world, command)
    case 'uploadPart':
    case 'completeUpload':
    case 'abortUpload':
      return runUpload(world, command)
    case 'putLock':
      return runPutLock(world, command)
    case 'freeze':
      return runFreeze(world, command)
    case 'putVersioning':
      return runVersioning(world, command)
    case 'putPolicy':
    case 'deletePolicy':
      return runPolicy(world, command)
    case 'deleteBucket':
      return runDeleteBucket(world, command)
    case 'createBucket':
      return runCreateBucket(world, command)
    case 'lifecycle':
      return runLifecycle(world, command)
    case 'apply':
      return runApply(world, command)
    case 'advanceClock':
    case 'advanceToExpiry':
    case 'stepSystemClock':
      return runClock(world, command)
    case 'restart':
    case 'kill9':
    case 'killWorker':
      return runServer(world, command)
    default:
      return unreachable(command, 'every command is run')
  }
}

async function runClock(world: World, command: ClockCommand): Promise<void> {
  world.note(command.kind)
  switch (command.kind) {
    case 'advanceClock':
      return world.clock.advance(command.durationMs)
    case 'stepSystemClock':
      return world.clock.step(command.durationMs)
    case 'advanceToExpiry': {
      const bucket = world.bucket(command.bucket)
      const { key, versionId } = bucket.address(command.pick)
      const found = bucket.find(key, versionId)
      if (typeof found === 'string' || found.retention === null) return
      const durationMs = found.retention.retainUntilMs + command.offsetMs - world.clock.now().low.trustedMs
      if (durationMs > 0) await world.clock.advance(Math.floor(durationMs))
    }
  }
}

async function runServer(world: World, { kind }: ServerCommand): Promise<void> {
  const { server } = world
  world.note(kind)
  switch (kind) {
    case 'restart':
      await server.restart()
      break
    case 'kill9':
      await server.kill9()
      await server.start()
      break
    case 'killWorker': {
      const before = workerPids(server)
      const [victim] = before
      if (victim === undefined) throw new Error('the server has no worker')
      process.kill(victim, 'SIGKILL')
      await until('another worker has come', () => {
        const now = workerPids(server)
        return now.length === before.length && !now.includes(victim)
      })
    }
  }
  await untilReady(server)
  await world.clock.check()
}
