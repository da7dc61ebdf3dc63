/** As much of a Namespace as is read: its name and its labels. */
import { z } from 'zod'

const namespaceObjectSchema = z.object({
  metadata: z.object({
    name: z.string().min(1),
    uid: z.string(),
    resourceVersion: z.string(),
    labels: z.record(z.string(), z.string()).default({}),
  }),
})
export type NamespaceMetadata = z.output<typeof namespaceObjectSchema>['metadata']

/** Throws an error that names what is wrong. */
export function parseNamespace(raw: unknown): NamespaceMetadata {
  return namespaceObjectSchema.parse(raw).metadata
}
