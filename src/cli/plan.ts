import type { Manifest } from '../api/manifest.ts'
import type { BucketFactsAnswer, LockServer } from '../client/lock-server.ts'
import type { SettingValues } from '../config/settings.ts'
import { displayName } from '../operator/objects.ts'
import { systemClock } from '../platform/clock.ts'
import { askSettings, explainFailure, withServer } from './ask-server.ts'
import { commandSettings } from './command-settings.ts'
import { exitHelp } from './exit-codes.ts'
import type { Finding, ObjectPlan } from './plan-findings.ts'
import { judgePlan } from './plan-judge.ts'
import { PlanInputError, type PlanManifests, readPlanManifests } from './plan-manifests.ts'

const names = ['planFile', 'planAgainst', 'planServer', 'planGovernance', ...askSettings] as const
type PlanSettings = SettingValues<(typeof names)[number]>

/** As of kubectl diff and of a linter: what a pull request's check needs to tell apart. */
const exitCodes = { nothing: 0, failed: 1, changes: 2, refused: 3 } as const

/**
 * `holdfast plan -f FILE`: what applying the manifests would change or be refused, and by which layer. Changes
 * nothing. Exit codes: 0 nothing to change, 1 no answer, 2 changes, 3 something would be refused.
 */
export async function planCommand(argv: readonly string[]): Promise<number> {
  const command = 'holdfast plan'
  const summary = `What applying manifests would change or be refused, and by which layer. Changes nothing; ${exitHelp('plan')}.`
  const settings = commandSettings({ command, summary, names }, argv)
  if (settings.kind === 'exit') return settings.code === 0 ? exitCodes.nothing : exitCodes.failed
  const { planFile } = settings.values
  if (planFile === null) {
    process.stderr.write(`${command}: name the manifests: -f FILE, -f FOLDER or -f - for stdin\n`)
    return exitCodes.failed
  }
  try {
    return await plan({ ...settings.values, planFile })
  } catch (error) {
    if (!(error instanceof PlanInputError)) explainFailure(command, error)
    else process.stderr.write(`${command}: ${error.message}\n`)
    return exitCodes.failed
  }
}

async function plan(values: PlanSettings & { readonly planFile: string }): Promise<number> {
  const after = await readPlanManifests(values.planFile)
  const before = values.planAgainst === null ? null : await readPlanManifests(values.planAgainst)
  // What was applied before was valid then; what cannot be read of it cannot be compared.
  if (before !== null && before.problems.length > 0) throw new PlanInputError(before.problems.join('\n'))
  const manifests = [...after.manifests, ...(before?.manifests ?? [])]
  const enforced = values.planServer
    ? await withServer(values, (server) => enforcedBuckets(server, manifests))
    : null
  const plans = judgePlan({
    after: after.manifests,
    before: before === null ? null : before.manifests,
    enforced,
    nowMs: systemClock().wallMs(),
    governance: values.planGovernance ? 'bypass' : 'keep',
  })
  process.stdout.write(planText(after, plans))
  return exitCode(after, plans)
}

async function enforcedBuckets(
  server: LockServer,
  manifests: readonly Manifest[],
): Promise<ReadonlyMap<string, BucketFactsAnswer | null>> {
  const enforced = new Map<string, BucketFactsAnswer | null>()
  for (const manifest of manifests) {
    if (manifest.kind !== 'LockedBucket' || enforced.has(manifest.spec.bucketName)) continue
    enforced.set(manifest.spec.bucketName, await server.readBucket(manifest.spec.bucketName))
  }
  return enforced
}

function exitCode({ problems }: PlanManifests, plans: readonly ObjectPlan[]): number {
  const verdicts = plans.map(verdictOf)
  if (problems.length > 0 || verdicts.includes('refused')) return exitCodes.refused
  return verdicts.includes('change') ? exitCodes.changes : exitCodes.nothing
}

function verdictOf({ findings }: ObjectPlan): 'refused' | 'change' | 'unchanged' {
  const kinds = findings.map(({ kind }) => kind)
  if (kinds.includes('refused')) return 'refused'
  return kinds.includes('change') ? 'change' : 'unchanged'
}

function planText({ problems }: PlanManifests, plans: readonly ObjectPlan[]): string {
  const objects = plans.flatMap((each) => {
    const head = `${each.object.kind} ${displayName(each.object)}: ${verdictOf(each)}`
    return [head, ...each.findings.map((finding) => `  ${sentence(finding)}`)]
  })
  const count = (verdict: string) => plans.filter((each) => verdictOf(each) === verdict).length
  const refusedCount = count('refused') + problems.length
  const total = `${refusedCount} refused, ${count('change')} to change, ${count('unchanged')} unchanged`
  return `${[...problems.map((problem) => `refused by schema: ${problem}`), ...objects, total].join('\n')}\n`
}

function sentence(finding: Finding): string {
  switch (finding.kind) {
    case 'refused':
      return `refused by ${finding.layer}: ${finding.message}`
    case 'change':
      return `${finding.effect}: ${finding.message}`
    case 'note':
      return finding.message
  }
}
