/** Whether the admission policies are there as they should be: without them the lock server alone refuses. */
import { isDeepStrictEqual } from 'node:util'
import type { OperatorAccount } from '../../config/values.ts'
import type { Log } from '../../lib/log.ts'
import type { WantedCondition } from '../conditions.ts'
import type { KubeClient } from '../kube.ts'
import { Reflector } from '../reflector.ts'
import type { Timers } from '../timers.ts'
import { type AdmissionObject, guardLabel, makeAdmission, userNameOf } from './policies.ts'

/** `unknown`: they could not be read yet, or may not be. Names are kinds with names. */
export type GuardState =
  | { readonly kind: 'installed' }
  | { readonly kind: 'incomplete'; readonly missing: readonly string[]; readonly changed: readonly string[] }
  | { readonly kind: 'unknown'; readonly message: string }

export type AdmissionGuardOptions = {
  readonly client: KubeClient
  readonly timers: Timers
  readonly log: Log
  /** Whom the policies are to name; null: this operator alone. */
  readonly operators: readonly OperatorAccount[] | null
  /** The only ones that this operator watches; null: all. */
  readonly namespaces: readonly string[] | null
  /** Told of the first state that is known, and of each that differs from the one before. */
  readonly onState?: (state: GuardState) => void
}

type HeldObject = { readonly metadata: HeldMetadata; readonly spec: unknown }
type HeldMetadata = {
  readonly namespace: string
  readonly name: string
  readonly uid: string
  readonly resourceVersion: string
}

const paths = {
  ValidatingAdmissionPolicy: '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies',
  ValidatingAdmissionPolicyBinding: '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings',
} as const
const notRead = 'The policies of the API server are not read yet, or may not be read.'

/** Keeps the state current by watching what carries our label. */
export class AdmissionGuard {
  readonly #options: AdmissionGuardOptions
  readonly #reflectors: { readonly [Kind in AdmissionObject['kind']]: Reflector<HeldObject> }
  readonly #listeners = new Set<() => void>()
  #expected: readonly AdmissionObject[] = []
  #state: GuardState = { kind: 'unknown', message: notRead }
  #isSynced = false

  constructor(options: AdmissionGuardOptions) {
    this.#options = options
    this.#reflectors = {
      ValidatingAdmissionPolicy: this.#reflector('ValidatingAdmissionPolicy'),
      ValidatingAdmissionPolicyBinding: this.#reflector('ValidatingAdmissionPolicyBinding'),
    }
  }

  get state(): GuardState {
    return this.#state
  }

  /** Told of each change of the state. */
  subscribe(listener: () => void): void {
    this.#listeners.add(listener)
  }

  /** Runs until the signal is aborted; `onSynced` is called when the state is known for the first time. */
  async run(signal: AbortSignal, onSynced: () => void): Promise<void> {
    const { client, log, namespaces } = this.#options
    try {
      const identity = await readIdentity(client, signal)
      if (identity === null) {
        this.#setState({ kind: 'unknown', message: 'The operator does not run as a ServiceAccount.' })
        onSynced()
        return
      }
      const operators = this.#options.operators ?? [{ ...identity, namespaces }]
      if (!operators.some((operator) => userNameOf(operator) === userNameOf(identity))) {
        const message = `--operators does not name ${userNameOf(identity)}, which this operator is.`
        this.#setState({ kind: 'unknown', message })
        onSynced()
        return
      }
      // As the API server would answer it: without what JSON has no word for.
      this.#expected = JSON.parse(JSON.stringify(makeAdmission(operators)))
    } catch (error) {
      log.warn({ error: String(error) }, 'the API server does not say who the operator is')
      onSynced()
      return
    }
    let unsyncedCount = 2
    const synced = () => {
      unsyncedCount -= 1
      if (unsyncedCount > 0) return
      this.#isSynced = true
      this.#judge()
      onSynced()
    }
    await Promise.all(Object.values(this.#reflectors).map((reflector) => reflector.run(signal, synced)))
  }

  #reflector(kind: AdmissionObject['kind']): Reflector<HeldObject> {
    const { client, timers, log } = this.#options
    const path = `${paths[kind]}?labelSelector=${encodeURIComponent(`${guardLabel.name}=${guardLabel.value}`)}`
    return new Reflector({ client, path, parse: parseHeld, timers, log, onChange: () => this.#judge() })
  }

  #judge(): void {
    if (!this.#isSynced) return
    this.#setState(
      compareGuard(this.#expected, ({ kind, metadata }) => {
        return this.#reflectors[kind].cache.get(`/${metadata.name}`)?.spec ?? null
      }),
    )
  }

  #setState(state: GuardState): void {
    if (isDeepStrictEqual(state, this.#state)) return
    this.#state = state
    if (state.kind === 'installed') this.#options.log.info({}, 'the admission policies are installed')
    else this.#options.log.warn({ state }, 'the admission policies are not installed as they should be')
    this.#options.onState?.(state)
    for (const listener of this.#listeners) listener()
  }
}

/** Pure. `held`: the spec as the API server has it, null when it has none. A field more or less is a change. */
export function compareGuard(
  expected: readonly AdmissionObject[],
  held: (object: AdmissionObject) => unknown,
): GuardState {
  const missing: string[] = []
  const changed: string[] = []
  for (const object of expected) {
    const spec = held(object)
    const name = `${object.kind} ${object.metadata.name}`
    if (spec === null) missing.push(name)
    else if (!isDeepStrictEqual(spec, object.spec)) changed.push(name)
  }
  return missing.length + changed.length === 0
    ? { kind: 'installed' }
    : { kind: 'incomplete', missing, changed }
}

/** The condition of every kind; none where there is no API server. */
export function guardConditions(state: GuardState | null): readonly WantedCondition[] {
  const type = 'AdmissionGuardInstalled'
  if (state === null) return []
  switch (state.kind) {
    case 'installed':
      return [{ type, status: 'True', reason: 'GuardInstalled', message: null }]
    case 'unknown':
      return [{ type, status: 'Unknown', reason: 'GuardUnknown', message: state.message }]
    case 'incomplete': {
      const missing = state.missing.length === 0 ? '' : ` Missing: ${state.missing.join(', ')}.`
      const changed = state.changed.length === 0 ? '' : ` Changed: ${state.changed.join(', ')}.`
      const reason = state.missing.length === 0 ? 'GuardChanged' : 'GuardMissing'
      const message = `Apply the output of holdfast print-admission.${missing}${changed}`
      return [{ type, status: 'False', reason, message }]
    }
  }
}

type Identity = Pick<OperatorAccount, 'namespace' | 'serviceAccount'>

/** Null: a user, whom no policy names. */
async function readIdentity(client: KubeClient, signal: AbortSignal): Promise<Identity | null> {
  const review = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' }
  const path = '/apis/authentication.k8s.io/v1/selfsubjectreviews'
  const answer = await client.send({ method: 'POST', path, body: review }, signal)
  const userName = field(field(field(answer, 'status'), 'userInfo'), 'username')
  const match = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(String(userName))
  const [, namespace, serviceAccount] = match ?? []
  return namespace === undefined || serviceAccount === undefined ? null : { namespace, serviceAccount }
}

function parseHeld(raw: unknown): HeldObject {
  const metadata = field(raw, 'metadata')
  const text = (name: string) => String(field(metadata, name) ?? '')
  return {
    metadata: {
      namespace: '',
      name: text('name'),
      uid: text('uid'),
      resourceVersion: text('resourceVersion'),
    },
    spec: field(raw, 'spec'),
  }
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
}
