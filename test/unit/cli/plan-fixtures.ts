/** Manifests and plans for tests of `holdfast plan`. */
import { type Manifest, parseManifest } from '../../../src/api/manifest.ts'
import type { PlanInput } from '../../../src/cli/plan-findings.ts'
import { judgePlan } from '../../../src/cli/plan-judge.ts'
import type { BucketFactsAnswer } from '../../../src/client/lock-server.ts'
import { epochMs } from '../../../src/lib/units.ts'

const nowMs = epochMs(Date.UTC(2028, 1, 29, 12))

export function manifest(kind: string, name: string, spec: object): Manifest {
  const metadata = { namespace: 'team', name }
  const result = parseManifest({ apiVersion: 'holdfast.dev/v1', kind, metadata, spec })
  if (result.kind === 'invalid') throw new Error(JSON.stringify(result.violations))
  return result.manifest
}
export const policy = (mode: string, days: number, more: object = {}, name = 'keep') =>
  manifest('RetentionPolicy', name, { defaultRetention: { mode, days }, ...more })
export const bucket = (more: object = {}, policyName = 'keep') =>
  manifest('LockedBucket', 'backups', {
    bucketName: 'backups',
    retentionPolicyRef: { name: policyName },
    ...more,
  })

/** Verdicts and sentences of each object, without notes. */
export function plan(input: Partial<PlanInput> & Pick<PlanInput, 'after'>): readonly string[] {
  const whole = { before: null, enforced: null, nowMs, governance: 'keep', ...input } as const
  return judgePlan(whole).flatMap(({ object, findings }) =>
    findings.flatMap((finding) => {
      if (finding.kind === 'note') return []
      const verdict = finding.kind === 'refused' ? `refused by ${finding.layer}` : finding.effect
      return [`${object.name}: ${verdict}: ${finding.message}`]
    }),
  )
}
export const notes = (input: Partial<PlanInput> & Pick<PlanInput, 'after'>) =>
  judgePlan({ before: null, enforced: null, nowMs, governance: 'keep', ...input }).flatMap(({ findings }) =>
    findings.flatMap((finding) => (finding.kind === 'note' ? [finding.message] : [])),
  )
export const enforced = (facts: BucketFactsAnswer | null) => new Map([['backups', facts]])
