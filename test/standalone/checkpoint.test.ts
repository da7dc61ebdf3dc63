/** Checkpoints as a user makes and checks them: what the server says, signed by a key that it never sees. */
import { generateKeyPairSync } from 'node:crypto'
import { cpSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { hex } from '../../src/store/hex.ts'
import { chainHash, chainValue } from '../../src/store/kv/chain.ts'
import { conformance } from '../support/conformance.ts'
import { holdfast, startHoldfast } from '../support/holdfast.ts'

const bench = conformance()
const directory = mkdtempSync(join(tmpdir(), 'holdfast-checkpoint-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))
const at = (name: string) => join(directory, name)

const { privateKey, publicKey } = generateKeyPairSync('ed25519')
writeFileSync(at('private.pem'), privateKey.export({ type: 'pkcs8', format: 'pem' }))
writeFileSync(at('public.pem'), publicKey.export({ type: 'spki', format: 'pem' }))

function checkpoint() {
  const { credentials, adminEndpoint, endpoint } = bench.server()
  return startHoldfast(['audit', 'checkpoint', '--signing-key', at('private.pem')], {
    HOLDFAST_ACCESS_KEY_ID: credentials.accessKeyId,
    HOLDFAST_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    HOLDFAST_SERVER_ADMIN: adminEndpoint,
    HOLDFAST_SERVER_S3: endpoint,
  }).ended
}

test('a checkpoint: is signed beside a running server, and shows that a volume was set back', async () => {
  const { dataDirectory, kill9, start, volumeId } = bench.server()
  const bucket = await bench.bucket('locked')
  const first = await checkpoint()
  expect(first).toMatchObject({ code: 0, stderr: '' })
  expect(JSON.parse(first.stdout)).toMatchObject({ v: 1, volumeId, version: 'test' })
  await kill9()
  cpSync(dataDirectory, at('older'), { recursive: true })
  await start()
  await bench.put(bucket, 'later')
  const second = await checkpoint()
  await kill9()
  writeFileSync(at('checkpoints'), `${first.stdout}${second.stdout}`)
  const against = ['--checkpoint', at('checkpoints'), '--checkpoint-key', at('public.pem')]

  const whole = await holdfast('audit', 'verify', '--data', dataDirectory, ...against)
  expect(whole).toMatchObject({ code: 0, stderr: '' })
  expect(whole.stdout).toMatch(/^unbroken: .*\n2 of 2 checkpoints are in the log\n$/)
  const older = await holdfast('audit', 'verify', '--data', at('older'), ...against)
  expect(older).toMatchObject({ code: 1, stderr: '' })
  expect(older.stdout).toMatch(
    /^unbroken: .*\ncheckpoint of record \d+: .*: the volume was set back\n1 of 2 checkpoints/,
  )

  writeFileSync(at('checkpoints'), second.stdout.replace('"sequence":', '"sequence":1'))
  const forged = await holdfast('audit', 'verify', '--data', dataDirectory, ...against)
  expect(forged).toMatchObject({ code: 2, stdout: '' })
  expect(forged.stderr).toContain(
    'checkpoints, line 1: checkpoint: the signature is not that of what it says',
  )
  const half = await holdfast('audit', 'verify', '--data', dataDirectory, '--checkpoint', at('checkpoints'))
  expect(half).toMatchObject({ code: 2, stderr: expect.stringContaining('are given together') })
  await start()
}, 240_000)

test('restore --audit: a log that a checkpoint does not vouch for is refused, and what none vouches for is told', async () => {
  const { dataDirectory, kill9, start } = bench.server()
  const bucket = await bench.bucket('locked')
  const versionId = await bench.put(bucket, 'key')
  const early = await checkpoint()
  expect((await holdfast('backup', '--data', dataDirectory, '--to', at('backup'))).code).toBe(0)
  const until = bench.inDays(400).replace(/\.\d+Z/, '.000Z')
  expect((await bench.retain({ bucket, key: 'key', versionId }, 'COMPLIANCE', until)).status).toBe(200)
  const late = await checkpoint()
  await bench.put(bucket, 'behind the checkpoint')
  await kill9()
  const exported = (await holdfast('audit', 'export', '--data', dataDirectory)).stdout
  await start()
  const sequenceOf = (line: string) => Number(JSON.parse(line).sequence)
  const [first, last] = [sequenceOf(early.stdout), sequenceOf(late.stdout)]
  expect(last).toBeGreaterThan(first)

  const lines = exported.trimEnd().split('\n')
  const { volumeId, head } = JSON.parse(lines.at(-1) ?? '')
  expect(head.sequence).toBeGreaterThan(last)
  /** As one would who may write the file: its hashes and its end agree. */
  const logUpTo = (count: number, change: (text: string) => string): string => {
    const kept = lines
      .slice(0, count)
      .map((line, index) => (index === count - 1 ? forged(line, change) : line))
    const { sequence, hash } = JSON.parse(kept.at(-1) ?? '')
    return `${[...kept, JSON.stringify({ volumeId, head: { sequence, hash } })].join('\n')}\n`
  }
  writeFileSync(at('whole.jsonl'), exported)
  writeFileSync(
    at('cut.jsonl'),
    logUpTo(first, (text) => text),
  )
  writeFileSync(
    at('forged.jsonl'),
    logUpTo(last, (text) => text.replace('"retainUntilMs":1', '"retainUntilMs":2')),
  )
  writeFileSync(at('checkpoints'), `${early.stdout}${late.stdout}`)
  const restore = (to: string, log: string, ...more: readonly string[]) =>
    holdfast('restore', '--from', at('backup'), '--data', at(to), '--audit', at(log), ...more)
  const against = ['--checkpoint', at('checkpoints'), '--checkpoint-key', at('public.pem')]

  const refusals = [
    ['cut.jsonl', `it ends at record ${first}, before record ${last} of a checkpoint: it was cut off`],
    ['forged.jsonl', `record ${last} is not that of its checkpoint: the log was written anew`],
  ] as const
  for (const [log, sentence] of refusals)
    expect(await restore('proven', log, ...against)).toEqual({
      code: 2,
      stdout: '',
      stderr: `holdfast restore: ${at(log)}: ${sentence}\n`,
    })
  expect(existsSync(at('proven/kv/data.mdb'))).toBe(false)

  // The same claim, now with the whole log: the restore that was refused goes on.
  const proven = await restore('proven', 'whole.jsonl', ...against)
  expect(proven).toMatchObject({
    code: 0,
    stderr: expect.stringMatching(/^holdfast restore: nothing proves records \d+ to/),
  })
  expect(proven.stderr).toContain(`records ${last + 1} to ${head.sequence} of ${at('whole.jsonl')}`)
  expect(proven.stdout).toContain(
    `audit log up to record ${head.sequence}, proven up to record ${last}: 1 locks extended`,
  )
  const records = (await holdfast('audit', 'export', '--data', at('proven'), String(first))).stdout
  expect(records).toContain(`"provenAuditSequence":${last}`)

  const believed = await restore('believed', 'cut.jsonl')
  expect(believed).toMatchObject({ code: 0, stderr: expect.stringContaining('locks in it made up') })
  expect(believed.stderr).toContain(`nothing proves what ${at('cut.jsonl')} says of records behind ${first},`)
}, 240_000)

/** The line of another record in the place of this one, with the hash that it then has. */
function forged(line: string, change: (text: string) => string): string {
  const { record, hash: _hash, ...link } = JSON.parse(line)
  const bytes = Buffer.from(change(JSON.stringify(record)))
  const hash = hex(chainHash(chainValue(link.sequence, Buffer.from(link.previousHash, 'hex'), bytes)))
  return JSON.stringify({ ...link, hash, record: JSON.parse(bytes.toString()) })
}
