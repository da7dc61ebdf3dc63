/**
 * THE TABLE of what statuses and events say: condition types, their reasons, the reasons of events, each with
 * its sentence. Reasons are part of the API: programs match them, so they are added, never renamed.
 */

/**
 * Condition types in the order in which a status lists them. Ready, Reconciling and Stalled are kstatus' own.
 */
export const conditionTypes = {
  Ready: 'The server enforces what the spec asks for, and has been asked about it.',
  Reconciling: 'The operator is still working towards the spec. Present only while True.',
  Stalled: 'Trying again cannot help: somebody has to act. Present only while True.',
  Paused: 'The annotation holdfast.dev/paused is "true". Present only while True.',
  ObjectLockEnforced:
    'GetObjectLockConfiguration, read back from the server, shows Object Lock with the rule of the policy; and the ' +
    'server refuses to delete a locked version of its own, the canary.',
  DeletionProtected:
    'Deleting the object would leave locked data behind, or leave buckets without their policy.',
  Drifted: 'What the server has differs from what the spec asks for.',
  ClockSuspect:
    'The wall clock of the lock server jumped and is not believed: locks end by trusted time, which is behind it.',
  IntegrityVerified: 'The last scrub read all bytes of the bucket and found them as they were written.',
  StorageRetained:
    'The volumes that the lock server keeps its data on outlive their claims, and are guarded while something is locked.',
  ClusterPolicyMet: 'What the ClusterRetentionPolicies that bind the namespace ask for is so.',
  AdmissionGuardInstalled: 'The API server refuses by itself what the operator asks it to: print-admission.',
} as const
export type ConditionType = keyof typeof conditionTypes

