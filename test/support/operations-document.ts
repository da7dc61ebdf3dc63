/** docs/OPERATIONS.md: printed from the tables of conditions, reasons, events, settings and weakenings. */
import { annotations } from '../../src/api/annotations.ts'
import { conditionReasons, conditionTypes, eventReasons } from '../../src/api/conditions.ts'
import { settings } from '../../src/config/settings.ts'
import { limits } from '../../src/lib/limits.ts'
import { table } from './markdown.ts'
import { alerts } from './operations-alerts.ts'
import { backup, checkpoints } from './operations-backup.ts'
import { disaster, keys, sizing, uninstall } from './operations-chapters.ts'
import { durability } from './operations-durability.ts'
import { type Weakening, weakenings } from './weakening.ts'

/** What to do in each case in which an object is Stalled. */
export const remedies: Readonly<Record<string, string>> = {
  RetentionWouldShorten:
    'Somebody asked for less than the server enforces: an edit, a switched policyRef, a git revert, a restored etcd. The server ' +
    'keeps what it has and the data is safe. Make the policy at least as strong as `status.floor` says; where the message says that ' +
    'more is kept, somebody set the default rule over S3, and may put it back there down to that floor. Nothing else helps, ' +
    'and nothing else is needed.',
  PolicySetBack:
    'The API server has an older generation of the RetentionPolicy than the lock server, and it asks for less: etcd was restored from a backup, or the folder of ' +
    'accepted manifests was. What the bucket enforces stays, and nothing of the spec is applied to it. Compare with what the message says is enforced, and make the policy what it was. ' +
    'If the older one is meant, say so for each bucket: `kubectl annotate --overwrite lbk/NAME holdfast.dev/reconcile-now="$(date +%s)"`. Whoever may annotate a LockedBucket may ' +
    'confirm it.',
  NameConflict:
    'Another LockedBucket, perhaps of another cluster, owns the bucket; the message names it. Choose another bucketName in a new ' +
    'object. If the other one is gone for good, make an object of its namespace and name: it takes the bucket up again.',
  AdoptionRefused:
    'The bucket was made by an S3 client. `adoptionPolicy: IfUnowned` takes it over; what is in it keeps its locks, and gets new ones only by the policy’s `applyToExisting`. It stays of the account that made it: keys of a BucketAccess, which are of the account of their namespace (`status.accountId`), get 403 there until a bucket policy, put by the bucket’s account or root, lets that account in.',
  ServerRefused:
    'The message holds the server’s answer. 401 and 403: the operator’s key is not the server’s; compare the two Secrets and [restart](#upgrade) ' +
    'the one that is behind. Anything else: the operator and the server are of releases that do not understand each other; upgrade the server first.',
  VolumeReplaced:
    'The server runs on another volume than before, or on an older copy of it. Nothing was changed and nothing is made anew. Bring ' +
    'the right volume back. If it is lost, delete the object (its status is the record of what is missing: keep a copy) and make it again.',
  RollbackDetected:
    'The audit log of the server has not in it what it had: an older copy of the volume was put back, by a snapshot, a restore or an attack. Clients are ' +
    'served from it, and what was written since is not there. The operator makes no bucket on it, removes none, and changes a bucket ' +
    'only where that enforces less than its policy. Bring the right volume back, and the objects are Ready at the next verification. If the older one ' +
    'is the best there is, delete the ConfigMap that the message names: the volume is then accepted as it is, and its new head is noted. Keep a copy of it first: ' +
    'its last line proves what was there.',
  CheckpointsUnreadable:
    'The last line of the ConfigMap is not signed by the key in the Secret `RELEASE-checkpoint`: one of them was changed or made anew. Compare the volume with ' +
    'copies of the lines that you keep ([checkpoints](#checkpoints)), then delete the ConfigMap.',
  CanaryDeleted:
    'The operator tried to delete a locked version of the system’s own, and it was deleted: the server, its volume, or what lies between ' +
    'is not what it should be. Stop clients, keep the volume, compare the image’s digest, run `holdfast verify` on a copy. The next attempt ' +
    'that is refused makes the objects Ready again; the counter `holdfast_canary_attempts_total{outcome="deleted"}` stays.',
  PolicyInvalid:
    'The policy was stored before a rule of its kind was there. It stays enforced as it was applied last; correct the policy.',
  SpecInvalid:
    'The object was stored before a rule of its kind was there. Correct it; the message names the field.',
  NoSecretsHere:
    'Standalone has no Secrets to write keys to. List keys with their statements in a file and start with `--access-keys FILE`.',
  SecretConflict:
    'Somebody else made a Secret of this name, or another BucketAccess has it. It is never overwritten, and the keys are revoked: make ' +
    'another BucketAccess with a free secretName, or delete that Secret if nobody needs it.',
  SecretInvalid:
    'Give the existingSecret AWS_ACCESS_KEY_ID (3 to 128 letters, digits, dots, `_` or `-`) and AWS_SECRET_ACCESS_KEY (8 to 128 printable ' +
    'characters without spaces). It is looked at every half minute; until then no key is valid.',
  SecretForbidden:
    'The message has the words of the API server: a quota, a policy or a webhook is for who made it. Rights on Secrets are given namespace by namespace: `kubectl create rolebinding holdfast-operator-secrets -n NAMESPACE ' +
    '--clusterrole=holdfast-operator-secrets --serviceaccount=HOLDFAST-NAMESPACE:OPERATOR-ACCOUNT`. Nothing else is needed; keys that are ' +
    'valid stay so, unless the spec gives them other rights now.',
  MasterKeyMissing:
    'Keys on the volume are sealed by a key that is never on it. Give the server `--master-key-file` (the chart does so by itself), then ' +
    'annotate the object with `holdfast.dev/reconcile-now`, or wait for the next verification.',
  AccessKeyTaken:
    'The id in the existingSecret is already that of another BucketAccess, perhaps of another namespace: whose is not told. Use a new pair.',
  ExceedsCeiling:
    'The message names the period and the ClusterRetentionPolicy. Whatever was applied before stays enforced and is kept up. Shorten the ' +
    'policy if the server never had it (COMPLIANCE that it has cannot be shortened), or have the ceiling raised.',
  ModeNotAllowed:
    'The message names the mode and the ClusterRetentionPolicy. A policy cannot leave COMPLIANCE: make another one, or have the mode allowed.',
  ConfirmationMissing:
    'A floor in COMPLIANCE reaches a GOVERNANCE policy with a period of more than 366 days: nobody could undo that. Set `irreversible: true` ' +
    'in the policy if it is meant, or shorten it.',
  PolicyUnparsable:
    'The RetentionPolicy was stored past its rules, or by a newer version. The event `ObjectUnparsable` names the field: correct it, or bring the operator to that version.',
  ClusterPolicyUnparsable:
    'A ClusterRetentionPolicy was stored past its rules, or by a newer version, and may bind any namespace. The event `ObjectUnparsable` in namespace `default` names the field: ' +
    'correct it, or bring the operator to that version; until then policies are not changed, and no bucket is made.',
  ClusterPolicyInvalid:
    'The ClusterRetentionPolicy was stored before a rule of its kind was there. Correct it; until then policies in its namespaces are not changed.',
  Paused:
    'A change waits for the end of a pause: remove the annotation `holdfast.dev/paused` from the object or its policy.',
}

