/** By what the operator's writes, and what it made, are known: its admission policy keeps it to these. */

/** One for all that it writes: server-side apply removes what it no longer says. */
export const fieldManager = 'holdfast-operator'

/** Of every Secret and ConfigMap that it makes. */
export const ownLabels = {
  'app.kubernetes.io/name': 'holdfast',
  'app.kubernetes.io/managed-by': 'holdfast-operator',
} as const
