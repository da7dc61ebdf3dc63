/** What docs/OPERATIONS.md says of backups: prose, because nothing of it is in a table. */
export const checkpoints = `## Checkpoints

\`\`\`
openssl genpkey -algorithm ed25519 -out checkpoint.pem && openssl pkey -in checkpoint.pem -pubout -out checkpoint.pub
holdfast audit checkpoint --signing-key checkpoint.pem >> checkpoints.jsonl                                   # of the running server
holdfast audit verify --data /data --checkpoint checkpoints.jsonl --checkpoint-key checkpoint.pub             # of a volume at rest
\`\`\`

A checkpoint is the head of the audit log, signed. Made on a schedule, on another machine than the server's (it asks the admin API with root's or the operator's key: \`kubectl port-forward\`, or a NetworkPolicy that lets that machine in), and kept there, it shows that a
volume was set back to an older copy or that its log was written anew: exit 1, and which checkpoint the log does not go through. A record that was damaged after its checkpoint is told as that: the log goes through the checkpoint where the next record names what
was signed. Neither key belongs on the volume or in the server's pod.

The operator of a release does the same by itself, every hour and at the end of each of its terms, with the key in the Secret \`holdfast-checkpoint\`, and looks whether the
volume goes on from there (\`RollbackDetected\`, [Stalled](#stalled)). Not where all three keys are an \`existingSecret\` and \`tls.mode\` is not \`auto\`: there
it makes nothing of the release and remembers the log only until it restarts, so make checkpoints as above. What it keeps is for \`audit verify\` too; copy it away now and then:

\`\`\`
kubectl -n holdfast-system get configmap holdfast-checkpoints -o jsonpath='{.data.checkpoints}' > checkpoints.jsonl
kubectl -n holdfast-system get configmap holdfast-checkpoints -o jsonpath='{.data.checkpoint\\.pub}' > checkpoint.pub
\`\`\``