export function makeOperationsDocument(): string {
  const chapters = [introduction, conditions(), stalled(), events(), weakening(), speaking(), durations()]
  return `${[...chapters, durability, sizing, upgrade, keys, backup, checkpoints, alerts, disaster, uninstall].join('\n\n')}\n`
}

const introduction = `# Operations

Printed by \`npm run docs:operations\` out of the code; a test fails when it is older than the code.

A status is read like any other in Kubernetes: \`kubectl wait --for=condition=Ready lbk/NAME\`, \`kubectl get holdfast -A\`, Flux and Argo CD
(examples/gitops). \`Ready\` becomes True when the lock server enforces what the spec asks for and has been asked about it.
\`Reconciling\` goes on by itself; \`Stalled\` waits for a person. Everything in a status is what the server answered, never what
the spec says. Counts, dates and \`lastVerifiedTime\` are coarse: an idle operator writes nothing.

Before a change is applied, \`holdfast plan -f FILE --against OLD --ask-server on\` says what it tightens, whether it locks versions that are there
(\`applyToExisting\`), what would be refused and by which layer
(exit 0 nothing, 2 changes, 3 refused). Why a version cannot be deleted: \`holdfast why s3://BUCKET/KEY\`.`

function conditions(): string {
  const types = Object.entries(conditionTypes).map(([type, sentence]) => [`\`${type}\``, sentence])
  const reasons = Object.entries(conditionReasons).map(([reason, sentence]) => [
    `\`${reason}\``,
    reason in remedies ? `${sentence} [More](#stalled)` : sentence,
  ])
  return [
    '## Conditions',
    table(['Condition', 'True means'], types),
    'Reasons are part of the API: they are added, never renamed. `kubectl wait` and alerts may match them.',
    table(['Reason', 'What it means, and what to do'], reasons),
  ].join('\n\n')
}

function stalled(): string {
  const rows = Object.entries(remedies).map(([reason, remedy]) => [`\`${reason}\``, remedy])
  return ['## Stalled', table(['Reason', 'What to do'], rows)].join('\n\n')
}

function events(): string {
  const rows = Object.entries(eventReasons).map(([reason, { type, sentence }]) => [
    `\`${reason}\``,
    type,
    sentence,
  ])
  const bounds =
    `Of one object ${limits.eventsPerObjectBurst} events at once, then one every ${duration(limits.eventRefillMs)}; equal ones are ` +
    `counted for ${duration(limits.eventSeriesMs)}.`
  return ['## Events', table(['Reason', 'Type', 'What happened'], rows), bounds].join('\n\n')
}

