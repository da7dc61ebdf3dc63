/** What a row of the matrix may use: buckets of one profile, the truth about them, and the proof that a lock holds. */
import { expect } from 'vitest'
import type { ProfileName } from '../../../src/lib/profile.ts'
import { sendAdmin } from '../../support/admin.ts'
import { type Bench, type BucketKind, dayMs, type Target } from '../../support/conformance.ts'
import type { Answer, SendOptions } from '../../support/s3-client.ts'

/** Status, code (null: a success) and what is stored afterwards, in the row's own words. */
export type Expected = readonly [status: number, code: string | null, after: string]
/** `others`: the profiles that are not named. */
export type Answers = Readonly<Partial<Record<ProfileName, Expected>>> & { readonly others: Expected }

export function expectedOf(answers: Answers, profile: ProfileName): Expected {
  return answers[profile] ?? answers.others
}

export const statusAndCode = (answer: Answer): readonly [number, string | null] => [
  answer.status,
  answer.code,
]

export type World = {
  readonly bench: Bench
  readonly profile: ProfileName
  readonly send: Bench['send']
  /** `rule`: with a default rule of one day COMPLIANCE, except where the profile has no bucket rules. */
  readonly bucket: (kind: BucketKind | 'rule') => Promise<string>
  /** A version whose bytes are known; `lock` by header. */
  readonly version: (bucket: string, lock?: Lock) => Promise<Target>
  /** The bucket's lock as the server enforces it, whatever the profile prints. */
  readonly storedRule: (bucket: string) => Promise<string>
  /** `none`, or mode, days from now, and hold. */
  readonly lockOf: (target: Target) => Promise<string>
  /** If the version is locked, nobody can delete it, and its bytes are what they were. */
  readonly proveLocked: (target: Target) => Promise<void>
  /** The instant so many days from now as RFC 3339. */
  readonly inDays: (days: number) => string
}

export type Lock = {
  readonly mode?: 'GOVERNANCE' | 'COMPLIANCE'
  readonly days?: number
  readonly legalHold?: 'ON' | 'OFF'
}

export const ruleOfOneDay = '<Mode>COMPLIANCE</Mode><Days>1</Days>'
export const body = 'bytes that must stay'

export const documentOf = (root: string, inner: string): string => `<${root}>${inner}</${root}>`
export const enabled = '<ObjectLockEnabled>Enabled</ObjectLockEnabled>'
export const ruleOf = (inner: string): string => `<Rule><DefaultRetention>${inner}</DefaultRetention></Rule>`
export const retention = (mode: string, date: string): string =>
  documentOf('Retention', `<Mode>${mode}</Mode><RetainUntilDate>${date}</RetainUntilDate>`)

export function createWorld(bench: Bench, profile: ProfileName): World {
  const inDays = (days: number): string => bench.inDays(days)
  const head = (target: Target) => bench.send(addressed('HEAD', target))
  const lockOf = async (target: Target): Promise<string> => {
    const { headers } = await head(target)
    const mode = headers['x-amz-object-lock-mode']
    const until = Date.parse(String(headers['x-amz-object-lock-retain-until-date']))
    const hold = headers['x-amz-object-lock-legal-hold']
    const days = Math.round((until - bench.server().nowMs()) / dayMs)
    const words = [...(mode === undefined ? [] : [`${mode} ${days}`]), ...(hold === 'ON' ? ['hold'] : [])]
    return words.length === 0 ? 'none' : words.join(' ')
  }
  return {
    bench,
    profile,
    inDays,
    lockOf,
    send: bench.send,
    bucket: async (kind) => {
      if (kind !== 'rule') return bench.bucket(kind)
      return profile === 'storj-preview'
        ? bench.bucket('locked')
        : bench.bucket('locked', { rule: ruleOfOneDay })
    },
    version: async (bucket, lock = {}) => {
      const versionId = await bench.put(bucket, 'key', { body, headers: lockHeaders(lock, inDays) })
      return { bucket, key: 'key', versionId }
    },
    storedRule: async (bucket) => {
      const { document } = await sendAdmin(bench.server(), { method: 'GET', path: `/v1/buckets/${bucket}` })
      return ruleText(document['objectLock'])
    },
    proveLocked: async (target) => {
      const lock = await lockOf(target)
      const isBypassable = lock.startsWith('GOVERNANCE') && !lock.includes('hold')
      const headers = { 'x-amz-bypass-governance-retention': 'true' }
      const tries = isBypassable ? [{}] : [{}, { headers }]
      for (const more of lock === 'none' ? [] : tries) {
        const refused = await bench.send({ ...addressed('DELETE', target), ...more })
        expect([lock, ...statusAndCode(refused)]).toEqual([lock, 403, 'AccessDenied'])
      }
      const read = await bench.send(addressed('GET', target))
      expect([read.status, read.text]).toEqual([200, body])
    },
  }
}

export function addressed(method: string, { bucket, key, versionId }: Target): SendOptions {
  return { method, path: `/${bucket}/${key}`, query: versionId === undefined ? {} : { versionId } }
}

/** Of a sub-resource of one version. */
export function subresource(method: string, target: Target, name: string): SendOptions {
  const plain = addressed(method, target)
  return { ...plain, query: { ...plain.query, [name]: '' } }
}

export function lockHeaders(lock: Lock, inDays: (days: number) => string): Record<string, string> {
  return {
    ...(lock.mode === undefined
      ? {}
      : {
          'x-amz-object-lock-mode': lock.mode,
          'x-amz-object-lock-retain-until-date': inDays(lock.days ?? 5),
        }),
    ...(lock.legalHold === undefined ? {} : { 'x-amz-object-lock-legal-hold': lock.legalHold }),
  }
}

type StoredLock = {
  readonly status: string
  readonly retention: {
    readonly defaultRetention: {
      readonly mode: string
      readonly period: { readonly unit: string; readonly count: number }
    } | null
  }
}

function ruleText(objectLock: unknown): string {
  if (objectLock === null || objectLock === undefined) return 'none'
  const { status, retention: stored } = objectLock as StoredLock
  const rule = stored.defaultRetention
  return rule === null ? status : `${status} ${rule.mode} ${rule.period.count} ${rule.period.unit}`
}
