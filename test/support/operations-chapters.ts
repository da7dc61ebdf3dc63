/** What docs/OPERATIONS.md says of a whole installation: its size, its end, and what may befall it. */
import { settings } from '../../src/config/settings.ts'
import { limits } from '../../src/lib/limits.ts'
import { footprints } from './footprint.ts'
import { table } from './markdown.ts'

const mebibytes = (bytes: number) => `${bytes / 1024 ** 2} MiB`
const percent = `${limits.freeSpaceFractionMin * 100} %`
const reserve = `${limits.freeSpaceBytesMin / 1024 ** 3} GiB`

const scrubBytesPerSecond = Number(settings.scrubBytesPerSecond.initial)
const scrubMebibytes = scrubBytesPerSecond / 1024 ** 2
const scrubDays = (terabytes: number) => ((terabytes * 1e12) / scrubBytesPerSecond / 86_400).toFixed(1)
const scrubTebibytes = Math.floor((scrubBytesPerSecond * 14 * 86_400) / 1024 ** 4)

const sizeOf = (kibibytes: number) => (kibibytes === 0 ? 'none' : `${kibibytes} KiB`)
const footprintTable = table(
  ['Body', 'Metadata', 'File'],
  footprints.map(({ bodyBytes, metadataKibibytes, fileKibibytes }) => [
    `${bodyBytes / 1024} KiB`,
    sizeOf(metadataKibibytes),
    sizeOf(fileKibibytes),
  ]),
)

export const sizing = `## Sizing

- **Space.** What is locked stays: count what is written a day times the days of the policy, whatever clients delete, and then the free space below which
  nothing new is taken: ${percent} of the volume, at least ${reserve} (507 \`InsufficientStorage\` to what brings bytes; reads, deletions, locks, copies that share
  bytes and what else is metadata go on, for which ${mebibytes(limits.ballastBytes)} are kept aside). Bytes are stored as they come: nothing is compressed, and only a copy on the server shares
  them. \`quota\` of a LockedBucket bounds the bytes of its versions; parts of an upload count when it is completed, so that a bucket with a quota needs a lifecycle rule
  \`AbortIncompleteMultipartUpload\`.
- **What comes back.** A body in a file gives its room back to the disk. Bodies that lie with the metadata, all records and the audit log are in \`kv/data.mdb\`, a file
  that never gets smaller: what is deleted there makes room for what is stored there next, not for files, nor does the free space of the volume rise. The audit log only
  grows: the record of a deletion stays.
- **Files.** A body of more than ${limits.inlineBodyBytesMax / 1024} KiB is a file of its own, of a multipart upload each part; smaller ones lie with the metadata. Inodes for that many.
- **Volume.** One, of one server, with hard links: ext4, XFS or ZFS; not NFS, SMB, CephFS or FUSE (sshfs, s3fs, virtiofs, ntfs-3g), on which nothing starts. Every write waits for flushes
  ([durability](#durability)), so their latency is the latency of a write: disks with a cache that survives a power cut. It grows by an edit of the claim,
  where the storage class allows that; the server sees it at once. Once it is there, set \`server.volumeId\` (\`--volume-id\`) to the id that \`holdfast status\` prints:
  a server whose mount is missing, as a \`local\` volume’s may be after a reboot, then ends with an error, to be started again by whatever runs it (\`Restart=\` under systemd), and makes no new volume in its place.
- **CPU and memory.** A worker a core and 256 MiB of memory, at least two (\`server.workers\`): a server with 2 GiB has eight at most. No memory is proportional to the size of an object or a bucket; the chart’s request and
  limit fit a few cores. The more of the metadata fit the machine’s page cache, the fewer listings wait for the disk. No CPU limit: throttling delays flushes.
- **Scrub.** All bodies are read again, a week after the last pass ended, ${scrubMebibytes} MiB a second (\`--scrub-bytes-per-second\`): ${scrubDays(10)} days for 10 TB. Where a pass
  takes more than two weeks (${scrubTebibytes} TiB), \`HoldfastScrubStale\` fires for good: give it more.
- **Growing past one volume** is more servers: a release each, with \`operator.watchNamespaces\` and a \`cluster.id\` of its own.

What a locked version takes on the disk, about, as measured one by one; the metadata are its record, its entries in indexes, its audit record, the share of their
pages that is free, and a body that lies with them (a page more than its size). \`npx vitest run --project standalone test/standalone/footprint.test.ts\`
prints it for your machine and file system.

${footprintTable}`

