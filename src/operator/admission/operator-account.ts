/**
 * What the operator's own ServiceAccount is kept to, whatever rights it was given: its token, stolen, is a way to nothing
 * but the operator's work. Reading passes by every admission; what it may read is for RBAC to say.
 */
import { annotations } from '../../api/annotations.ts'
import { apiGroup, bucketFinalizer, guardAnnotationPrefix, protectedLabel } from '../../api/metadata.ts'
import { ownLabels } from '../own-marks.ts'
import { type Check, celTexts, deny, type Guard } from './guards.ts'

/** The operation with the resource as kubectl writes it: all that the operator ever writes. */
const work = {
  secrets: ['CREATE secrets', 'UPDATE secrets'],
  configMaps: ['CREATE configmaps', 'UPDATE configmaps'],
  leases: ['CREATE leases.coordination.k8s.io', 'UPDATE leases.coordination.k8s.io'],
  events: ['CREATE events', 'UPDATE events'],
  storage: ['UPDATE persistentvolumes', 'UPDATE persistentvolumeclaims', 'UPDATE namespaces'],
  buckets: [`UPDATE lockedbuckets.${apiGroup}`],
  statuses: ['retentionpolicies', 'lockedbuckets', 'bucketaccesses', 'clusterretentionpolicies'].map(
    (plural) => `UPDATE ${plural}.${apiGroup}/status`,
  ),
  /** Questions about itself, which change nothing. */
  reviews: [
    'CREATE selfsubjectreviews.authentication.k8s.io',
    'CREATE selfsubjectaccessreviews.authorization.k8s.io',
    'CREATE selfsubjectrulesreviews.authorization.k8s.io',
  ],
} as const

/** By which the operator knows what it made in its own namespace. */
const madeLabel = {
  name: 'app.kubernetes.io/managed-by',
  value: ownLabels['app.kubernetes.io/managed-by'],
} as const

/**
 * `isOperator`: CEL. `scopes`: a user name, a blank and a namespace each, of operators of some namespaces; a user name that is in none
 * of them is everywhere at work.
 */
export function operatorAccount(isOperator: string, scopes: readonly string[]): Guard {
  return {
    name: `operator-account.${apiGroup}`,
    actions: deny,
    targets: [
      {
        apiGroups: ['*'],
        operations: ['CREATE', 'UPDATE', 'DELETE', 'CONNECT'],
        resources: ['*/*'],
      },
    ],
    condition: isOperator,
    variables: {
      what:
        "request.operation + ' ' + request.resource.resource + " +
        "(request.resource.group == '' ? '' : '.' + request.resource.group) + " +
        "(has(request.subResource) && request.subResource != '' ? '/' + request.subResource : '')",
      home: "request.userInfo.username.split(':')[2]",
      isAtHome: 'has(request.namespace) && request.namespace == variables.home',
      scopes: `[${celTexts(scopes)}]`,
      isInside:
        "!variables.scopes.exists(s, s.startsWith(request.userInfo.username + ' ')) || variables.isAtHome || " +
        "(has(request.namespace) && request.userInfo.username + ' ' + request.namespace in variables.scopes)",
      states: "request.operation == 'CREATE' ? [object] : [oldObject, object]",
      labels: `variables.states.map(o, ${orEmpty('o.metadata.labels', '{}')})`,
      annotations: `variables.states.map(o, ${orEmpty('o.metadata.annotations', '{}')})`,
      finalizers: `variables.states.map(o, ${orEmpty('o.metadata.finalizers', '[]')})`,
      owners: `variables.states.map(o, ${orEmpty('o.metadata.ownerReferences', '[]')})`,
      isOfAccess: `variables.owners.all(owners, owners.exists(r, r.kind == 'BucketAccess' && r.apiVersion.startsWith('${apiGroup}/')))`,
      isOfRelease: `variables.isAtHome && variables.labels.all(l, '${madeLabel.name}' in l && l['${madeLabel.name}'] == '${madeLabel.value}')`,
    },
    checks: [...workChecks(), ...secretChecks(), ...storageChecks(), ...metadataChecks()],
  }
}

function workChecks(): readonly Check[] {
  return [
    {
      expression: `variables.what in [${celTexts(Object.values(work).flat())}]`,
      message: "this is none of the operator's work: its token is a way to nothing else",
      messageExpression: `variables.what + " is none of the operator's work: its token is a way to nothing else"`,
      reason: 'Forbidden',
    },
    {
      expression: only(
        [...work.secrets, ...work.events, ...work.buckets, ...work.statuses],
        'variables.isInside',
      ),
      message: 'this operator is one of some namespaces, and this is outside of them',
      reason: 'Forbidden',
    },
    {
      expression: only(work.leases, 'variables.isAtHome'),
      message: 'the operator holds a Lease in its own namespace and nowhere else',
      reason: 'Forbidden',
    },
    {
      expression: only(work.configMaps, 'variables.isOfRelease'),
      message: `the operator writes ConfigMaps of its own namespace that it made (${madeLabel.name}), and no other`,
      reason: 'Forbidden',
    },
  ]
}

