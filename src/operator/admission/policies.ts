/**
 * The ValidatingAdmissionPolicies and their bindings, as objects: what the API server refuses by itself, also to
 * cluster administrators, without a webhook that could be away. Every field that the API server would default is
 * written, so that what it holds can be compared with what is here.
 */
import { apiVersion } from '../../api/metadata.ts'
import type { OperatorAccount } from '../../config/values.ts'
import { ceiling } from './ceiling.ts'
import { definitions, infrastructure } from './cluster.ts'
import { celTexts, type Guard } from './guards.ts'
import {
  bucketReference,
  deletion,
  finalizer,
  governance,
  longCompliance,
  longFloor,
  retentionOfficer,
  status,
} from './kinds.ts'
import { operatorAccount } from './operator-account.ts'

/** A ValidatingAdmissionPolicy or its binding. */
export type AdmissionObject = {
  readonly apiVersion: 'admissionregistration.k8s.io/v1'
  readonly kind: 'ValidatingAdmissionPolicy' | 'ValidatingAdmissionPolicyBinding'
  readonly metadata: { readonly name: string; readonly labels: Readonly<Record<string, string>> }
  readonly spec: object
}

/** By this label the operator finds what it compares. */
export const guardLabel = { name: 'app.kubernetes.io/part-of', value: 'holdfast' } as const

/** Every policy, each followed by its binding. The order of the operators makes no difference. */
export function makeAdmission(operators: readonly OperatorAccount[]): readonly AdmissionObject[] {
  return makeGuards(operators).flatMap((guard) => [makePolicy(guard), makeBinding(guard)])
}

/** As the API server knows it. */
export function userNameOf({
  namespace,
  serviceAccount,
}: Pick<OperatorAccount, 'namespace' | 'serviceAccount'>): string {
  return `system:serviceaccount:${namespace}:${serviceAccount}`
}

function makeGuards(operators: readonly OperatorAccount[]): readonly Guard[] {
  const isOperator = `request.userInfo.username in [${celTexts(operators.map(userNameOf).sort())}]`
  const homes = [...new Set(operators.map(({ namespace }) => namespace))].sort()
  const scopes = operators
    .flatMap((operator) => (operator.namespaces ?? []).map((each) => `${userNameOf(operator)} ${each}`))
    .sort()
  return [
    deletion(),
    governance(),
    bucketReference(),
    retentionOfficer(),
    finalizer(isOperator),
    status(isOperator),
    definitions(),
    infrastructure(isOperator, homes),
    operatorAccount(isOperator, scopes),
    ceiling(),
    longCompliance(),
    longFloor(),
  ]
}

function makePolicy(guard: Guard): AdmissionObject {
  const { condition, parameters, variables = {} } = guard
  return {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'ValidatingAdmissionPolicy',
    metadata: metadataOf(guard),
    spec: {
      failurePolicy: parameters === undefined ? 'Fail' : 'Ignore',
      ...(parameters === undefined ? {} : { paramKind: { apiVersion, kind: parameters } }),
      matchConstraints: {
        matchPolicy: 'Equivalent',
        namespaceSelector: {},
        objectSelector: {},
        resourceRules: guard.targets.map(({ apiGroups, operations, resources }) => ({
          apiGroups,
          apiVersions: ['*'],
          operations,
          resources,
          scope: '*',
        })),
      },
      ...(condition === undefined ? {} : { matchConditions: [{ name: 'concerned', expression: condition }] }),
      ...(Object.keys(variables).length === 0
        ? {}
        : { variables: Object.entries(variables).map(([name, expression]) => ({ name, expression })) }),
      validations: guard.checks,
    },
  }
}

function makeBinding(guard: Guard): AdmissionObject {
  // All of them, and none is nothing to judge by.
  const paramRef = { selector: {}, parameterNotFoundAction: 'Allow' }
  return {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'ValidatingAdmissionPolicyBinding',
    metadata: metadataOf(guard),
    spec: {
      policyName: guard.name,
      ...(guard.parameters === undefined ? {} : { paramRef }),
      validationActions: guard.actions,
    },
  }
}

function metadataOf({ name }: Guard): AdmissionObject['metadata'] {
  return { name, labels: { [guardLabel.name]: guardLabel.value } }
}
