/**
 * Disk faults for the processes of a test server: calls that fail, write half of what they were given, or say that they
 * flushed and did not. Made by gcc from faults.c; the rule is in a file that every process maps.
 */
import { execFileSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** `sync`: fsync and fdatasync. `synchronous`: with O_DSYNC, as LMDB opens its file and writes its roots. */
export type FaultCall =
  | 'sync'
  | 'write'
  | 'write synchronous'
  | 'open'
  | 'open synchronous'
  | 'link'
  | 'rename'
  | 'unlink'
  | 'mkdir'
export type FaultAction =
  | { readonly kind: 'fail'; readonly error: 'EIO' | 'ENOSPC' | 'EMFILE' | 'EROFS' }
  /** The call does nothing and says that it did. */
  | { readonly kind: 'swallow' }
  | { readonly kind: 'shorten' }
  /** The file is opened without O_DSYNC. */
  | { readonly kind: 'unsynchronous' }
  | { readonly kind: 'delay'; readonly delayMs: number }

export type Fault = {
  readonly call: FaultCall
  /** A pattern for the whole path; `*` also takes slashes. */
  readonly place: string
  readonly action: FaultAction
  /** Matching calls that are let through first; none if left out. */
  readonly passed?: number
  /** How many are faulted; all that come if left out. */
  readonly faulted?: number
  /** A process that it is not for; none if left out. */
  readonly sparedPid?: number
}

export type Faults = {
  /** For the server's processes. */
  readonly environment: Readonly<Record<string, string>>
  /** Replaces the fault before; its counts begin at zero. */
  readonly arm: (fault: Fault) => void
  readonly disarm: () => void
  /** Calls that the fault met: without one a test has shown nothing. */
  readonly hits: () => number
  /** Calls that fitted, faulted or not. */
  readonly matches: () => number
  readonly remove: () => void
}

const actionNumbers = { fail: 1, swallow: 2, shorten: 3, unsynchronous: 4, delay: 5 } as const
const matchesOffset = 16
const hitsOffset = 20
const sparedOffset = 24
const callOffset = 28
const placeOffset = 60
const ruleBytes = 252
const countMax = 2 ** 31 - 1
const source = fileURLToPath(new URL('./faults.c', import.meta.url))

/** Builds the library. Errors: gcc is not there. */
export function prepareFaults(): Faults {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-faults-'))
  const library = join(directory, 'faults.so')
  execFileSync('gcc', ['-shared', '-fPIC', '-O1', '-Wall', '-Werror', '-o', library, source, '-ldl'])
  const path = join(directory, 'rule')
  writeFileSync(path, Buffer.alloc(ruleBytes))
  const descriptor = openSync(path, 'r+')
  const read = (offset: number): number => {
    const bytes = Buffer.alloc(4)
    readSync(descriptor, bytes, 0, 4, offset)
    return bytes.readInt32LE()
  }
  const disarm = (): void => {
    writeSync(descriptor, Buffer.alloc(4), 0, 4, 0)
  }
  return {
    environment: { LD_PRELOAD: library, HOLDFAST_TEST_FAULTS: path },
    arm: (fault) => {
      disarm()
      const bytes = ruleOf(fault)
      // The action last: it sets the rest in force.
      writeSync(descriptor, bytes, 4, ruleBytes - 4, 4)
      writeSync(descriptor, bytes, 0, 4, 0)
    },
    disarm,
    hits: () => read(hitsOffset),
    matches: () => read(matchesOffset),
    remove: () => {
      closeSync(descriptor)
      rmSync(directory, { recursive: true })
    },
  }
}

function ruleOf({ call, place, action, passed, faulted, sparedPid }: Fault): Buffer {
  const bytes = Buffer.alloc(ruleBytes)
  bytes.writeInt32LE(actionNumbers[action.kind], 0)
  bytes.writeInt32LE(detailOf(action), 4)
  bytes.writeInt32LE(passed ?? 0, 8)
  bytes.writeInt32LE(faulted ?? countMax, 12)
  bytes.writeInt32LE(sparedPid ?? 0, sparedOffset)
  bytes.write(call, callOffset)
  bytes.write(place, placeOffset)
  return bytes
}

function detailOf(action: FaultAction): number {
  if (action.kind === 'fail') return constants.errno[action.error]
  return action.kind === 'delay' ? action.delayMs : 0
}
