/** Checkpoints as a user makes and checks them: what the server says, signed by a key that it never sees. */
import { generateKeyPairSync } from 'node:crypto'
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { conformance } from '../support/conformance.ts'
import { holdfast, startHoldfast } from '../support/holdfast.ts'

const bench = conformance()
const directory = mkdtempSync(join(tmpdir(), 'holdfast-checkpoint-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))
const at = (name: string) => join(directory, name)

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
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  writeFileSync(at('private.pem'), privateKey.export({ type: 'pkcs8', format: 'pem' }))
  writeFileSync(at('public.pem'), publicKey.export({ type: 'spki', format: 'pem' }))
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
