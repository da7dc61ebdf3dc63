/**
 * The ValidatingAdmissionPolicies and their bindings, as objects: what the API server refuses by itself, also to
 * cluster administrators, without a webhook that could be away. Every field that the API server would default is
 * written, so that what it holds can be compared with what is here.
 */
import { annotations } from '../../api/annotations.ts'
import { apiGroup, bucketFinalizer, protectedLabel, servedVersion } from '../../api/metadata.ts'
import { celIsConfirmationFree, celRetentionKept } from '../../api/RetentionPolicy.ts'

/** The ServiceAccount that the operator runs as. */
export type OperatorIdentity = { readonly namespace: string; readonly serviceAccount: string }

type Operation = 'CREATE' | 'UPDATE' | 'DELETE'
type Reason = 'Forbidden' | 'Invalid'
type Target = {
  readonly apiGroups: readonly string[]
  readonly operations: readonly Operation[]
  readonly resources: readonly string[]
}
type Check = {
  /** CEL that is true when the request may go on. */
  readonly expression: string
  readonly message: string
  /** CEL that makes a text with the object's own values; `message` when it cannot. */
  readonly messageExpression?: string
  readonly reason: Reason
}
type Guard = {
  readonly name: string
  readonly actions: readonly ('Deny' | 'Warn' | 'Audit')[]
  readonly targets: readonly Target[]
  /** Only requests for which this is true are judged. */
  readonly condition?: string
  readonly variables?: Readonly<Record<string, string>>
  readonly checks: readonly Check[]
}

/** A ValidatingAdmissionPolicy or its binding. */
export type AdmissionObject = {
  readonly apiVersion: 'admissionregistration.k8s.io/v1'
  readonly kind: 'ValidatingAdmissionPolicy' | 'ValidatingAdmissionPolicyBinding'
  readonly metadata: { readonly name: string; readonly labels: Readonly<Record<string, string>> }
  readonly spec: object
}

/** By this label the operator finds what it compares. */
export const guardLabel = { name: 'app.kubernetes.io/part-of', value: 'holdfast' } as const

/** Every policy, each followed by its binding. */
export function makeAdmission(operator: OperatorIdentity): readonly AdmissionObject[] {
  return makeGuards(userNameOf(operator)).flatMap((guard) => [makePolicy(guard), makeBinding(guard)])
}

/** As the API server knows it. */
export function userNameOf({ namespace, serviceAccount }: OperatorIdentity): string {
  return `system:serviceaccount:${namespace}:${serviceAccount}`
}

const deny = ['Deny', 'Audit'] as const
/** Resources of this group, also those that a later release brings. */
const ours = { apiGroups: [apiGroup], resources: ['*'] } as const

function makeGuards(operatorUserName: string): readonly Guard[] {
  const isOperator = `request.userInfo.username == '${operatorUserName}'`
  return [
    deletion(),
    governance(),
    bucketReference(),
    retentionOfficer(),
    finalizer(isOperator),
    status(isOperator),
    definitions(),
    infrastructure(isOperator),
    longCompliance(),
  ]
}

/** As S3's bypass: the permission alone is not enough, the caller says so too. `delete --all` cannot mean it. */
function deletion(): Guard {
  return {
    name: `deletion.${apiGroup}`,
    actions: deny,
    targets: [{ ...ours, operations: ['DELETE'] }],
    variables: {
      isProtected:
        'has(oldObject.status) && has(oldObject.status.deletionProtected) && oldObject.status.deletionProtected',
      isAsked:
        `has(oldObject.metadata.annotations) && '${annotations.orphan}' in oldObject.metadata.annotations && ` +
        `oldObject.metadata.annotations['${annotations.orphan}'] == 'true'`,
      // The name of the object, not of the request: a request for a whole collection has none.
      mayOrphan: celMay('orphan', 'oldObject'),
    },
    checks: [
      {
        expression: '!variables.isProtected || (variables.isAsked && variables.mayOrphan)',
        message:
          'status.deletionProtected is true: locked versions, or buckets that refer to it, would be left behind. ' +
          `Whoever holds the verb orphan on it may delete it with the annotation ${annotations.orphan}: "true"; ` +
          'buckets, locks and floors stay on the lock server all the same',
        reason: 'Forbidden',
      },
    ],
  }
}