/** Reasons of conditions, each with what it means and what to do. */
export const conditionReasons = {
  /** Ready=True */
  Enforced: 'The lock server enforces the policy; read back.',
  Granted: 'The keys are valid at the lock server, with the role on every bucket that is named.',
  Accepted: 'The policy is valid and can be used by LockedBuckets.',
  Binding: 'The policy is valid and binds the namespaces that it selects.',

  /** Ready=False, Reconciling=True: goes on by itself */
  Applying: 'The change is being applied to the lock server.',
  Terminating:
    'The object was deleted and waits for finalizers that are not the operator’s, or for the end of a pause. Its status goes on telling what the lock server has; nothing is corrected any more.',
  PolicyNotFound: 'The RetentionPolicy that the spec names does not exist in this namespace; create it.',
  ServerUnreachable: 'The lock server does not answer; the operator tries again by itself.',
  LockedBucketNotFound:
    'A LockedBucket that the spec names does not exist in this namespace; create it. The others are granted.',
  LockedBucketNotReady:
    'A LockedBucket that the spec names has no bucket at the lock server yet. The others are granted.',
  LockedBucketUnparsable:
    'A LockedBucket that the spec names cannot be understood by this operator; what the keys may do there stays. The others are granted.',
  SecretNotFound: 'The existingSecret does not exist in this namespace; create it.',
  NamespaceUnknown: 'The namespace and its labels are not read yet, so nobody can say what binds it.',
  NotVerified: 'The lock server applied the policy, but what it enforces could not be read back yet.',

  /** Ready=False, Stalled=True: somebody has to act */
  RetentionWouldShorten:
    'The server enforces a stronger COMPLIANCE retention and keeps it; make the policy at least as strong.',
  PolicySetBack:
    'The server has a newer generation of the RetentionPolicy, and this one asks for less: the state of the cluster was set back. Nothing is weakened until somebody confirms it.',
  NameConflict: 'Another LockedBucket owns the bucket of this name; choose another bucketName.',
  AdoptionRefused:
    'The bucket exists and adoptionPolicy is Never; set IfUnowned to take it over, or choose another name.',
  ServerRefused: 'The lock server refused the request; its answer is in the message.',
  VolumeReplaced:
    'The lock server does not have the bucket of this object: its volume is another one, or was set back.',
  CanaryDeleted:
    'The lock server deleted the canary, a version under COMPLIANCE that it had to keep: its locks cannot be believed.',
  RollbackDetected:
    'The audit log of the lock server does not go through what it was: an older copy of its volume was put back. Nothing is made or weakened on it.',
  CheckpointsUnreadable:
    'What was kept of the audit log cannot be believed, so nobody can say whether the volume is the one that it was; nothing is made or weakened.',
  PolicyUnparsable:
    'The RetentionPolicy cannot be understood by this operator; correct it, or upgrade the operator. What is enforced stays.',
  PolicyInvalid: 'The RetentionPolicy breaks a rule of its kind; correct it.',
  SpecInvalid: 'The spec breaks a rule of its kind; correct it.',
  ExceedsCeiling:
    'A ClusterRetentionPolicy has a lower ceiling; what is enforced stays. Shorten what was never applied, or raise the ceiling.',
  ModeNotAllowed: 'A ClusterRetentionPolicy does not allow the mode; what is enforced stays.',
  ConfirmationMissing:
    'A floor makes a long retention COMPLIANCE, which nobody has confirmed by irreversible: true; what is enforced stays.',
  ClusterPolicyUnparsable:
    'A ClusterRetentionPolicy cannot be understood by this operator, so nobody can say whom it binds, and to what; what is enforced stays.',
  ClusterPolicyInvalid:
    'A ClusterRetentionPolicy that binds the namespace breaks a rule of its kind; what is enforced stays.',

  SecretInvalid:
    'The existingSecret has no AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY that S3 clients could use; correct it.',
  SecretConflict:
    'A Secret of this name exists and was not made for this BucketAccess: it is never overwritten.',
  SecretForbidden:
    'The API server does not let the operator read or write the Secret: for want of rights, by a quota, a policy or a webhook. No key is made until it does.',
  AccessKeyTaken: 'The access key id of the existingSecret belongs to another BucketAccess; use another one.',
  MasterKeyMissing:
    'The lock server has no master key, so it takes no access keys; give it --master-key-file.',
  NoSecretsHere: 'There are no Secrets without Kubernetes; give access keys by --access-keys.',

  /** Paused=True; Ready=False, Stalled=True when a change is held back */
  Paused: 'The operator observes and changes nothing until the annotation holdfast.dev/paused is removed.',

  /** ObjectLockEnforced */
  ReadBack: 'The rule that GetObjectLockConfiguration answers is that of the policy.',
  RuleDiffers: 'GetObjectLockConfiguration answers another rule than that of the policy.',
  ObjectLockMissing: 'The bucket has no Object Lock.',
  BucketMissing: 'The bucket does not exist on the lock server.',
  CanaryUntried:
    'The rule was read back, but the canary could not be written or tried: see the log of the operator for why.',
  Frozen: 'The bucket is frozen: existing locks hold, new ones are not made.',

  /** DeletionProtected */
  LockedVersions: 'Versions are locked by retention or by a legal hold.',
  NoLockedVersions: 'The last check found no locked version and no legal hold.',
  VersionsLeft: 'Versions or delete markers are left, and deletionPolicy is Delete: the bucket would not go.',
  Referenced: 'LockedBuckets refer to this policy.',
  NotReferenced: 'No LockedBucket refers to this policy.',
  Unverified: 'It could not be proved that nothing is locked, so the object counts as protected.',

  /** Drifted */
  InSync: 'The server has what the spec asks for.',
  ServerStronger: 'The server enforces more than the policy asks for, and keeps it.',
  SettingsDiffer:
    'The server has another profile, quota, checksum rule, lifecycle or tags than the spec; the operator corrects it.',
  ServerWeaker: 'The server enforces less than the policy asks for; the operator corrects it.',

  /** ClockSuspect */
  ClockTrusted: 'The wall clock of the lock server is believed.',
  ClockJumped:
    'The wall clock of the lock server is ahead of its trusted time. Nothing ends early; far ahead, locks by period are refused. Set the clock ' +
    'right, or vouch for it: holdfast clock accept.',

  /** IntegrityVerified */
  Scrubbed: 'The last scrub found no damage in the bucket.',
  NotScrubbed:
    'No scrub of the volume has ended that began after the bucket was made; the first begins some minutes after the start of the server, one a week follows.',
  ScrubStopped:
    'The scrub stopped: the disk did not give out several bodies in a row. It goes on there later; until then nothing is known of what it did not read. Look after the disk.',
  Quarantined:
    'The bytes of versions are not those that were written, or the disk does not give them out: their reads are refused, or fail; nothing is removed. Bring them back from a copy of the volume.',
  DamageUnassigned:
    'Damaged bytes were found on the volume, and which buckets share them is being looked for: some minutes, or until the scrub that goes on has ended.',
  UnreadableVersions:
    'The scrub met versions whose records cannot be read, and may be of this bucket; they count as locked. holdfast verify names them.',

  /** StorageRetained */
  VolumesRetained:
    'Every volume has the reclaim policy Retain; while something is locked, volumes, claims and namespace bear the label holdfast.dev/protected.',
  VolumeNotRetained:
    'A volume goes with its claim. Give it the reclaim policy Retain, or the operator the right to: get and patch on persistentvolumes.',
  StorageTerminating:
    'Somebody deleted a volume, a claim or the namespace before it was guarded: it goes with the pod. Keep the pod running and copy the volume.',
  StorageUnguarded:
    'The operator may not label a volume, a claim or the namespace while something is locked; give it the right to patch there.',
  StorageUnbound: 'A claim that --storage-claims names does not exist, or is bound to no volume yet.',
  StorageUnnamed: 'No claim is named by --storage-claims, so the operator does not know where the data is.',
  StorageUnreadable:
    'The operator may not read a claim, its volume or its namespace; one without ClusterRole reads no volumes.',

  /** ClusterPolicyMet */
  ClusterPolicyMet: 'The retention is at least the floor and at most the ceiling.',
  ClusterPolicyUnknown:
    'An operator of some namespaces may not read ClusterRetentionPolicies; nobody enforces them here.',

  /** AdmissionGuardInstalled */
  GuardInstalled: 'Every ValidatingAdmissionPolicy and its binding are as they should be.',
  GuardMissing: 'A policy or a binding is missing; apply the output of holdfast print-admission.',
  GuardChanged: 'A policy or a binding was changed; apply the output of holdfast print-admission.',
  GuardUnknown: 'The operator cannot read the ValidatingAdmissionPolicies.',
} as const
export type ConditionReason = keyof typeof conditionReasons

