/**
 * `npm test`: runs the tiers by name, one vitest process each, and prints the plain closing line. A tier that is there and
 * ran nothing fails; a tier whose parts are missing says so in one line (with --all that is a failure too).
 */
import { type StdioOptions, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { judgeWatch } from './support/removals/counts.ts'

type Tier = {
  readonly name: string
  readonly missing: () => string | null
  /** Its servers run under strace, where that is there, and whatever they remove must have been permitted. */
  readonly watch?: 'removals'
}

const root = join(import.meta.dirname, '..')
const all = process.argv.includes('--all')
const wanted = process.argv.slice(2).filter((argument) => !argument.startsWith('--'))

const tiers: readonly Tier[] = [
  { name: 'unit', missing: () => null },
  { name: 'store', missing: () => null },
  { name: 'conformance', missing: () => (all ? straceMissing() : null), watch: 'removals' },
  { name: 'model', missing: () => null },
  {
    name: 'crash',
    missing: () => straceMissing() ?? need('gcc', 'apt-get install gcc libc6-dev'),
  },
  { name: 'disk', missing: diskToolsMissing },
  { name: 'standalone', missing: () => null },
  {
    name: 'clients',
    missing: () =>
      need('aws', 'apt-get install awscli') ??
      need('lua5.4', 'apt-get install lua5.4') ??
      need('restic', 'apt-get install restic') ??
      need('barman-cloud-wal-archive', 'apt-get install barman-cli-cloud') ??
      (isBuilt('kopia') ? null : 'bash tools/build.sh kopia (about 4 min, needs Go)'),
  },
  { name: 'bench', missing: benchToolsMissing },
  { name: 'image', missing: imageToolsMissing },
  { name: 'chart', missing: chartToolsMissing },
  { name: 'cluster', missing: controlPlaneMissing },
  { name: 'e2e', missing: nodeMissing },
]

function need(command: string, remedy: string): string | null {
  return spawnSync('sh', ['-c', `command -v ${command}`]).status === 0
    ? null
    : `${command} was not found: ${remedy}`
}

function straceMissing(): string | null {
  return need('strace', 'apt-get install strace')
}

function diskToolsMissing(): string | null {
  if (process.getuid?.() !== 0) return 'only root can mount the volumes that it breaks'
  if (!existsSync('/dev/loop-control')) return 'there are no loop devices'
  return (
    need('mkfs.xfs', 'apt-get install xfsprogs') ??
    need('mkfs.ext4', 'apt-get install e2fsprogs') ??
    need('gcc', 'apt-get install gcc libc6-dev')
  )
}

function imageToolsMissing(): string | null {
  if (process.getuid?.() !== 0) return 'only root can build the image without an engine'
  return need('buildah', 'apt-get install buildah') ?? need('debootstrap', 'apt-get install debootstrap')
}

function benchToolsMissing(): string | null {
  if (!isBuilt('bench-client')) return 'bash tools/build.sh bench-client (some seconds, needs Go)'
  if (!isBuilt('s3rver')) return 'bash tools/build.sh s3rver (some seconds, needs npm)'
  return need('strace', 'apt-get install strace')
}

function chartToolsMissing(): string | null {
  if (!isBuilt('helm')) return 'bash tools/build.sh helm (about 3 min, needs Go)'
  if (!isBuilt('chart-tools')) return 'bash tools/build.sh chart-tools (about 2 min, needs Go)'
  return need('promtool', 'apt-get install prometheus') ?? controlPlaneMissing()
}

function controlPlaneMissing(): string | null {
  return isBuilt('control-plane') ? null : 'npm run setup:cluster (about 10 min, needs Go)'
}

function nodeMissing(): string | null {
  if (process.getuid?.() !== 0) return 'only root can start a node'
  if (!isBuilt('helm')) return 'bash tools/build.sh helm (about 3 min, needs Go)'
  if (!isBuilt('dns')) return 'bash tools/build.sh dns (about 2 min, needs Go)'
  return (
    need('containerd', 'apt-get install containerd runc') ??
    need('iptables', 'apt-get install iptables conntrack ethtool socat') ??
    need('/usr/lib/cni/bridge', 'apt-get install containernetworking-plugins') ??
    need('faketime', 'apt-get install faketime') ??
    need('gcc', 'apt-get install gcc libc6-dev') ??
    imageToolsMissing() ??
    controlPlaneMissing()
  )
}

/** With --all what is missing is built, or waited for where another call builds it. */
function isBuilt(tool: string): boolean {
  const build = join(root, 'tools/build.sh')
  const stdio: StdioOptions = ['ignore', 'ignore', all ? 'inherit' : 'ignore']
  return spawnSync('bash', all ? [build, tool] : [build, '--print', tool], { stdio }).status === 0
}

type Counts = { passed: number; failed: number; skipped: number; readonly failures: string[] }

/** What vitest's JSON reporter writes of a run, as far as it is read here. */
type Report = {
  readonly numPassedTests: number
  readonly numFailedTests: number
  readonly numPendingTests: number
  readonly numTodoTests: number
  readonly testResults: readonly {
    readonly name: string
    readonly status: string
    readonly message: string
    readonly assertionResults: readonly {
      readonly status: string
      readonly fullName: string
      readonly failureMessages?: readonly string[]
    }[]
  }[]
}

/** Characters of what a failure says that the closing lines repeat. */
const failureMax = 600

/** Runs one tier and counts what vitest itself recorded, so that a crash of the runner is a failure. */
function runTier({ name, watch }: Tier, folder: string): Counts {
  const report = join(folder, `${name}.json`)
  const isWatched = watch === 'removals' && straceMissing() === null
  const removals = isWatched ? mkdtempSync(join(folder, 'removals-')) : null
  const started = performance.now()
  const { status } = spawnSync(
    process.execPath,
    [
      join(root, 'node_modules/vitest/vitest.mjs'),
      'run',
      '--project',
      name,
      '--reporter=default',
      '--reporter=json',
      `--outputFile.json=${report}`,
    ],
    { cwd: root, stdio: 'inherit', env: { ...process.env, HOLDFAST_REMOVALS: removals ?? undefined } },
  )
  const counts = countsOfReport(name, report)
  if ((status !== 0 || counts.passed === 0) && counts.failed === 0) {
    counts.failed = 1
    counts.failures.push(`${name}: vitest ended with ${status}, and no test of it says that it failed`)
  }
  if (removals !== null) {
    const faults = sayRemovals(removals)
    counts.failed += faults.length
    counts.failures.push(...faults)
  } else if (watch !== undefined) process.stdout.write(`removals: not watched, ${straceMissing()}\n`)
  const seconds = Math.round((performance.now() - started) / 1000)
  process.stdout.write(`tier ${name}: ${counts.passed} passed, ${counts.failed} failed in ${seconds} s\n`)
  return counts
}

function countsOfReport(tier: string, path: string): Counts {
  let report: Report
  try {
    report = JSON.parse(readFileSync(path, 'utf8')) as Report
  } catch {
    return { passed: 0, failed: 0, skipped: 0, failures: [`${tier}: vitest left no report`] }
  }
  const failures = report.testResults.flatMap((file) => {
    const where = `${tier}: ${relative(root, file.name)}`
    const failed = file.assertionResults.filter(({ status }) => status === 'failed')
    const said = failed.map(
      (test) =>
        `${where}: ${test.fullName}: ${(test.failureMessages ?? []).join(' | ').slice(0, failureMax)}`,
    )
    const isOfTheFile = file.status === 'failed' && failed.length === 0
    return isOfTheFile ? [`${where}: ${file.message.slice(0, failureMax)}`] : said
  })
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests,
    skipped: report.numPendingTests + report.numTodoTests,
    failures,
  }
}