function secretChecks(): readonly Check[] {
  return [
    {
      expression: only(work.secrets, 'variables.isOfAccess || variables.isOfRelease'),
      message:
        'the operator writes Secrets that it made: those that a BucketAccess owns and, in its own namespace, those that ' +
        `it labelled (${madeLabel.name}). No other is overwritten, or read in the answer to a write`,
      reason: 'Forbidden',
    },
    {
      // The API server fills a Secret of type kubernetes.io/service-account-token with a token of any account that it names.
      expression: only(
        work.secrets,
        "object.type == 'Opaque' || (variables.isOfRelease && object.type == 'kubernetes.io/tls')",
      ),
      message:
        'the operator makes no Secret of this type: the API server would fill some with the token of another account',
      reason: 'Forbidden',
    },
    {
      // Others act on labels and annotations of Secrets wherever they are: Argo CD takes one for a cluster, a replicator copies another into it.
      expression: only(
        work.secrets,
        `!variables.isOfAccess || (${addsOnly('labels', isAccessLabel)} && ${addsOnly('annotations', isAccessAnnotation)})`,
      ),
      message:
        'of the Secret of a BucketAccess the operator sets its own labels and annotation, nothing by which others take it for theirs',
      reason: 'Forbidden',
    },
    {
      expression: only(['UPDATE secrets'], "variables.isOfAccess || oldObject.type == 'kubernetes.io/tls'"),
      message:
        'keys of a release are made once: of its Secrets the operator renews the certificate and no other',
      reason: 'Forbidden',
    },
  ]
}

function storageChecks(): readonly Check[] {
  const [volume, claim, namespace] = work.storage
  const policy = 'persistentVolumeReclaimPolicy'
  return [
    {
      expression: only([claim], 'variables.isAtHome'),
      message: 'the operator guards PersistentVolumeClaims of its own namespace, and no other',
      reason: 'Forbidden',
    },
    {
      expression: only([namespace], 'object.metadata.name == variables.home'),
      message: 'the operator guards its own Namespace, and no other',
      reason: 'Forbidden',
    },
    {
      expression: only(
        [volume],
        'has(oldObject.spec.claimRef) && oldObject.spec.claimRef.namespace == variables.home',
      ),
      message:
        'the operator guards PersistentVolumes that are bound to a claim of its own namespace, and no other',
      reason: 'Forbidden',
    },
    {
      expression: only(
        [volume],
        `object.spec.${policy} == oldObject.spec.${policy} || object.spec.${policy} == 'Retain'`,
      ),
      message: 'the operator sets the reclaim policy of a volume to Retain, never to another',
      reason: 'Forbidden',
    },
    {
      expression: only(
        [volume],
        sameEntries(['oldObject.spec', 'object.spec'], (key) => `${key} == '${policy}'`),
      ),
      message:
        'the operator writes no spec of a volume but its reclaim policy: neither its source nor its claim',
      reason: 'Forbidden',
    },
    {
      expression: only([claim, namespace, ...work.buckets], 'object.spec == oldObject.spec'),
      message: 'the operator writes no spec: its token is no way to a weaker one',
      reason: 'Forbidden',
    },
  ]
}

/** What is somebody else's object stays as it is but for the words by which the operator guards it. */
function metadataChecks(): readonly Check[] {
  const pair = (name: string): Pair => [`variables.${name}[0]`, `variables.${name}[1]`]
  const finalizers = pair('finalizers').map((each) => `${each}.filter(f, f != '${bucketFinalizer}')`)
  return [
    {
      expression: only(
        work.storage,
        `${sameEntries(pair('labels'), (key) => `${key} == '${protectedLabel}'`)} && ` +
          `${sameEntries(pair('annotations'), (key) => `${key}.startsWith('${guardAnnotationPrefix}')`)} && ` +
          `${pair('finalizers').join(' == ')} && ${pair('owners').join(' == ')}`,
      ),
      message: `of what it guards the operator changes the label ${protectedLabel} and annotations ${guardAnnotationPrefix}*, nothing else`,
      reason: 'Forbidden',
    },
    {
      expression: only(
        work.buckets,
        `${pair('labels').join(' == ')} && ${pair('annotations').join(' == ')} && ${finalizers.join(' == ')} && ` +
          pair('owners').join(' == '),
      ),
      message: `of a LockedBucket the operator changes the finalizer ${bucketFinalizer} and its status, nothing else`,
      reason: 'Forbidden',
    },
  ]
}

/** CEL: the expression holds wherever it is about one of these. */
function only(whats: readonly string[], expression: string): string {
  return `!(variables.what in [${celTexts(whats)}]) || (${expression})`
}

type Pair = readonly [before: string, after: string]

/** CEL: the two maps are the same but for the keys of which `isFree` is true. */
function sameEntries([before, after]: Pair, isFree: (key: string) => string): string {
  return (
    `${before}.all(k, ${isFree('k')} || (k in ${after} && ${before}[k] == ${after}[k])) && ` +
    `${after}.all(k, ${isFree('k')} || k in ${before})`
  )
}

/** CEL: `isOwn` of every pair `k`, `v` of the object, or it was there before. */
function addsOnly(name: 'labels' | 'annotations', isOwn: (key: string, value: string) => string): string {
  const all = `variables.${name}`
  const after = `${all}[size(${all}) - 1]`
  const wasThere = `size(${all}) == 2 && k in ${all}[0] && ${all}[0][k] == ${after}[k]`
  return `${after}.all(k, ${isOwn('k', `${after}[k]`)} || (${wasThere}))`
}

function isAccessLabel(key: string, value: string): string {
  const own = Object.entries(ownLabels).map((label) => label.join('='))
  return `(${key} + '=' + ${value}) in [${celTexts(own)}]`
}

function isAccessAnnotation(key: string): string {
  return `${key} == '${annotations.rotateNow}'`
}

function orEmpty(field: string, empty: '{}' | '[]'): string {
  return `has(${field}) ? ${field} : ${empty}`
}
