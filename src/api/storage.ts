/** As much of PersistentVolumeClaim, PersistentVolume and Namespace as is read. */
import { z } from 'zod'

const metadata = z.object({
  name: z.string().min(1),
  uid: z.string().min(1),
  resourceVersion: z.string().min(1),
  labels: z.record(z.string(), z.string()).default({}),
  annotations: z.record(z.string(), z.string()).default({}),
  deletionTimestamp: z.string().optional(),
})

const claimSchema = z.object({
  metadata,
  /** Named before the claim is bound as well, so the volume has to say the same. */
  spec: z.object({ volumeName: z.string().optional() }),
})
const volumeSchema = z.object({
  metadata,
  spec: z.object({
    persistentVolumeReclaimPolicy: z.string().default('Retain'),
    claimRef: z.object({ uid: z.string().optional() }).optional(),
  }),
})
const namespaceSchema = z.object({ metadata })

export type StorageMetadata = z.output<typeof metadata>
export type Claim = z.output<typeof claimSchema>
export type Volume = z.output<typeof volumeSchema>

/** Each throws an error that names what is wrong. */
export function parseClaim(raw: unknown): Claim {
  return claimSchema.parse(raw)
}

export function parseVolume(raw: unknown): Volume {
  return volumeSchema.parse(raw)
}

export function parseGuardedNamespace(raw: unknown): { readonly metadata: StorageMetadata } {
  return namespaceSchema.parse(raw)
}
