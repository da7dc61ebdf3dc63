/** What is refused of our kinds, or warned of. */
import { annotations } from '../../api/annotations.ts'
import { apiGroup, bucketFinalizer } from '../../api/metadata.ts'
import { celIsConfirmationFree, celMinimumKept, celRetentionKept } from '../../api/RetentionPolicy.ts'
import { celMay, celPeriod, deny, type Guard, ours, warn } from './guards.ts'

/** As S3's bypass: the permission alone is not enough, the caller says so too. `delete --all` cannot mean it. */
export function deletion(): Guard {
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

const onlyBypassed =
  'gets shorter only by somebody who holds the verb bypassgovernance on it ' +
  '(when the unit changes, a year counts as 366 days on the old side and as 365 days on the new)'

export function governance(): Guard {
  return {
    name: `governance.${apiGroup}`,
    actions: deny,
    targets: [{ apiGroups: [apiGroup], operations: ['UPDATE'], resources: ['retentionpolicies'] }],
    // COMPLIANCE has no bypass: the rules of the CRD refuse it to everybody.
    condition: "oldObject.spec.defaultRetention.mode != 'COMPLIANCE'",
    checks: [
      {
        expression: `${celRetentionKept('object.spec', 'oldObject.spec')} || ${celMay('bypassgovernance', 'object')}`,
        message: `the retention of a GOVERNANCE policy ${onlyBypassed}`,
        reason: 'Forbidden',
      },
      {
        expression: `${celMinimumKept('object.spec', 'oldObject.spec')} || ${celMay('bypassgovernance', 'object')}`,
        message: `the minimum of a GOVERNANCE policy ${onlyBypassed}`,
        reason: 'Forbidden',
      },
    ],
  }
}

/** Another policy may be a shorter one, which only the lock server could tell, and does in COMPLIANCE. */
export function bucketReference(): Guard {
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
export function retentionOfficer(): Guard {
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

export function finalizer(isOperator: string): Guard {
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
    ],
  }
}

/** A forged status would open the way to a deletion. */
export function status(isOperator: string): Guard {
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

const cannotBeUndone = 'COMPLIANCE for more than 366 days cannot be undone by anybody while it lasts'

/** There is no clock in CEL, so the warning says the period; the dates are in the status of the buckets. */
export function longCompliance(): Guard {
  const warning = (period: string) =>
    `'COMPLIANCE for ' + ${period} + ': until then nobody can delete a version, root and cluster administrators ` +
    "included, and nobody can shorten this policy'"
  return {
    name: `long-compliance.${apiGroup}`,
    actions: warn,
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
        message: cannotBeUndone,
        messageExpression: warning(celPeriod('object.spec.defaultRetention')),
        reason: 'Invalid',
      },
      {
        expression: 'size(variables.longRules) == 0',
        message: cannotBeUndone,
        messageExpression: warning(
          `variables.longRules.map(r, ${celPeriod('r')} + ' under ' + r.prefix).join(', ')`,
        ),
        reason: 'Invalid',
      },
    ],
  }
}

/** A floor reaches buckets whose own policies nobody edits: it is warned of where it is written. */
export function longFloor(): Guard {
  return {
    name: `long-floor.${apiGroup}`,
    actions: warn,
    targets: [
      { apiGroups: [apiGroup], operations: ['CREATE', 'UPDATE'], resources: ['clusterretentionpolicies'] },
    ],
    condition:
      "has(object.spec.floor) && object.spec.floor.mode == 'COMPLIANCE' && " +
      "(request.operation == 'CREATE' || object.spec != oldObject.spec)",
    checks: [
      {
        expression: celIsConfirmationFree('object.spec.floor'),
        message: cannotBeUndone,
        messageExpression:
          `'COMPLIANCE for ' + ${celPeriod('object.spec.floor')} + ' in every bucket of the namespaces that it binds: until then ` +
          "nobody can delete a version, root and cluster administrators included, and loosening this policy takes nothing back'",
        reason: 'Invalid',
      },
    ],
  }
}