function weakening(): string {
  const rows = weakenings.map((row) => [`${row.kind} \`${row.field}\``, row.change, refusedBy(row)])
  return [
    '## Who refuses a weaker setting',
    'The CRD refuses at apply, to everybody, cluster administrators included; the admission policies (`holdfast print-admission`) ' +
      'refuse what takes a permission; the lock server refuses what reaches it all the same, also when the CRD, the policies or ' +
      'the whole cluster were replaced. A period counts as shorter when it is not provably as long: across units a year has 365 days ' +
      'on the new side and 366 on the old.',
    table(['Field', 'Change', 'Refused by'], rows),
    'Deleting a RetentionPolicy that LockedBuckets refer to, or a LockedBucket with locked versions, is refused by the admission policy ' +
      '`deletion.holdfast.dev`; without it the object goes, and bucket, locks, floor and owner record stay on the server.',
  ].join('\n\n')
}

function refusedBy({ cel, admission, floor }: Weakening): string {
  const layers = [
    ...(cel === null ? [] : [`CRD (\`${cel}\`)`]),
    ...(admission === null ? [] : [`admission policy \`${admission}\``]),
    ...(floor === 'refused' ? ['lock server (floor)'] : []),
  ]
  if (layers.length > 0) return layers.join(', ')
  return floor === 'kept' ? 'nobody: nothing gets weaker' : `nobody: ${floor}`
}

function speaking(): string {
  const rows = [
    [`\`${annotations.paused}: "true"\``, 'the operator observes and reports, and changes nothing'],
    [
      `\`${annotations.reconcileNow}\``,
      'a new value applies the spec at once; echoed in `status.lastHandledReconcileAt`',
    ],
    [
      `\`${annotations.verifyNow}\``,
      'a new value reads everything back at once; echoed in `status.lastHandledVerifyAt`',
    ],
    [
      `\`${annotations.rotateNow}\``,
      'on a BucketAccess: a new value makes a new key at once; echoed in `status.lastHandledRotateAt`',
    ],
    [
      `\`${annotations.orphan}: "true"\``,
      'deleting a protected object is meant; counts for holders of the verb orphan',
    ],
  ]
  return ['## Annotations', table(['Annotation', 'Effect'], rows)].join('\n\n')
}

function durations(): string {
  const rows = [
    [
      'every bucket is read back and compared',
      settings.verifyIntervalMs.initial,
      settings.verifyIntervalMs.flag,
    ],
    ['counts and dates of locks alone are written at most every', duration(limits.countsWriteIntervalMs), ''],
    ['the time of the last check alone is written at most every', duration(limits.statusRefreshMs), ''],
    ['a server that does not answer is tried again at least every', duration(limits.serverRetryMsMax), ''],
    ['one reconcile may take', duration(limits.reconcileMsMax), ''],
    [
      'another replica takes over after a silent leader within',
      settings.leaseDurationMs.initial,
      settings.leaseDurationMs.flag,
    ],
    [
      'a leader that cannot renew stops after',
      settings.renewDeadlineMs.initial,
      settings.renewDeadlineMs.flag,
    ],
    ['a silent watch is opened anew after', settings.watchSilenceMs.initial, settings.watchSilenceMs.flag],
  ]
  const cells = rows.map((row) => row.map((cell) => cell ?? ''))
  return ['## Durations', table(['What', 'How long', 'Setting'], cells)].join('\n\n')
}

const upgrade = `## Upgrade

1. CRDs first (\`holdfast print-crds | kubectl apply -f -\`): one version is served, changes only add to it, and stored objects stay valid.
2. Admission policies (\`holdfast print-admission | kubectl apply -f -\`).
3. The server. A volume carries a format number: a release refuses to start on one that is newer than its own, and says so. One that is older it brings to its own before it serves, with lines of progress in the log; killed, it goes on at the next start. From the first changed row on older releases refuse the volume: the way back is a backup. Locks, floors and the trusted clock are in the volume, not in the release.
4. The operator. A new leader gets the next epoch from the server; from then on the server refuses the old one, so two releases
   never write at the same time. Nothing is enforced by the operator: while it is away every lock and every floor holds, and only
   changes of manifests wait.

A release whose server does not get Ready is taken back by \`helm rollback\`, or mended by another upgrade: its pod is replaced whether it is Ready or not. That a pod alone is
to start again, say by \`kubectl -n holdfast-system delete pod holdfast-server-0\`; clients get nothing for as long as it takes to start.

Deleting the operator before its objects is harmless: an object whose bucket is kept has no finalizer. One with \`deletionPolicy: Delete\`
has, and waits for an operator: set it to \`Retain\` first.`

const units = [
  [3_600_000, 'h'],
  [60_000, 'm'],
  [1000, 's'],
] as const

function duration(ms: number): string {
  const [unitMs, unit] = units.find(([each]) => ms % each === 0) ?? [1, 'ms']
  return `${ms / unitMs}${unit}`
}