function governance(): Guard {
  return {
    name: `governance.${apiGroup}`,
    actions: deny,
    targets: [{ apiGroups: [apiGroup], operations: ['UPDATE'], resources: ['retentionpolicies'] }],
    // COMPLIANCE has no bypass: the rules of the CRD refuse it to everybody.
    condition: "oldObject.spec.defaultRetention.mode != 'COMPLIANCE'",
    checks: [
      {
        expression: `${celRetentionKept('object.spec', 'oldObject.spec')} || ${celMay('bypassgovernance', 'object')}`,
        message:
          'the retention of a GOVERNANCE policy gets shorter only by somebody who holds the verb bypassgovernance on it ' +
          '(when the unit changes, a year counts as 366 days on the old side and as 365 days on the new)',
        reason: 'Forbidden',
      },
    ],
  }
}

/** Another policy may be a shorter one, which only the lock server could tell, and does in COMPLIANCE. */
function bucketReference(): Guard {
  return {
    name: `bucket-reference.${apiGroup}`,
    actions: deny,
    targets: [{ apiGroups: [apiGroup], operations: ['UPDATE'], resources: ['lockedbuckets'] }],
    condition:
      'has(oldObject.status) && has(oldObject.status.objectLock) && has(oldObject.status.objectLock.mode) && ' +
      "oldObject.status.objectLock.mode == 'GOVERNANCE'",
    checks: [
      {
        expression:
          'object.spec.retentionPolicyRef == oldObject.spec.retentionPolicyRef || ' +
          celMay('bypassgovernance', 'object'),
        message:
          'another policy for a bucket in GOVERNANCE mode might be a shorter one: that takes the verb bypassgovernance ' +
          'on the LockedBucket. Lengthening the policy that it has takes none',
        reason: 'Forbidden',
      },
    ],
  }
}

/** Its keys carry s3:BypassGovernanceRetention: whoever may not bypass here is not to get them made there. */
function retentionOfficer(): Guard {
  return {
    name: `retention-officer.${apiGroup}`,
    actions: deny,
    targets: [{ apiGroups: [apiGroup], operations: ['CREATE', 'UPDATE'], resources: ['bucketaccesses'] }],
    condition:
      "object.spec.role == 'RetentionOfficer' && " +
      "(request.operation == 'CREATE' || object.spec != oldObject.spec)",
    checks: [
      {
        expression: celMay('bypassgovernance', 'object'),
        message:
          'the keys of the role RetentionOfficer bypass GOVERNANCE: making or changing such a BucketAccess takes the verb ' +
          'bypassgovernance on it',
        reason: 'Forbidden',
      },
    ],
  }
}

function finalizer(isOperator: string): Guard {
  const has = (object: string) =>
    `has(${object}.metadata.finalizers) && '${bucketFinalizer}' in ${object}.metadata.finalizers`
  return {
    name: `finalizer.${apiGroup}`,
    actions: deny,
    targets: [{ ...ours, operations: ['UPDATE'] }],
    checks: [
      {
        expression: `${isOperator} || !(${has('oldObject')}) || (${has('object')})`,
        message: `the finalizer ${bucketFinalizer} is removed by the operator alone, once the lock server answered`,
        reason: 'Forbidden',
      },
      {
        expression: `!(${isOperator}) || object.spec == oldObject.spec`,
        message: 'the operator writes no spec: its token is no way to a weaker one',
        reason: 'Forbidden',
      },
    ],
  }
}

/** A forged status would open the way to a deletion. */
function status(isOperator: string): Guard {
  return {
    name: `status.${apiGroup}`,
    actions: deny,
    targets: [{ apiGroups: [apiGroup], operations: ['CREATE', 'UPDATE'], resources: ['*/status'] }],
    checks: [
      {
        expression: isOperator,
        message: 'status says what the lock server answered: the operator alone writes it',
        reason: 'Forbidden',
      },
    ],
  }
}

/** Rules live in a version of a CRD: another served version, or a status that is part of spec, is a way around them. */
function definitions(): Guard {
  return {
    name: `definitions.${apiGroup}`,
    actions: deny,
    targets: [
      {
        apiGroups: ['apiextensions.k8s.io'],
        operations: ['UPDATE', 'DELETE'],
        resources: ['customresourcedefinitions', 'customresourcedefinitions/*'],
      },
    ],
    condition: `oldObject.spec.group == '${apiGroup}'`,
    checks: [
      {
        expression: "request.operation != 'DELETE'",
        message:
          `deleting a CustomResourceDefinition of ${apiGroup} deletes every object of its kind. To uninstall, delete the ` +
          `binding definitions.${apiGroup} first`,
        reason: 'Forbidden',
      },
      {
        expression:
          "request.operation == 'DELETE' || object.spec.versions.all(v, " +
          `(v.name == '${servedVersion}') == v.served && (!v.served || (has(v.subresources) && has(v.subresources.status))))`,
        message: `a kind of ${apiGroup} serves ${servedVersion} and nothing else, with the subresource status`,
        reason: 'Forbidden',
      },
    ],
  }
}