/** Reasons of events, with their type. */
export const eventReasons = {
  BucketCreated: { type: 'Normal', sentence: 'The bucket was created on the lock server.' },
  BucketAdopted: { type: 'Normal', sentence: 'A bucket that existed was taken over.' },
  RetentionApplied: { type: 'Normal', sentence: 'A change of the policy reached the lock server.' },
  RetentionWouldShorten: { type: 'Warning', sentence: 'A weaker policy was refused by the lock server.' },
  PolicySetBack: {
    type: 'Warning',
    sentence: 'An older generation of the policy, which asks for less, was not applied.',
  },
  DriftDetected: { type: 'Warning', sentence: 'Somebody changed the bucket behind the operator.' },
  DriftCorrected: { type: 'Normal', sentence: 'What the spec asks for was put back on the lock server.' },
  NameConflict: { type: 'Warning', sentence: 'The bucket belongs to another LockedBucket.' },
  AdoptionRefused: { type: 'Warning', sentence: 'The bucket exists and may not be taken over.' },
  PolicyNotFound: { type: 'Warning', sentence: 'The RetentionPolicy does not exist.' },
  ExceedsCeiling: { type: 'Warning', sentence: 'A ClusterRetentionPolicy has a lower ceiling.' },
  ModeNotAllowed: { type: 'Warning', sentence: 'A ClusterRetentionPolicy does not allow the mode.' },
  ConfirmationMissing: { type: 'Warning', sentence: 'A floor makes a long retention COMPLIANCE.' },
  ServerUnreachable: { type: 'Warning', sentence: 'The lock server does not answer.' },
  ServerRefused: { type: 'Warning', sentence: 'The lock server refused a request.' },
  VolumeReplaced: { type: 'Warning', sentence: 'The lock server does not have the bucket any more.' },
  RollbackDetected: { type: 'Warning', sentence: 'The volume of the lock server was set back.' },
  CheckpointsUnreadable: {
    type: 'Warning',
    sentence: 'What was kept of the audit log of the lock server cannot be believed.',
  },
  CanaryDeleted: { type: 'Warning', sentence: 'The lock server deleted a version that it had locked.' },
  ClockSuspect: {
    type: 'Warning',
    sentence: 'The wall clock of the lock server jumped and is not believed.',
  },
  StorageNotRetained: {
    type: 'Warning',
    sentence: 'A volume of the lock server would go with its claim, is going, or is not guarded.',
  },
  VersionsQuarantined: {
    type: 'Warning',
    sentence: 'Bytes of versions are damaged; their reads are refused.',
  },
  BucketDeleted: { type: 'Normal', sentence: 'The object was deleted; its empty bucket went with it.' },
  BucketOrphaned: { type: 'Warning', sentence: 'The object was deleted; the bucket and its locks stay.' },
  CredentialsCreated: { type: 'Normal', sentence: 'A first access key was made and written to the Secret.' },
  CredentialsRotated: { type: 'Normal', sentence: 'A new access key was made and written to the Secret.' },
  CredentialsRevoked: { type: 'Normal', sentence: 'The lock server refuses an access key from now on.' },
  SecretRestored: {
    type: 'Warning',
    sentence: 'The Secret was deleted or changed by somebody else, and was written again.',
  },
  AuthorityReplaced: {
    type: 'Normal',
    sentence:
      'The Secret has the certificate of another authority now, or of one for the first time, in ca.crt: clients have to read it again.',
  },
  SecretConflict: { type: 'Warning', sentence: 'The Secret belongs to something else.' },
  SecretForbidden: {
    type: 'Warning',
    sentence: 'The API server does not let the operator read or write the Secret.',
  },
  MasterKeyMissing: { type: 'Warning', sentence: 'The lock server takes no access keys.' },
  AccessKeyTaken: { type: 'Warning', sentence: 'The access key id belongs to another BucketAccess.' },
  ObjectUnparsable: {
    type: 'Warning',
    sentence: 'The operator cannot understand the object; nothing is done for it, and nothing is undone.',
  },
  ManifestRefused: {
    type: 'Warning',
    sentence: 'A changed manifest breaks a rule; the object stays as it was.',
  },
} as const satisfies Readonly<
  Record<string, { readonly type: 'Normal' | 'Warning'; readonly sentence: string }>
>
export type EventReason = keyof typeof eventReasons
