/**
 * With HOLDFAST_REMOVALS every server of the tests runs under strace from its first instruction, and what it unlinked,
 * renamed or truncated is judged whenever it has stopped. The variable names the folder that gets the counts, a file a server.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { until } from '../crash/processes.ts'
import { parseThread } from '../crash/strace.ts'
import { readVolume, rowsOf } from '../crash/volume-state.ts'
import { readFacts, type VolumeFacts } from './facts.ts'
import { type Judgement, judgeRun, watchedCalls } from './judge.ts'

const folder = process.env['HOLDFAST_REMOVALS']

export type Command = { readonly execPath: string; readonly execArgv: string[] }

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

/** null: nobody watches. */
export function removalWatch(dataDirectory: string): RemovalWatch | null {
  return folder === undefined ? null : new Watch(folder, dataDirectory)
}

class Watch implements RemovalWatch {
  readonly #folder: string
  readonly #dataDirectory: string
  readonly #traces = mkdtempSync(join(tmpdir(), 'holdfast-removals-'))
  readonly #judgements: Judgement[] = []
  readonly #spent = new Set<string>()
  #before: VolumeFacts | null = null

  constructor(counts: string, dataDirectory: string) {
    this.#folder = counts
    this.#dataDirectory = dataDirectory
  }

  async command(): Promise<Command> {
    this.#before = await readFacts(this.#dataDirectory)
    // The server stays the child that a signal reaches; the tracer is a session of its own and outlives kill -9.
    const trace = ['-DDD', '-ff', '--seccomp-bpf', '-qqq', '-ttt', '-T', '-yy', '-e', 'signal=none']
    const output = ['-e', `trace=${watchedCalls.join()}`, '-o', join(this.#traces, 'thread')]
    return { execPath: 'strace', execArgv: [...trace, ...output, process.execPath] }
  }

  tidied(): Promise<void> {
    return until('no garbage waits', async () => {
      const rows = await readVolume(this.#dataDirectory, (reader) => rowsOf(reader, 'garbage'))
      return rows.length === 0
    })
  }

  async ended(): Promise<void> {
    const before = this.#before
    if (before === null) return
    this.#before = null
    const after = await readFacts(this.#dataDirectory)
    const run = {
      dataDirectory: this.#dataDirectory,
      calls: this.#takeCalls(),
      before,
      after,
      spent: this.#spent,
    }
    this.#judgements.push(judgeRun(run))
  }

  report(): void {
    rmSync(this.#traces, { recursive: true })
    const faults = [...new Set(this.#judgements.flatMap((judgement) => judgement.faults))]
    const sum = (kind: keyof Judgement['counts']): number =>
      this.#judgements.reduce((total, { counts }) => total + counts[kind], 0)
    const counts = {
      version: sum('version'),
      upload: sum('upload'),
      replacedPart: sum('replacedPart'),
      unused: sum('unused'),
    }
    writeFileSync(join(this.#folder, `${basename(this.#traces)}.json`), JSON.stringify({ counts, faults }))
    if (faults.length > 0) throw new Error(`not permitted:\n${faults.join('\n')}`)
  }

  #takeCalls() {
    const names = readdirSync(this.#traces)
    const calls = names.flatMap((name) => {
      const thread = Number(name.slice(name.lastIndexOf('.') + 1))
      return parseThread(readFileSync(join(this.#traces, name), 'utf8'), thread, new Set())
    })
    for (const name of names) rmSync(join(this.#traces, name))
    return calls.sort((a, b) => a.start - b.start)
  }
}