const disasters: readonly (readonly [string, string, string])[] = [
  [
    'The server’s pod or node is gone',
    'Every answered write, every lock.',
    'Nothing: the pod comes back. On a node that does not answer Kubernetes waits, because the volume may still be written there: switch that node off for good, then give it the taint ' +
      '`node.kubernetes.io/out-of-service`.',
  ],
  [
    'The operator is gone',
    'Every lock and every floor: the operator enforces nothing.',
    'Bring it back; changes of manifests wait.',
  ],
  [
    'Somebody deleted objects, the CRDs or the namespace',
    'Buckets, locks, floors and owner records are on the volume, not in the cluster.',
    'Apply the manifests again: objects of the same namespace and name take their buckets up.',
  ],
  [
    'etcd was restored from a backup',
    'The floors on the server. A policy of an older generation weakens nothing by itself, in GOVERNANCE neither. What is not seen: an object that was made again (it has another uid), ' +
      'a LockedBucket that names another policy again, an object that was edited after the restore as often as before it.',
    'Where `RetentionWouldShorten` says so, make the policy as strong as `status.floor`; where `PolicySetBack` does, make it what it was, or confirm it.',
  ],
  [
    'A manifest was reverted',
    'The floors on the server: COMPLIANCE is not weakened. In GOVERNANCE it is an edit like any other, which takes the verb `bypassgovernance`.',
    'Where `RetentionWouldShorten` says so, make the policy as strong as `status.floor`.',
  ],
  [
    'The cluster is lost, the volume is not',
    'Everything on the volume.',
    'Make the namespace and in it the Secret `holdfast-master`, from where you keep it: the operator makes another within seconds where there is none. Then install with the ' +
      '`cluster.id` of the old cluster (what was set there, else the uid of its namespace kube-system, which a `NameConflict` names) and `server.persistence.existingClaim`; apply the manifests. Keys of root and operator may be new ones: none is on the volume.',
  ],
  [
    'The Secret with the master key is lost',
    'Data and locks.',
    'Stored access keys cannot be read any more: give them out again.',
  ],
  [
    'The volume is lost or damaged beyond use',
    'What is in the last copy of it.',
    '[Restore](#backup-and-restore) the copy. Buckets that are younger than the copy stall with `VolumeReplaced`; none is made anew in silence.',
  ],
  [
    'The volume was set back to an older copy',
    'What is in the copy, as it was locked then.',
    'Every LockedBucket says `RollbackDetected`, and the alert `HoldfastRollbackDetected` fires. Bring the newer volume back; or accept the older one by deleting the ConfigMap ' +
      '`holdfast-checkpoints`.',
  ],
  [
    'Some bytes of the volume are damaged',
    'Wrong bytes are never answered, and what is known to be damaged is not copied; what cannot be read is locked. A copy on the server shares the bytes of its source: one that was ' +
      'made before anybody met the damage is as damaged. What the disk fails to read is listed, not copied, and tried again whenever somebody asks for it.',
    'Damage is put aside when a read or the weekly scrub meets it: the alert `HoldfastBytesDamaged` fires (`holdfast_quarantined_lists`), `IntegrityVerified` is False for every bucket that has such bytes, and ' +
      '`holdfast admin quarantine` and the log name the versions, the first 1,000 of them. `HoldfastVersionsUnreadable` (`holdfast_scrub_unreadable_versions`) is for records, `HoldfastScrubStopped` for a disk that does not give out bodies, several in a row (they are listed when it stops the eighth time, after about seventy minutes, not before; until it goes on, `IntegrityVerified` is Unknown for all buckets but the damaged ones), `HoldfastScrubStale` for a scrub that does not end ' +
      '(`holdfast_scrub_last_end_seconds`; `holdfast_scrub_read_bytes` of `holdfast_scrub_total_bytes` says how far it is). `holdfast verify --data DIR` on the stopped volume names all of it. Bring those objects from a ' +
      '[backup](#backup-and-restore); what is whole again on the disk is served again: what was put aside is read once more at each start of the server, every hour, and by the next scrub.',
  ],
  [
    'The volume is full',
    `Reads; deletions, locks and their extensions too, as long as others leave ${mebibytes(limits.commitFreeBytesMin)} free. With less nothing is written, not even the record of a refusal: all of it is 507 and says so, as does \`/readyz\`.`,
    `Grow the claim. What is locked cannot be deleted; what is not, is freed by clients and lifecycle rules: bodies of more than ${limits.inlineBodyBytesMax / 1024} KiB, that is; smaller ones make room for metadata only ([Sizing](#sizing)). With room the server goes on by itself; one that was started without any, or whose commit met the end of the disk, ends at ${mebibytes(limits.commitFreeBytesMin + limits.ballastBytes)} free, to be started. Started by hand it takes less: a start needs ${mebibytes(limits.commitFreeBytesMin)}.`,
  ],
  [
    'The file system of the volume turned read-only',
    'Reads. Writes are 503 and say so, as does `/readyz`; the pod is not ready, and its Services lead to it all the same.',
    'Look after the disk. Stop the server, repair the file system (`e2fsck -f`), start it again; a server whose volume takes writes again by itself ends, to be started. One that is started before that reads too, and refuses the rest. Then `holdfast verify`.',
  ],
  [
    'The clock was wrong, or the machine off for long',
    'Locks end late, never early. While the clock is suspect lifecycle rules do nothing, and an `applyToExisting` that meets versions which it wrote gives them what is certain and ends later. ' +
      `Where the wall clock is more than ${limits.clockSuspectLockMsMax / 86_400_000} days ahead of the time that is believed, new locks by a period (a default rule, a policy) are refused with 503: they might last far too long.`,
    '`holdfast clock` shows it; when a person has checked the time, `holdfast clock accept UNTIL REASON`.',
  ],
  [
    'Root’s key leaked',
    'COMPLIANCE and legal holds against deletion; not GOVERNANCE, not what is unlocked.',
    'Replace the Secret `holdfast-root`, [restart](#upgrade) the server, read what was done in `holdfast audit export` (in the pod: `kubectl -n holdfast-system exec holdfast-server-0 -- node /app/bin/holdfast audit export`). Hidden objects come back as in [examples](../examples/README.md).',
  ],
]