export const backup = `## Backup and restore

\`\`\`
holdfast backup --data /data --to /backup                                 # beside the running server, or at rest
holdfast backup --data /data --to /backup --verify on                     # the same, and what the backup has is read too
holdfast verify --data /backup                                            # reads all of it
holdfast restore --from /backup --data /new \\
    [--audit audit.jsonl [--audit-breaks accept] [--checkpoint checkpoints.jsonl --checkpoint-key checkpoint.pub]] [--lost-clock take]   # and what was locked later
holdfast admin accept-restore "compared with the inventory, J. Doe"       # root; until then the server is read-only
\`\`\`

**Backup.** The folder is a volume of its own: the metadata as they were at one moment, and every body that they name, each checked against
its checksums while it is copied. Run it again with the same folder: the metadata are copied whole, bodies only when they are new, and
those that the volume removed go. Until the new metadata take their place, in one step, the backup before it is whole; one that was broken
off goes on, also one that Ctrl-C or SIGTERM ended (130 and 143 in a shell), which says what is left. Before it makes, locks or removes anything there it looks: it refuses a folder that holds anything but an older backup of this very volume, or one that was broken off, and
says what that is (\`lost+found\` may be there); so does \`restore\`, and neither copies a folder into itself, into one inside of it, or around it. The last audit record of the older
backup must be in the volume's chain, so a volume that was set back never replaces a newer backup. Exit 1 and a line for whatever it meets that is damaged, a row, a lock,
a break of the audit chain, or a body that is new: the rest is copied, a good copy from before is kept (of bodies where they were, of the metadata in \`kept/\`, until a backup is whole again: its
\`data.mdb\` put in \`kv/\` is the backup before; the last line says whether that was whole, or how much of it was damaged), nothing is dropped. A break of the audit chain is never mended: where no record of it is better in the older backup, it is a line and exit 1 each time, and nothing waits for it; keep
a folder whose records are better, and go on in another one. A body that the backup has with its size is taken for whole, and neither it nor the
volume's is read: what rots later, on either side, is found with \`--verify on\`. That reads both sides, all of them: a damaged copy is replaced by a whole original (a line, exit 0), a
damaged original is a line and exit 1, and replaces nothing. Run it as often as the disk of the backup deserves; \`holdfast verify\` reads the backup alone and mends nothing. Object Lock does not protect the folder: keep it where the people of docs/SECURITY.md's
last column do not reach, for example on a filesystem that only the backup's user may write, and copy that to another place.

While bodies are copied the server serves, but removes none: what is deleted meanwhile frees its space after the backup. The metadata file may grow
while it is copied. Run it on the machine of the server and, on Kubernetes, in its container (\`kubectl exec\`, with a claim that \`server.backup.existingClaim\` of the chart mounts at
\`/backup\`: [example](../examples/backup/README.md), which says why there is no CronJob, and how to restore); it refuses a served volume that is mounted for reading only. Another container may have process ids of its own, which the metadata's list of readers would mistake for processes that are gone. Secrets of stored access keys are in it as they
are on the volume, sealed by the master key, which is not.

**Restore.** Versions, bytes and locks are those of the backup; what was locked, extended or held after it is not, unless \`--audit\` names what \`holdfast audit export\`
wrote later. The log is computed again, must go through the backup's last record, and only ever makes a lock stronger: an extension is applied, a
hold that was set is set (also one that was lifted later), nothing is shortened or lifted. What is neither more nor less (COMPLIANCE for less time than the GOVERNANCE
that is there) and records that cannot be read are a line each, and exit 1. The log is a regular file, for it is read twice. With \`--checkpoint\`
it must go through every [checkpoint](#checkpoints), those of before the backup's end through the backup: a log that was cut off before one, or written anew, is refused
before anything is applied. What lies behind the newest checkpoint, and without one the whole log, is proven by nothing: stderr says so, and the record of the restore says
how far it was proven. It may lack records, and lock too little; whoever made one up can lock too much, never unlock. Versions written after the backup are lost; the
command counts them. A log with a damaged record is refused, with the place. With \`--audit-breaks accept\` all its whole records are applied, those whose hash the record behind them, the head or a
checkpoint names, and no lock gets shorter; each break is a line on stderr, each record that is there but not whole a line on stdout with the version that it names, for a person to judge, and exit 1. Behind a break
a checkpoint vouches for nothing before it, and the record of the restore says how many breaks were accepted. Broken off, it goes on when it is run again; it never writes into a folder that has a volume.

A restored volume answers reads. Everything else is 503 with the reason, \`/readyz\` says so, nothing expires and no space is freed, until root
runs \`holdfast admin accept-restore REASON\`; both steps are in its audit log, which goes on from the backup's last record. Stored access keys are gone: the operator, or
whoever gave them out, gives them out again. A namespace whose account is younger than the backup gets another number, so that none is given twice. Trusted time goes on from the backup's: where the backup is older than what its clock had left of a day the clock is suspect until
\`holdfast clock accept\`. Where the backup's trusted time is damaged the restore is refused; with \`--lost-clock take\` it goes on from the newest decision in the backup's audit log that the
chain proves: locks end late by what passed since then, never early, and the scrub begins anew, for its times were the lost clock's ([0057](decisions/0057-rows-that-a-volume-has-once.md)). A LockedBucket that is younger than the backup stalls with \`VolumeReplaced\`, all others with \`RollbackDetected\` until the
ConfigMap \`holdfast-checkpoints\` is deleted: keep a copy of it. Stop the old server for good before
the new one is accepted: two volumes of one identity diverge.

**CSI snapshots.** A snapshot of the claim is the volume as after a power cut, and opens like that: snapshot the whole volume at one moment, never
\`kv\` and \`bodies\` apart. But it is not marked: a server on it takes writes at once, with its old access keys, and knows nothing of what was locked since.
So do not serve it: mount the claim made of the snapshot, run \`holdfast backup --data\` on it (it may be read-only; the server of the original is not
slowed and frees its space), and restore from that. The [example](../examples/backup/README.md) has the manifests.`
