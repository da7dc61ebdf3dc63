/** The knobs that both pods have, under `server` and under `operator`. */
import { flag, type Json, list, map, object, text, type ValueRow } from './value-row.ts'

export type PodSize = { readonly cpu: string; readonly memory: string; readonly memoryLimit: string }

export function podRows(component: string, size: PodSize): readonly ValueRow[] {
  const path = (name: string) => `${component}.${name}`
  return [
    resources(path('resources'), size),
    list(path('extraArgs'), 'Further flags.', { of: 'strings' }),
    list(path('extraEnv'), 'Further environment variables, as in a container.'),
    list(path('extraVolumes'), 'Further volumes of the pod.'),
    list(path('extraVolumeMounts'), 'Where its container mounts them.'),
    map(path('podAnnotations'), 'Annotations of the pod.'),
    map(path('podLabels'), 'Labels of the pod besides the chart’s own.'),
    map(path('nodeSelector'), 'Nodes it may run on.'),
    list(path('tolerations'), 'Taints it tolerates.'),
    object(path('affinity'), 'Its affinity.'),
    list(path('topologySpreadConstraints'), 'How replicas are spread.'),
    text(path('priorityClassName'), '', 'Its priority class.'),
    flag(path('serviceAccount.create'), true, 'Make its service account.'),
    text(path('serviceAccount.name'), '', 'Its service account; empty: a name of the release.'),
    map(path('serviceAccount.annotations'), 'Annotations of that service account.'),
  ]
}

function resources(path: string, { cpu, memory, memoryLimit }: PodSize): ValueRow {
  const amounts = {
    type: 'object',
    additionalProperties: { anyOf: [{ type: 'string' }, { type: 'number' }] },
  }
  const schema: { readonly [key: string]: Json } = {
    type: 'object',
    additionalProperties: false,
    properties: { requests: amounts, limits: amounts, claims: { type: 'array', items: { type: 'object' } } },
  }
  const initial = { requests: { cpu, memory }, limits: { memory: memoryLimit } }
  return {
    path,
    initial,
    type: 'object',
    schema,
    description: 'Its resources. No CPU limit: throttling delays fsync.',
  }
}