/** Returns what was not as it must be; what a server removed without permission fails its file, too. */
function sayRemovals(folder: string): readonly string[] {
  const { said, faults } = judgeWatch(folder)
  const lines = [said, ...faults].map((line) => `removals: ${line}`)
  for (const line of lines) process.stdout.write(`${line}\n`)
  return lines.slice(1)
}

function main(): number {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-tiers-'))
  const total: Counts = { passed: 0, failed: 0, skipped: 0, failures: [] }
  for (const tier of tiers) {
    if (wanted.length > 0 && !wanted.includes(tier.name)) continue
    const missing = tier.missing()
    if (missing !== null) {
      total.failures.push(`${tier.name} tier not run: ${missing}`)
      if (all) total.failed += 1
      continue
    }
    const counts = runTier(tier, folder)
    total.passed += counts.passed
    total.failed += counts.failed
    total.skipped += counts.skipped
    total.failures.push(...counts.failures.map((failure) => `not passed: ${failure}`))
  }
  rmSync(folder, { recursive: true })
  // Once more at the end: the lines of a long run above are rarely kept whole.
  for (const failure of total.failures) process.stdout.write(`${failure}\n`)
  const skipped = total.skipped === 0 ? '' : `, ${total.skipped} skipped`
  process.stdout.write(`${total.passed} passed, ${total.failed} failed${skipped}\n`)
  return total.failed === 0 ? 0 : 1
}

process.exitCode = main()