export const disaster = `## Disaster

What holds, and what to do. What protects against the loss of the volume is a copy elsewhere, nothing in the cluster.

${table(['What happened', 'What holds', 'What to do'], disasters)}

Keep outside the cluster, before any of this happens: a copy of the volume, the Secret \`holdfast-master\`, the manifests, the cluster’s id.`

/** What the operator made once is not overwritten: it is made again where it is gone. */
const replacements: readonly (readonly [string, string, string])[] = [
  [
    'Root’s key',
    '`holdfast-root`',
    'Delete the Secret, restart the operator (it makes another), then the server, which reads it when it starts.',
  ],
  [
    'The operator’s key',
    '`holdfast-operator`',
    'The same. Between the two restarts the server refuses the operator: changes of manifests wait, and every lock holds.',
  ],
  [
    'The master key',
    '`holdfast-master`',
    'The same. Keys of BucketAccesses answer 503 until the operator has put them again, sealed by the new one: at their next verification, or at once where they get the annotation ' +
      '`holdfast.dev/reconcile-now`. Clients keep their keys, and no lock depends on it.',
  ],
  [
    'The authority (`tls.mode: auto`)',
    '`holdfast-ca`',
    'Delete the Secret and restart the operator, or wait an hour: a new authority, a certificate of the server from it, and `ca.crt` in the Secret of every BucketAccess at its next verification ' +
      '(event `AuthorityReplaced`). For about a minute, until the server has the new certificate, clients that trust the new one alone are refused. It lasts ten years, and nothing replaces it before its end: ' +
      '`kubectl -n holdfast-system get configmap holdfast-ca -o jsonpath="{.data.ca\\\\.crt}" | openssl x509 -noout -enddate`.',
  ],
]

export const keys = `## Keys and certificates

The operator makes what a release needs as Secrets, once, and never overwrites one. To replace one:

${table(['What', 'Secret', 'How'], replacements)}

\`\`\`sh
kubectl -n holdfast-system delete secret holdfast-operator
kubectl -n holdfast-system rollout restart deployment/holdfast-operator
kubectl -n holdfast-system wait --for=create secret/holdfast-operator --timeout=2m
kubectl -n holdfast-system delete pod holdfast-server-0
\`\`\`

Keys of a BucketAccess are replaced by its \`spec.rotation\`, or at once by the annotation \`holdfast.dev/rotate-now\`.`

export const uninstall = `## Uninstall

\`helm uninstall\` takes the pods, Services and rights of the release. It leaves what locked data needs to outlive it: the claim, the CRDs with every object, the
admission policies, and the Secrets and ConfigMaps that the operator made. An install under the same name takes all of it up again; one that is to begin with an
empty volume needs the ConfigMap \`holdfast-checkpoints\` deleted, else its objects say \`VolumeReplaced\`.

While something is locked, the operator keeps the label \`holdfast.dev/protected\` on claim, volume and namespace (\`--storage-claims\`, which the chart
sets), by which the API server refuses their deletion (admission policy \`infrastructure.holdfast.dev\`), and gives the volume the reclaim policy
\`Retain\`. The label stays after an uninstall. The operator takes it off when every LockedBucket says that nothing of it is locked and the
lock server has no locked version, also in no bucket that was left behind; \`Retain\` is never taken back. \`StorageRetained\` tells what is not so, and
how to help. An operator of some namespaces has no right on volumes: there, and where it was refused, an administrator says once

\`\`\`sh
kubectl patch pv NAME -p '{"spec":{"persistentVolumeReclaimPolicy":"Retain"}}'
\`\`\`

To remove everything, which destroys what is still locked. First set \`deletionPolicy: Retain\` on each LockedBucket that says \`Delete\`, while the operator
is there: an object with \`Delete\` waits for it to go, and the CRDs wait for the object.

\`\`\`sh
helm -n holdfast-system uninstall holdfast
kubectl delete validatingadmissionpolicybinding,validatingadmissionpolicy -l app.kubernetes.io/part-of=holdfast
kubectl delete crd -l app.kubernetes.io/part-of=holdfast
kubectl -n holdfast-system delete pvc data-holdfast-server-0
kubectl delete namespace holdfast-system
\`\`\`

That is an act of a cluster administrator, in the API server’s audit log; with \`Retain\` the PersistentVolume and its bytes are left even then.`
