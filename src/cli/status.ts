import { formatPeriod } from '../api/periods.ts'
import type { BucketFactsAnswer, ServerInfo } from '../client/lock-server.ts'
import { askServer } from './ask-server.ts'

/** `holdfast status [BUCKET …]`: the server's own word on itself and on the buckets named. */
export function statusCommand(argv: readonly string[]): Promise<number> {
  return askServer(
    {
      command: 'holdfast status',
      summary:
        'What the server says of itself, and of a bucket: mode, period, floor, what is locked and until when, and what was refused last.',
      positionals: ['[BUCKET]'],
    },
    argv,
    async (server, [bucket]) => {
      if (bucket === undefined) {
        process.stdout.write(serverSentences(await server.info()))
        return 0
      }
      const facts = await server.readBucket(bucket)
      if (facts === null) {
        process.stderr.write(`holdfast status: there is no bucket ${bucket}\n`)
        return 1
      }
      process.stdout.write(bucketSentences(facts))
      return 0
    },
  )
}

function serverSentences(info: ServerInfo): string {
  const { clock } = info
  return [
    `volume       ${info.volumeId}`,
    `version      ${info.version}`,
    `S3 endpoint  ${info.s3Endpoint} (region ${info.region})`,
    `leadership   ${info.epoch === null ? 'no operator yet' : `epoch ${info.epoch}`}`,
    `clock        trusted ${clock.trusted}, wall ${clock.wall}${clock.suspect ? ', SUSPECT' : ''}`,
    '',
  ].join('\n')
}

function bucketSentences(facts: BucketFactsAnswer): string {
  const { objectLock, policy, owner } = facts
  const rule = objectLock?.retention.defaultRetention ?? null
  const lines = [
    `bucket       ${facts.name} (${facts.region})`,
    `versioning   ${facts.versioning}`,
    `object lock  ${objectLock === null ? 'none' : objectLock.status}`,
    `default      ${rule === null ? 'none' : `${rule.mode} ${formatPeriod(rule.period)}`}`,
    ...(objectLock?.retention.prefixRules ?? []).map(
      ({ prefix, period }) => `  ${prefix}  ${formatPeriod(period)}`,
    ),
    `floor        ${policy?.floor === null || policy === null ? 'none' : `held by policy ${policy.namespace}/${policy.name}`}`,
    `managed by   ${owner === null ? 'nobody' : `LockedBucket ${owner.namespace}/${owner.name}`}`,
    `versions     ${facts.versionCount} and ${facts.deleteMarkerCount} delete markers, ${facts.sizeBytes} bytes`,
    `locked       ${facts.lockedVersionCount}, legal holds ${facts.legalHoldCount}, until ${facts.lockedUntil ?? 'nothing is'}`,
  ]
  return `${[...lines, ...denialLines(facts)].join('\n')}\n`
}

/** Newest first, each with how many requests alike it stands for. */
function denialLines({ lastDenials }: BucketFactsAnswer): readonly string[] {
  const sentences = lastDenials.map(({ time, operation, rule, accessKeyId, key, versionId, count }) => {
    const target = key === null ? '' : ` of ${quote(key)}`
    const version = versionId === null ? '' : ` version ${quote(versionId)}`
    const often = count === 1 ? '' : `, ${count} times`
    return `${time} ${operation}${target}${version} by ${quote(accessKeyId)}: ${rule}${often}`
  })
  return [
    `refused      ${sentences[0] ?? 'nothing yet'}`,
    ...sentences.slice(1).map((line) => `             ${line}`),
  ]
}

/** Clients chose these bytes: none of them is to move the cursor of whoever reads. */
function quote(text: string): string {
  return JSON.stringify(text).replace(/[^\x20-\x7e]/g, (unit) => {
    return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
}
