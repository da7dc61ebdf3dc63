/** What a plan is made of. */
import type { Manifest } from '../api/manifest.ts'
import type { BucketFactsAnswer } from '../client/lock-server.ts'
import type { EpochMs } from '../lib/units.ts'

export type PolicyManifest = Extract<Manifest, { readonly kind: 'RetentionPolicy' }>
export type BucketManifest = Extract<Manifest, { readonly kind: 'LockedBucket' }>
export type AccessManifest = Extract<Manifest, { readonly kind: 'BucketAccess' }>

/** Who says no: in the order in which a request meets them. */
export type PlanLayer = 'schema' | 'CEL' | 'admission policy' | 'operator' | 'lock server'
export type PlanEffect =
  | 'creates'
  | 'tightens'
  | 'loosens'
  | 'locks existing versions'
  | 'changes'
  | 'deletes'
export type Finding =
  | { readonly kind: 'refused'; readonly layer: PlanLayer; readonly message: string }
  | { readonly kind: 'change'; readonly effect: PlanEffect; readonly message: string }
  /** Worth reading, and no verdict. */
  | { readonly kind: 'note'; readonly message: string }

export type ObjectPlan = {
  readonly object: Pick<Manifest, 'kind'> & { readonly namespace: string; readonly name: string }
  readonly findings: readonly Finding[]
}

export type PlanInput = {
  readonly after: readonly Manifest[]
  /** null: nobody said what was applied before. */
  readonly before: readonly Manifest[] | null
  /** By the name of the bucket, null: there is none; null as a whole: the server was not asked. */
  readonly enforced: ReadonlyMap<string, BucketFactsAnswer | null> | null
  readonly nowMs: EpochMs
  /** Whether whoever applies holds the verb `bypassgovernance`. */
  readonly governance: 'keep' | 'bypass'
}

export function refused(layer: PlanLayer, message: string): Finding {
  return { kind: 'refused', layer, message }
}

export function change(effect: PlanEffect, message: string): Finding {
  return { kind: 'change', effect, message }
}

export function note(message: string): Finding {
  return { kind: 'note', message }
}

export const needsBypass = 'only whoever holds the verb bypassgovernance on it may (--bypass-governance on)'

export function findManifest(
  manifests: readonly Manifest[],
  { kind, metadata: { namespace, name } }: Pick<Manifest, 'kind' | 'metadata'>,
): Manifest | undefined {
  return manifests.find(
    (each) => each.kind === kind && each.metadata.namespace === namespace && each.metadata.name === name,
  )
}
