/** The commands that take an audit log, where one of its records was damaged, as a user runs them. */
import { generateKeyPairSync } from 'node:crypto'
import { cpSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { dayMs, type EpochMs, epochMs } from '../../src/lib/units.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { signCheckpoint } from '../../src/store/checkpoint.ts'
import { logHeadKey, logKey } from '../../src/store/kv/chain.ts'
import type { VersionRecord } from '../../src/store/records.ts'
import type { Store } from '../../src/store/store.ts'
import { createLedger, flipBit, onVolume } from '../store/base/at-rest.ts'
import { putBytes } from '../store/base/rig.ts'
import { actor } from '../store/base/support.ts'
import { type Ended, holdfast } from '../support/holdfast.ts'

const directory = mkdtempSync(join(tmpdir(), 'holdfast-broken-log-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))
const at = (name: string) => join(directory, name)
const clock = systemClock()
const inDays = (count: number): EpochMs => epochMs(clock.wallMs() + count * dayMs)
const { privateKey, publicKey } = generateKeyPairSync('ed25519')
const keyFile = at('public.pem')
writeFileSync(keyFile, publicKey.export({ type: 'spki', format: 'pem' }))

type Head = { readonly sequence: number; readonly hash: string }
const open = <T>(name: string, work: (store: Store) => Promise<T>) =>
  onVolume({ directory: at(name), clock }, work)
const extend = async (store: Store, { key, versionId }: VersionRecord, days: number): Promise<Head> => {
  const next = { mode: 'COMPLIANCE', retainUntilMs: inDays(days) } as const
  const address = { bucket: 'ledger', key, versionId }
  expect((await store.versions.putRetention(actor, { ...address, next, bypassGovernance: false })).kind).toBe(
    'changed',
  )
  const head = await store.audit.head()
  if (head === null) throw new Error('the log has a record')
  return head
}
const daysOf = async (name: string, { key, versionId }: VersionRecord): Promise<number | null> => {
  const found = await open(name, (store) => store.versions.read({ bucket: 'ledger', key, versionId }))
  const lock = found.kind === 'found' ? found.version.lock : null
  const retention = lock?.kind === 'known' ? lock.retention : null
  return retention === null ? null : Math.round((retention.retainUntilMs - clock.wallMs()) / dayMs)
}
/** A checkpoint file of this head. */
function checkpointOf(name: string, volumeId: string, { sequence, hash }: Head): readonly string[] {
  const facts = { volumeId, sequence, hash, trustedMs: 1, wallMs: 1, version: 'test' }
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  writeFileSync(at(name), `${signCheckpoint(facts, pem)}\n`)
  return ['--checkpoint', at(name), '--checkpoint-key', keyFile]
}

/** After the backup the locks of all three were extended, and the record of the second extension was damaged. */
let volumeId: string
let versions: readonly VersionRecord[]
let heads: readonly Head[]
let exported: Ended
beforeAll(async () => {
  versions = await open('data', async (store) => {
    await createLedger(store)
    const bytes = new Uint8Array(10)
    return [
      await putBytes(store.versions, 'first', bytes),
      await putBytes(store.versions, 'second', bytes),
      await putBytes(store.versions, 'third', bytes),
    ]
  })
  expect((await holdfast('backup', '--data', at('data'), '--to', at('backup'))).code).toBe(0)
  heads = await open('data', async (store) => {
    const found: Head[] = []
    for (const version of versions) found.push(await extend(store, version, 30))
    return found
  })
  await flipBit(at('data'), logKey('audit', heads[1]?.sequence ?? 0), -20)
  exported = await holdfast('audit', 'export', '--data', at('data'))
  writeFileSync(at('audit.jsonl'), exported.stdout)
  volumeId = JSON.parse(exported.stdout.trimEnd().split('\n').at(-1) ?? '').volumeId
}, 120_000)
const headOf = (index: number): Head => heads[index] ?? { sequence: 0, hash: '' }

test('restore --audit: a damaged record refuses the log, and --audit-breaks accept brings all other locks back', async () => {
  const { sequence } = headOf(1)
  const restore = ['restore', '--from', at('backup'), '--data', at('restored'), '--audit', at('audit.jsonl')]
  const place = `line ${sequence + 1}: it does not continue the line before`
  expect(await holdfast(...restore)).toEqual({
    code: 2,
    stdout: '',
    stderr:
      `holdfast restore: ${at('audit.jsonl')} is not an unbroken audit log: ${place}. ` +
      'With --audit-breaks accept, what is whole in it is applied\n',
  })
  expect(existsSync(at('restored/kv/data.mdb'))).toBe(false)

  const checkpoint = checkpointOf('behind', volumeId, headOf(2))
  const accepted = await holdfast(...restore, '--audit-breaks', 'accept', ...checkpoint)
  expect(accepted.code).toBe(1)
  expect(accepted.stderr).toContain(`holdfast restore: ${at('audit.jsonl')} is broken at ${place}\n`)
  // The checkpoint vouches for nothing that is before the break.
  expect(accepted.stderr).toMatch(/nothing proves what .*, or to the break before that\n/)
  const [first, second, third] = versions
  if (first === undefined || second === undefined || third === undefined) throw new Error('there are three')
  const words = JSON.stringify({ bucket: 'ledger', key: 'second', versionId: second.versionId })
  const left = `audit record ${sequence} is not known to be what was written: not applied, for a person to judge`
  expect(accepted.stdout).toContain(`${left} what it says of ${words}\n`)
  expect(accepted.stdout).toMatch(
    /audit log up to record \d+: 2 locks extended, 1 denied, .*; broken in 1 places, /,
  )
  expect(await daysOf('restored', first)).toBe(30)
  expect(await daysOf('restored', second)).toBeNull()
  expect(await daysOf('restored', third)).toBe(30)
  const records = await holdfast('audit', 'export', '--data', at('restored'))
  expect(records.stdout).toContain('"acceptedAuditBreaks":1')
}, 120_000)

test('audit verify --checkpoint: a damaged record is told as damage, another log as one that was written anew', async () => {
  const { sequence } = headOf(1)
  const verify = (...against: readonly string[]) =>
    holdfast('audit', 'verify', '--data', at('data'), ...against)
  const damaged = await verify(...checkpointOf('damaged', volumeId, headOf(1)))
  expect(damaged).toMatchObject({ code: 1, stderr: '' })
  expect(damaged.stdout).toBe(
    `broken at record ${sequence + 1}: number and previous hash do not continue the record before\n` +
      `checkpoint of record ${sequence}: record ${sequence} was damaged, and the log goes on from what it was: the volume was not set back\n` +
      '1 of 1 checkpoints are in the log\n',
  )
  const other = await verify(...checkpointOf('other', volumeId, { sequence, hash: 'a'.repeat(64) }))
  expect(other.stdout).toContain(`record ${sequence} is another one: the log was written anew\n0 of 1 `)
})

test('audit export and verify: the head cannot be read, say so and what is there, exit 1', async () => {
  const records = exported.stdout.trimEnd().split('\n').slice(0, -1)
  cpSync(at('data'), at('headless'), { recursive: true })
  await flipBit(at('headless'), logHeadKey('audit'), 0)
  const log = await holdfast('audit', 'export', '--data', at('headless'))
  expect(log).toEqual({
    code: 1,
    stdout: `${records.join('\n')}\n`,
    stderr: expect.stringMatching(
      new RegExp(`^holdfast audit: the head of the audit log is damaged .*up to ${records.length}, .*\\n$`),
    ),
  })
  const against = checkpointOf('newest', volumeId, headOf(2))
  const verified = await holdfast('audit', 'verify', '--data', at('headless'), ...against)
  expect(verified).toMatchObject({ code: 1, stderr: '' })
  expect(verified.stdout).toMatch(
    new RegExp(
      `^broken at the head: it cannot be read; the last record is ${records.length}, .*\\nbroken at record `,
    ),
  )
  expect(verified.stdout).toContain('1 of 1 checkpoints are in the log\n')
})
