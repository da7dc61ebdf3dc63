/**
 * `npm run long`: every test file that has a longer variant, one after the other with HOLDFAST_LONG=1, and a summary at the
 * end, which is also written into docs/RELIABILITY.md after each file; then the mutants (`npm run mutate`). Arguments choose
 * files by a part of their path, and no mutants. A file whose parts are missing on the machine fails: a long run is of
 * everything. HOLDFAST_SEED, HOLDFAST_RUNS and HOLDFAST_RACES reach the model's files.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { figuresVariable, type LongOutcome, readFigures, withOutcomes } from './support/long-figures.ts'

const root = join(import.meta.dirname, '..')
const wanted = process.argv.slice(2)

function longFiles(): readonly string[] {
  return readdirSync(import.meta.dirname, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.test.ts'))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .filter((file) => readFileSync(join(root, file), 'utf8').includes('HOLDFAST_LONG'))
    .filter((file) => wanted.length === 0 || wanted.some((part) => file.includes(part)))
    .toSorted()
}

/** Counts what vitest itself recorded, so that a crash of the runner is a failure. */
function runFile(file: string, folder: string): LongOutcome {
  const report = join(folder, 'report.json')
  const figuresPath = join(folder, 'figures')
  for (const path of [report, figuresPath]) rmSync(path, { force: true })
  const started = performance.now()
  const { status } = spawnSync(
    process.execPath,
    [
      join(root, 'node_modules/vitest/vitest.mjs'),
      'run',
      '--reporter=default',
      '--reporter=json',
      `--outputFile.json=${report}`,
      file,
    ],
    {
      cwd: root,
      stdio: 'inherit',
      env: { ...process.env, HOLDFAST_LONG: '1', [figuresVariable]: figuresPath },
    },
  )
  const seconds = Math.round((performance.now() - started) / 1000)
  const { passed, failed } = countsIn(report)
  const isBroken = (status !== 0 || passed === 0) && failed === 0
  return { file, figures: readFigures(figuresPath), passed, failed: isBroken ? 1 : failed, seconds }
}

function countsIn(report: string): { readonly passed: number; readonly failed: number } {
  try {
    const { numPassedTests: passed = 0, numFailedTests: failed = 0 } = JSON.parse(
      readFileSync(report, 'utf8'),
    ) as Record<string, number>
    return { passed, failed }
  } catch {
    process.stdout.write('vitest left no report\n')
    return { passed: 0, failed: 0 }
  }
}

/** At once: the next files may take hours. */
function writePage(outcome: LongOutcome): void {
  const page = join(root, 'docs/RELIABILITY.md')
  const date = new Date().toISOString().slice(0, 16).replace('T', ' ')
  writeFileSync(page, withOutcomes(readFileSync(page, 'utf8'), { date, commit: commitNow() }, [outcome]))
}

/** With a plus where sources or tests are not those of the commit. */
function commitNow(): string {
  const git = (...parameters: readonly string[]) =>
    spawnSync('git', parameters, { cwd: root, encoding: 'utf8' }).stdout.trim()
  const commit = git('rev-parse', '--short', 'HEAD')
  return git('status', '--porcelain', 'src', 'test') === '' ? commit : `${commit}+`
}

function runMutants(): boolean {
  return spawnSync('npm', ['run', 'mutate'], { cwd: root, stdio: 'inherit' }).status === 0
}

function main(): number {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-long-'))
  const outcomes = longFiles().map((file) => {
    const outcome = runFile(file, folder)
    writePage(outcome)
    return outcome
  })
  rmSync(folder, { recursive: true })
  for (const { file, passed, failed, seconds } of outcomes) {
    process.stdout.write(`${file}: ${passed} passed, ${failed} failed in ${seconds} s\n`)
  }
  const total = (name: 'passed' | 'failed') => outcomes.reduce((sum, outcome) => sum + outcome[name], 0)
  process.stdout.write(`${total('passed')} passed, ${total('failed')} failed\n`)
  const mutants = wanted.length > 0 || runMutants()
  return outcomes.length > 0 && total('failed') === 0 && mutants ? 0 : 1
}

process.exitCode = main()
