/**
 * Disk faults for the processes of a test server: calls that fail, write half of what they were given, or say that they
 * flushed and did not. Made by gcc from faults.c; the rule is in a file that every process maps.
 */
import { execFileSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** `sync`: fsync and fdatasync. `read`: at a place, as bodies are. `synchronous`: with O_DSYNC, as LMDB opens its file and writes its roots. */
export type FaultCall =
  | 'sync'
  | 'read'
  | 'write'
  | 'write synchronous'
  | 'open'
  | 'open synchronous'
  | 'link'
  | 'rename'
  | 'unlink'
  | 'mkdir'
export type FaultAction =
  | { readonly kind: 'fail'; readonly error: 'EIO' | 'ENOSPC' | 'EMFILE' | 'ENFILE' | 'EROFS' }
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
  /** From now on the calls that change the volume, and the answers, wait one after the other, each for `release`. */
  readonly hold: () => void
  /** The call that waits now; null when none does. */
  readonly held: () => Held | null
  readonly release: () => void
  readonly remove: () => void
}

/** A call that was stopped before it did anything. */
export type Held = {
  /** A FaultCall, `create` (open of a file that may not be there), `truncate`, `rmdir`, or `answer`. */
  readonly call: string
  /** '' for an answer. */
  readonly place: string
  readonly process: number
}

const actionNumbers = { fail: 1, swallow: 2, shorten: 3, unsynchronous: 4, delay: 5 } as const
const matchesOffset = 16
const hitsOffset = 20
const sparedOffset = 24
const callOffset = 28
const placeOffset = 60
const heldOffset = 256
const releasedOffset = 260
const processOffset = 264
const heldCallOffset = 268
const heldPlaceOffset = 300
const ruleBytes = 556
const holdNumber = 6
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
  const readText = (offset: number, size: number): string => {
    const bytes = Buffer.alloc(size)
    readSync(descriptor, bytes, 0, size, offset)
    return bytes.subarray(0, bytes.indexOf(0)).toString('utf8')
  }
  const disarm = (): void => {
    writeSync(descriptor, Buffer.alloc(4), 0, 4, 0)
  }
  const put = (bytes: Buffer): void => {
    disarm()
    // The action last: it sets the rest in force.
    writeSync(descriptor, bytes, 4, ruleBytes - 4, 4)
    writeSync(descriptor, bytes, 0, 4, 0)
  }
  return {
    environment: { LD_PRELOAD: library, HOLDFAST_TEST_FAULTS: path },
    arm: (fault) => put(ruleOf(fault)),
    disarm,
    hold: () => {
      const bytes = Buffer.alloc(ruleBytes)
      bytes.writeInt32LE(holdNumber, 0)
      bytes.write('*/data/*', placeOffset)
      put(bytes)
    },
    held: () => {
      if (read(heldOffset) <= read(releasedOffset)) return null
      return {
        call: readText(heldCallOffset, 32),
        place: readText(heldPlaceOffset, 256),
        process: read(processOffset),
      }
    },
    release: () => {
      const next = Buffer.alloc(4)
      next.writeInt32LE(read(heldOffset))
      writeSync(descriptor, next, 0, 4, releasedOffset)
    },
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
