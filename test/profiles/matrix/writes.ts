/** The rows about requests that write a version, and the lock that is stored with it. */
import { type Answers, lockHeaders, type World } from './world.ts'

/** A request that writes a version: what is stored with it, or nothing at all (`after` is `nothing`). */
export type WriteRow = {
  readonly row: string
  readonly title: string
  readonly bucket: 'locked' | 'rule'
  readonly headers: (world: World) => Record<string, string>
  /** Left out: Content-MD5 is sent. */
  readonly checksum?: 'none'
  readonly answers: Answers
}

const refused = (code: string) => [400, code, 'nothing'] as const
const locked = [200, null, 'COMPLIANCE 5'] as const
const compliance = (world: World) => lockHeaders({ mode: 'COMPLIANCE' }, world.inDays)
const obsTwins = (headers: Record<string, string>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name.replace('x-amz-', 'x-obs-'), value]),
  )
/** What a bucket's rule of one day gives; the preview has no rules. */
const byRule = { 'storj-preview': [200, null, 'none'], others: [200, null, 'COMPLIANCE 1'] } as const
const timeToLive = { 'x-amz-meta-object-expires': '+2h' }

export const writeRows: readonly WriteRow[] = [
  {
    row: 'D7',
    title: 'GOVERNANCE by header',
    bucket: 'locked',
    headers: (world) => lockHeaders({ mode: 'GOVERNANCE' }, world.inDays),
    answers: {
      obs: refused('InvalidArgument'),
      'storj-preview': [501, 'NotImplemented', 'nothing'],
      others: [200, null, 'GOVERNANCE 5'],
    },
  },
  {
    row: 'D8',
    title: 'a legal hold by header',
    bucket: 'locked',
    headers: (world) => lockHeaders({ legalHold: 'ON' }, world.inDays),
    answers: { 'storj-preview': [501, 'NotImplemented', 'nothing'], others: [200, null, 'hold'] },
  },
  {
    row: 'D9',
    title: 'lower case by header',
    bucket: 'locked',
    headers: (world) => ({ ...compliance(world), 'x-amz-object-lock-mode': 'compliance' }),
    answers: {
      aws: refused('InvalidArgument'),
      qstorage: refused('InvalidArgument'),
      yandex: refused('InvalidArgument'),
      obs: refused('InvalidArgument'),
      others: locked,
    },
  },
  {
    row: 'D11',
    title: 'an HTTP date in the header',
    bucket: 'locked',
    headers: (world) => ({
      ...compliance(world),
      'x-amz-object-lock-retain-until-date': new Date(world.inDays(5)).toUTCString(),
    }),
    answers: { others: locked },
  },
  {
    row: 'D11',
    title: 'epoch milliseconds in the header',
    bucket: 'locked',
    headers: (world) => ({
      ...compliance(world),
      'x-amz-object-lock-retain-until-date': String(Date.parse(world.inDays(5))),
    }),
    answers: { others: refused('InvalidArgument') },
  },
  {
    row: 'D19',
    title: 'the x-obs-* family',
    bucket: 'locked',
    headers: (world) => obsTwins(compliance(world)),
    answers: { others: locked },
  },
  {
    row: 'D19',
    title: 'both families, saying the same',
    bucket: 'locked',
    headers: (world) => {
      const headers = compliance(world)
      return { ...headers, ...obsTwins(headers) }
    },
    answers: { others: locked },
  },
  {
    row: 'D19',
    title: 'both families, contradicting each other',
    bucket: 'locked',
    headers: (world) => ({ ...compliance(world), 'x-obs-object-lock-mode': 'GOVERNANCE' }),
    answers: { others: refused('InvalidRequest') },
  },
  {
    row: 'D21',
    title: 'lock headers without a checksum',
    bucket: 'locked',
    checksum: 'none',
    headers: compliance,
    answers: { aws: refused('InvalidRequest'), others: locked },
  },
  {
    row: 'D21',
    title: 'a default rule without a checksum',
    bucket: 'rule',
    checksum: 'none',
    headers: () => ({}),
    answers: { ...byRule, aws: refused('InvalidRequest'), yandex: refused('InvalidRequest') },
  },
  {
    row: 'D21',
    title: 'a default rule and x-amz-checksum-crc32',
    bucket: 'rule',
    checksum: 'none',
    headers: () => ({ 'x-amz-checksum-crc32': 'CRC32' }),
    answers: byRule,
  },
  {
    row: 'D23',
    title: 'a time to live and a lock',
    bucket: 'locked',
    headers: (world) => ({ ...timeToLive, ...compliance(world) }),
    answers: { storj: refused('InvalidRequest'), 'storj-preview': refused('InvalidRequest'), others: locked },
  },
  {
    row: 'D23',
    title: 'a time to live under its other names and a lock',
    bucket: 'locked',
    headers: (world) => ({ 'x-minio-meta-storj-expires': '+2h', ...compliance(world) }),
    answers: { storj: refused('InvalidRequest'), 'storj-preview': refused('InvalidRequest'), others: locked },
  },
  {
    row: 'D23',
    title: 'a time to live in a bucket with a default rule',
    bucket: 'rule',
    headers: () => timeToLive,
    answers: { ...byRule, storj: refused('InvalidRequest') },
  },
  {
    row: 'D23',
    title: 'a time to live and no lock',
    bucket: 'locked',
    headers: () => timeToLive,
    answers: { others: [200, null, 'none'] },
  },
  {
    row: 'D23',
    title: 'x-obs-expires and a lock',
    bucket: 'locked',
    headers: (world) => ({ 'x-obs-expires': '3', ...compliance(world) }),
    answers: { others: refused('InvalidRequest') },
  },
  {
    row: 'D23',
    title: 'x-obs-expires alone, which would be a promise to delete',
    bucket: 'locked',
    headers: () => ({ 'x-obs-expires': '3' }),
    answers: { others: [501, 'NotImplemented', 'nothing'] },
  },
  {
    row: 'D33',
    title: 'a default rule and a new version',
    bucket: 'rule',
    headers: () => ({}),
    answers: byRule,
  },
]
