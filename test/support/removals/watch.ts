/**
 * With HOLDFAST_REMOVALS every server of the tests runs under strace from its first instruction and keeps a journal of its
 * commits; what it unlinked, renamed or truncated is judged by them whenever it has stopped. The variable names the folder that gets the counts, a file a server.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { until } from '../crash/processes.ts'
import { type Descriptors, parseThread, unknownDescriptors } from '../crash/strace.ts'
import { readVolume, rowsOf } from '../crash/volume-state.ts'
import { type Counted, countsOf } from './counts.ts'
import { readFacts } from './facts.ts'
import { journalVariable } from './journal.ts'
import { judgeRun, watchedCalls } from './judge.ts'
import { type Rows, readCommits, readRows } from './rows.ts'

const lookMs = 200
const folder = process.env['HOLDFAST_REMOVALS']
const journalHook = new URL('./processes/journal-hook.ts', import.meta.url).href

export type Command = {
  readonly execPath: string
  readonly execArgv: string[]
  readonly environment: Readonly<Record<string, string>>
}

export interface RemovalWatch {
  /** Before a start: how to run the server. */
  readonly command: () => Promise<Command>
  /** On a running server: resolves when all that waits to be unlinked is gone. */
  readonly tidied: () => Promise<void>
  /** After its end, when all its processes are gone. */
  readonly ended: () => Promise<void>
  /** Once no server will start any more. Throws what was not permitted. */
  readonly report: () => void
}

/** null: nobody watches. `given`: for this server alone. */
export function removalWatch(dataDirectory: string, given: string | undefined): RemovalWatch | null {
  const counts = given ?? folder
  return counts === undefined ? null : new Watch(counts, dataDirectory)
}

class Watch implements RemovalWatch {
  readonly #folder: string
  readonly #dataDirectory: string
  readonly #traces = mkdtempSync(join(tmpdir(), 'holdfast-removals-'))
  readonly #judgements: Counted[] = []
  /** Not among the traces. */
  readonly #journal = mkdtempSync(join(tmpdir(), 'holdfast-journal-'))
  /** A server calls by a descriptor of its volume alone; were it another folder's, its names would be judged as the volume's. */
  readonly #descriptors: Descriptors
  #before: Rows | null = null

  constructor(counts: string, dataDirectory: string) {
    this.#folder = counts
    this.#dataDirectory = dataDirectory
    this.#descriptors = { ...unknownDescriptors, pathOf: () => dataDirectory }
  }

  async command(): Promise<Command> {
    this.#before = await readRows(this.#dataDirectory)
    // The server stays the child that a signal reaches; the tracer is a session of its own and outlives kill -9.
    const trace = ['-DDD', '-ff', '--seccomp-bpf', '-qqq', '-ttt', '-T', '-yy', '-e', 'signal=none']
    const output = ['-e', `trace=${watchedCalls.join()}`, '-o', join(this.#traces, 'thread')]
    return {
      execPath: 'strace',
      // Workers are forked with the arguments of their supervisor.
      execArgv: [...trace, ...output, process.execPath, '--import', journalHook],
      environment: { [journalVariable]: this.#journalPath() },
    }
  }

  tidied(): Promise<void> {
    const isTidy = async () => {
      // To open a volume is work, and the server has enough of it.
      await delay(lookMs)
      const rows = await readVolume(this.#dataDirectory, (reader) => rowsOf(reader, 'garbage'))
      return rows.length === 0
    }
    return until('no garbage waits', isTidy)
  }

  async ended(): Promise<void> {
    const before = this.#before
    if (before === null) return
    this.#before = null
    const after = await readFacts(this.#dataDirectory)
    const commits = readCommits(this.#journalPath(), await readRows(this.#dataDirectory))
    rmSync(this.#journalPath(), { force: true })
    const run = { dataDirectory: this.#dataDirectory, calls: this.#takeCalls(), before, commits, after }
    this.#judgements.push(await judgeRun(run))
  }

  report(): void {
    for (const folder of [this.#traces, this.#journal]) rmSync(folder, { recursive: true })
    const faults = [...new Set(this.#judgements.flatMap((judgement) => judgement.faults))]
    const counts = countsOf(this.#judgements)
    writeFileSync(join(this.#folder, `${basename(this.#traces)}.json`), JSON.stringify({ counts, faults }))
    if (faults.length > 0) throw new Error(`not permitted:\n${faults.join('\n')}`)
  }

  #journalPath(): string {
    return join(this.#journal, 'commits')
  }

  #takeCalls() {
    const names = readdirSync(this.#traces)
    const calls = names.flatMap((name) => {
      const thread = Number(name.slice(name.lastIndexOf('.') + 1))
      return parseThread(readFileSync(join(this.#traces, name), 'utf8'), thread, this.#descriptors)
    })
    for (const name of names) rmSync(join(this.#traces, name))
    return calls.sort((a, b) => a.start - b.start)
  }
}
