/** Settings of the commands that copy a volume, or hold it against what is kept elsewhere. Part of the table in settings.ts. */
import { setting } from './setting.ts'
import { parseAuditBreaks, parseLostClock, parsePath, parseSwitch } from './values.ts'

export const copySettings = {
  backupTo: setting({
    flag: '--to',
    env: 'HOLDFAST_BACKUP_TO',
    initial: null,
    parse: parsePath,
    help: 'folder of the backup: empty, or an older backup of the same volume',
  }),
  backupVerify: setting({
    flag: '--verify',
    env: 'HOLDFAST_BACKUP_VERIFY',
    initial: 'off',
    parse: parseSwitch,
    help: 'on: read all bytes of the volume and of the backup, and replace what is damaged in the backup',
  }),
  restoreFrom: setting({
    flag: '--from',
    env: 'HOLDFAST_RESTORE_FROM',
    initial: null,
    parse: parsePath,
    help: 'folder of the backup to restore',
  }),
  restoreAudit: setting({
    flag: '--audit',
    env: 'HOLDFAST_RESTORE_AUDIT',
    initial: null,
    parse: parsePath,
    help: 'file that `holdfast audit export` wrote: what it locked after the backup is locked again',
  }),
  auditBreaks: setting({
    flag: '--audit-breaks',
    env: 'HOLDFAST_RESTORE_AUDIT_BREAKS',
    initial: 'refuse',
    parse: parseAuditBreaks,
    help: 'accept: of a log with --audit that has damaged records, apply all that are whole, and tell of each break on stderr; refuse: apply nothing of it',
  }),
  lostClock: setting({
    flag: '--lost-clock',
    env: 'HOLDFAST_RESTORE_LOST_CLOCK',
    initial: 'refuse',
    parse: parseLostClock,
    help: 'take: where the trusted time of the backup is damaged, go on from the newest decision that its audit log proves; locks end late then, never early',
  }),
  signingKey: setting({
    flag: '--signing-key',
    env: 'HOLDFAST_SIGNING_KEY',
    initial: null,
    parse: parsePath,
    help: 'PEM file of the Ed25519 key that signs checkpoints; never on the volume, nor where the server reads',
  }),
  checkpoint: setting({
    flag: '--checkpoint',
    env: 'HOLDFAST_CHECKPOINT',
    initial: null,
    parse: parsePath,
    help: 'file of checkpoints, one a line: the audit chain must go through each of them',
  }),
  checkpointKey: setting({
    flag: '--checkpoint-key',
    env: 'HOLDFAST_CHECKPOINT_KEY',
    initial: null,
    parse: parsePath,
    help: 'PEM file of the public key by which checkpoints are believed',
  }),
} as const
