/** Faults of the disk that meet one request, and what has to follow. */
import { expect } from 'vitest'
import type { TestServer } from '../server.ts'
import type { Fault, FaultAction, Faults } from './faults.ts'
import { until, untilListening, untilReady, workerPids } from './processes.ts'

export type InjectedRow = {
  readonly name: string
  readonly fault: Fault
  readonly answer: readonly [number, string | null]
  /** `ends`: the worker that met it, for another to open the volume anew. `goesOn`: one request is refused. */
  readonly worker: 'ends' | 'goesOn'
}

export const storeFile = '*/data/kv/data.mdb'
export const stagedFile = '*/data/stage/*/*'
const stageFolder = '*/data/stage/*-w?'
const bodyFile = '*/data/bodies/??/??/*'
const innerFolder = '*/data/bodies/??/??'

export const fail = (error: 'EIO' | 'ENOSPC' | 'EMFILE'): FaultAction => ({ kind: 'fail', error })
const once = (fault: Omit<Fault, 'faulted'>): Fault => ({ ...fault, faulted: 1 })
export const broken = { answer: [503, 'ServiceUnavailable'], worker: 'ends' } as const
export const full = { answer: [507, 'InsufficientStorage'], worker: 'goesOn' } as const

/** Each kind of step by which a body gets onto the disk. */
export const bodyRows: readonly InjectedRow[] = [
  {
    name: 'the stage file cannot be opened: EIO',
    fault: { call: 'open', place: stagedFile, action: fail('EIO') },
    ...broken,
  },
  {
    name: 'the stage file cannot be opened: EMFILE',
    fault: { call: 'open', place: stagedFile, action: fail('EMFILE') },
    ...broken,
  },
  {
    name: 'the stage file cannot be made: ENOSPC',
    fault: { call: 'open', place: stagedFile, action: fail('ENOSPC') },
    ...full,
  },
  {
    name: 'bytes are not written: EIO',
    fault: { call: 'write', place: stagedFile, action: fail('EIO') },
    ...broken,
  },
  {
    name: 'bytes are not written: ENOSPC',
    fault: { call: 'write', place: stagedFile, action: fail('ENOSPC') },
    ...full,
  },
  {
    name: 'the bytes are not flushed: EIO, once',
    fault: once({ call: 'sync', place: stagedFile, action: fail('EIO') }),
    ...broken,
  },
  {
    name: 'the bytes are not flushed: ENOSPC, once',
    fault: once({ call: 'sync', place: stagedFile, action: fail('ENOSPC') }),
    ...broken,
  },
  {
    name: 'the body gets no name: EIO',
    fault: { call: 'link', place: bodyFile, action: fail('EIO') },
    ...broken,
  },
  {
    name: 'the body gets no name: ENOSPC',
    fault: { call: 'link', place: bodyFile, action: fail('ENOSPC') },
    ...full,
  },
  {
    name: 'the folder of the name is not opened to be flushed: EMFILE, once',
    fault: once({ call: 'open', place: innerFolder, action: fail('EMFILE') }),
    ...broken,
  },
  {
    name: 'the name of the body is not flushed: EIO, once',
    fault: once({ call: 'sync', place: innerFolder, action: fail('EIO') }),
    ...broken,
  },
  {
    name: 'the name of the body is not flushed: ENOSPC, once',
    fault: once({ call: 'sync', place: innerFolder, action: fail('ENOSPC') }),
    ...broken,
  },
  {
    name: 'the name in the stage is not flushed: EIO, once',
    fault: once({ call: 'sync', place: stageFolder, action: fail('EIO') }),
    ...broken,
  },
]

/** Each kind of step of a commit. */
export const commitRows: readonly InjectedRow[] = [
  {
    name: 'pages of the commit are not written: EIO, once',
    fault: once({ call: 'write', place: storeFile, action: fail('EIO') }),
    ...broken,
  },
  {
    name: 'pages of the commit are not written: ENOSPC, once',
    fault: once({ call: 'write', place: storeFile, action: fail('ENOSPC') }),
    ...broken,
  },
  {
    name: 'half of a page of the commit is written, once',
    fault: once({ call: 'write', place: storeFile, action: { kind: 'shorten' } }),
    ...broken,
  },
  {
    name: 'pages of the commit are not flushed: EIO, once',
    fault: once({ call: 'sync', place: storeFile, action: fail('EIO') }),
    ...broken,
  },
  {
    name: 'pages of the commit are not flushed: ENOSPC, once',
    fault: once({ call: 'sync', place: storeFile, action: fail('ENOSPC') }),
    ...broken,
  },
  {
    name: 'the root of the commit is not written: EIO, once',
    fault: once({ call: 'write synchronous', place: storeFile, action: fail('EIO') }),
    ...broken,
  },
  {
    name: 'the root of the commit is not written: ENOSPC, once',
    fault: once({ call: 'write synchronous', place: storeFile, action: fail('ENOSPC') }),
    ...broken,
  },
  {
    name: 'half of the root of the commit is written, once',
    fault: once({ call: 'write synchronous', place: storeFile, action: { kind: 'shorten' } }),
    ...broken,
  },
]

/** Of rows, those of these names, in their order. Errors: there is none of a name. */
export function rowsNamed(rows: readonly InjectedRow[], names: readonly string[]): readonly InjectedRow[] {
  return names.map((name) => {
    const found = rows.find((row) => row.name === name)
    if (found === undefined) throw new Error(`there is no row ${name}`)
    return found
  })
}

/** The supervisor waits longer before each start of a worker that ended soon: after so many a worker the server is started anew. */
const endsMaxPerWorker = 3

export type Injection = {
  /**
   * Sends while the fault is armed. Resolves when the fault has had all its consequences and two workers listen: the step that it
   * meets must be none of a worker's start.
   */
  readonly meet: <Met>(row: Pick<InjectedRow, 'fault' | 'worker'>, send: () => Promise<Met>) => Promise<Met>
}

export function injectionInto(server: TestServer, faults: Faults, workerCount = 2): Injection {
  let endCount = 0
  return {
    async meet({ fault, worker }, send) {
      if (worker === 'ends') endCount += 1
      if (worker === 'ends' && endCount % (endsMaxPerWorker * workerCount) === 0) {
        await server.restart()
        await untilReady(server)
      }
      const before = workerPids(server)
      // The supervisor's own commits are left alone: it would end, and with it the server.
      faults.arm({ ...fault, sparedPid: server.pid() })
      const met = await send()
      faults.disarm()
      expect(faults.hits()).toBeGreaterThan(0)
      // A second flush of the same file would succeed and prove nothing.
      if (fault.call === 'sync') expect(faults.matches()).toBe(1 + (fault.passed ?? 0))
      const isOneGone = () => before.some((pid) => !workerPids(server).includes(pid))
      if (worker === 'ends') await until('a worker ended', isOneGone)
      await untilListening(server, 2)
      if (worker === 'goesOn') expect(isOneGone()).toBe(false)
      return met
    },
  }
}