/** With a subresource of each: a change of labels passes through some of them as well. */
function infrastructure(isOperator: string): Guard {
  const claims = ['persistentvolumeclaims', 'persistentvolumes']
  const isLabelled = (object: string) =>
    `has(${object}.metadata.labels) && '${protectedLabel}' in ${object}.metadata.labels && ` +
    `${object}.metadata.labels['${protectedLabel}'] == 'true'`
  return {
    name: `infrastructure.${apiGroup}`,
    actions: deny,
    targets: [
      {
        apiGroups: [''],
        operations: ['UPDATE', 'DELETE'],
        resources: ['namespaces', ...claims].flatMap((resource) => [resource, `${resource}/*`]),
      },
    ],
    condition: isLabelled('oldObject'),
    checks: [
      {
        expression: "request.operation != 'DELETE'",
        message: `the label ${protectedLabel} guards it: data or objects of the lock server would go with it`,
        reason: 'Forbidden',
      },
      {
        expression: `request.operation == 'DELETE' || ${isOperator} || (${isLabelled('object')})`,
        message: `the label ${protectedLabel} is removed by the operator alone, when nothing is left to guard`,
        reason: 'Forbidden',
      },
      {
        expression:
          "request.operation == 'DELETE' || request.resource.resource != 'persistentvolumes' || " +
          "oldObject.spec.persistentVolumeReclaimPolicy != 'Retain' || " +
          "object.spec.persistentVolumeReclaimPolicy == 'Retain'",
        message:
          'a guarded volume keeps its reclaim policy Retain: any other destroys the data with the claim',
        reason: 'Forbidden',
      },
    ],
  }
}

/** There is no clock in CEL, so the warning says the period; the dates are in the status of the buckets. */
function longCompliance(): Guard {
  const warning = (period: string) =>
    `'COMPLIANCE for ' + ${period} + ': until then nobody can delete a version, root and cluster administrators ` +
    "included, and nobody can shorten this policy'"
  const text = (period: string) =>
    `(has(${period}.years) ? string(${period}.years) + ' years' : string(${period}.days) + ' days')`
  return {
    name: `long-compliance.${apiGroup}`,
    actions: ['Warn', 'Audit'],
    targets: [{ apiGroups: [apiGroup], operations: ['CREATE', 'UPDATE'], resources: ['retentionpolicies'] }],
    condition:
      "object.spec.defaultRetention.mode == 'COMPLIANCE' && " +
      "(request.operation == 'CREATE' || object.spec != oldObject.spec)",
    variables: {
      longRules: `has(object.spec.rules) ? object.spec.rules.filter(r, !${celIsConfirmationFree('r')}) : []`,
    },
    checks: [
      {
        expression: celIsConfirmationFree('object.spec.defaultRetention'),
        message: 'COMPLIANCE for more than 366 days cannot be undone by anybody while it lasts',
        messageExpression: warning(text('object.spec.defaultRetention')),
        reason: 'Invalid',
      },
      {
        expression: 'size(variables.longRules) == 0',
        message: 'COMPLIANCE for more than 366 days cannot be undone by anybody while it lasts',
        messageExpression: warning(
          `variables.longRules.map(r, ${text('r')} + ' under ' + r.prefix).join(', ')`,
        ),
        reason: 'Invalid',
      },
    ],
  }
}

/** CEL: whether RBAC gives the caller this verb on this object. */
function celMay(verb: string, object: string): string {
  return (
    `authorizer.group('${apiGroup}').resource(request.resource.resource).namespace(request.namespace)` +
    `.name(${object}.metadata.name).check('${verb}').allowed()`
  )
}

function makePolicy(guard: Guard): AdmissionObject {
  const { condition, variables = {} } = guard
  return {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'ValidatingAdmissionPolicy',
    metadata: metadataOf(guard),
    spec: {
      failurePolicy: 'Fail',
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
  return {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'ValidatingAdmissionPolicyBinding',
    metadata: metadataOf(guard),
    spec: { policyName: guard.name, validationActions: guard.actions },
  }
}

function metadataOf({ name }: Guard): AdmissionObject['metadata'] {
  return { name, labels: { [guardLabel.name]: guardLabel.value } }
}
