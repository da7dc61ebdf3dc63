/**
 * A coordination.k8s.io/v1 Lease at the API server: read, create, replace. The document as a whole is kept, so
 * that a replace leaves labels, annotations and fields that we do not know as they were.
 */

import type { EpochMs } from '../lib/units.ts'
import { formatIso } from '../lib/units.ts'
import { type KubeClient, KubeStatusError } from './kube.ts'

export type LeaseName = { readonly namespace: string; readonly name: string }

export type Lease = {
  readonly document: Readonly<Record<string, unknown>>
  /** '' when nobody holds it. */
  readonly holderIdentity: string
  readonly leaseDurationSeconds: number
  readonly leaseTransitions: number
  /** Changes with every renewal and nothing else: what an observer compares. */
  readonly fingerprint: string
}

/** Who holds it, from when, and how often it changed hands; times by the holder's wall clock, for people. */
export type LeaseClaim = {
  readonly holderIdentity: string
  readonly leaseDurationSeconds: number
  readonly leaseTransitions: number
  readonly acquireTime: string
  readonly renewTime: string
}

/** Null: there is none. Errors: KubeStatusError, KubeUnreachableError. */
export async function readLease(
  client: KubeClient,
  name: LeaseName,
  signal: AbortSignal,
): Promise<Lease | null> {
  try {
    return parseLease(await client.send({ method: 'GET', path: leasePath(name) }, signal))
  } catch (error) {
    if (error instanceof KubeStatusError && error.status === 404) return null
    throw error
  }
}

/** Errors: KubeStatusError 409 when somebody else was first, and those of `readLease`. */
export async function createLease(
  client: KubeClient,
  { name, claim }: { name: LeaseName; claim: LeaseClaim },
  signal: AbortSignal,
): Promise<Lease> {
  const body = {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { namespace: name.namespace, name: name.name },
    spec: claim,
  }
  return parseLease(await client.send({ method: 'POST', path: leasesPath(name), body }, signal))
}

/**
 * Replaces the claim of exactly the version that was read. Errors: KubeStatusError 409 when it changed since,
 * 404 when it was deleted, and those of `readLease`.
 */
export async function replaceLease(
  client: KubeClient,
  { name, lease, claim }: { name: LeaseName; lease: Lease; claim: LeaseClaim },
  signal: AbortSignal,
): Promise<Lease> {
  const body = { ...lease.document, spec: { ...recordOf(lease.document['spec']), ...claim } }
  return parseLease(await client.send({ method: 'PUT', path: leasePath(name), body }, signal))
}

/** metav1.MicroTime: exactly six digits, or the API server answers 400. */
export function formatMicroTime(instant: EpochMs): string {
  return formatIso(instant).replace(/Z$/, '000Z')
}

function leasesPath({ namespace }: LeaseName): string {
  return `/apis/coordination.k8s.io/v1/namespaces/${encodeURIComponent(namespace)}/leases`
}

function leasePath(name: LeaseName): string {
  return `${leasesPath(name)}/${encodeURIComponent(name.name)}`
}

/** Anybody with the right may edit a Lease: what is not there reads as "nobody holds it". */
function parseLease(raw: unknown): Lease {
  const document = recordOf(raw)
  const spec = recordOf(document['spec'])
  const { holderIdentity, leaseDurationSeconds, leaseTransitions, renewTime, acquireTime } = spec
  const { uid } = recordOf(document['metadata'])
  return {
    document,
    holderIdentity: typeof holderIdentity === 'string' ? holderIdentity : '',
    leaseDurationSeconds: wholeNumber(leaseDurationSeconds),
    leaseTransitions: wholeNumber(leaseTransitions),
    fingerprint: JSON.stringify([uid, holderIdentity, renewTime, acquireTime, leaseTransitions]),
  }
}

function wholeNumber(value: unknown): number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? value : 0
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value))
    : {}
}
