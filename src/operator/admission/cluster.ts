/** What is refused of the cluster's own objects on which ours rest. */
import { apiGroup, protectedLabel, servedVersion } from '../../api/metadata.ts'
import { celTexts, deny, type Guard } from './guards.ts'

/** Rules live in a version of a CRD: another served version, or a status that is part of spec, is a way around them. */
export function definitions(): Guard {
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

/**
 * With a subresource of each: a change of labels passes through some of them as well. `homes`: the namespaces of operators, which
 * keep the data of their lock servers there. Of other claims and namespaces the label says nothing: whoever may label one would
 * otherwise make it one that nobody can delete.
 */
export function infrastructure(isOperator: string, homes: readonly string[]): Guard {
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
    condition:
      `${isLabelled('oldObject')} && (request.resource.resource == 'persistentvolumes' || ` +
      `(has(oldObject.metadata.namespace) ? oldObject.metadata.namespace : oldObject.metadata.name) in [${celTexts(homes)}])`,
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
