import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { conformance } from '../support/conformance.ts'
import { root } from '../support/standalone.ts'

const bench = conformance()

/** Runs a command against the test server with root's key in the environment. */
async function holdfast(args: readonly string[], environment: Readonly<Record<string, string>> = {}) {
  const { adminEndpoint, endpoint, credentials } = bench.server()
  const child = spawn(process.execPath, [join(root, 'bin/holdfast'), ...args], {
    env: {
      PATH: process.env['PATH'],
      HOLDFAST_SERVER_ADMIN: adminEndpoint,
      HOLDFAST_SERVER_S3: endpoint,
      HOLDFAST_ACCESS_KEY_ID: credentials.accessKeyId,
      HOLDFAST_SECRET_ACCESS_KEY: credentials.secretAccessKey,
      ...environment,
    },
  })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  const [code] = (await once(child, 'close')) as [number]
  return { code, stdout, stderr }
}

describe('commands that ask a server', () => {
  test('holdfast status: the server, and a bucket', async () => {
    const server = await holdfast(['status'])
    expect(server).toMatchObject({ code: 0, stderr: '' })
    expect(server.stdout).toContain(bench.server().volumeId)
    const bucket = await bench.bucket('locked', { rule: '<Mode>COMPLIANCE</Mode><Days>3</Days>' })
    await bench.put(bucket, 'key')
    const { stdout } = await holdfast(['status', bucket])
    expect(stdout).toContain('default      COMPLIANCE 3 days')
    expect(stdout).toContain('locked       1, legal holds 0, until 2')
    expect(await holdfast(['status', 'nowhere'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('nowhere'),
    })
  })

  test('holdfast status: what was refused last of a bucket, newest first, without bytes that move a cursor', async () => {
    const bucket = await bench.bucket('locked', { rule: '<Mode>COMPLIANCE</Mode><Days>3</Days>' })
    expect((await holdfast(['status', bucket])).stdout).toContain('\nrefused      nothing yet\n')
    const key = 'ring\u0007 é'
    const versionId = await bench.put(bucket, key)
    const { client, credentials } = bench.server()
    for (const query of [{ versionId }, { versionId }]) {
      const refused = await client.send({ method: 'DELETE', path: `/${bucket}/${key}`, query })
      expect(refused.status).toBe(403)
    }
    const { stdout } = await holdfast(['status', bucket])
    const instant = '\\d{4}-\\d\\d-\\d\\dT[0-9:.]+Z'
    const sentence =
      `${instant} DeleteObject of "ring\\\\u0007 \\\\u00e9" version "${versionId}" by "${credentials.accessKeyId}": ` +
      '[A-Za-z]+'
    expect(stdout).toMatch(new RegExp(`\nrefused      ${sentence}\n {13}${sentence}\n$`))
  })

  test('holdfast why: exit 3 and the rule for a locked version, 0 for a free one', async () => {
    const bucket = await bench.bucket('locked')
    const versionId = await bench.put(bucket, 'a key/with spaces')
    expect(await holdfast(['why', `s3://${bucket}/a key/with spaces`])).toMatchObject({ code: 0 })
    await bench.hold({ bucket, key: 'a key/with spaces', versionId }, 'ON')
    const held = await holdfast(['why', `s3://${bucket}/a key/with spaces?versionId=${versionId}`])
    expect(held.code).toBe(3)
    expect(held.stdout).toContain('legal hold ON')
    expect(held.stdout).toContain('LegalHold: denies: LegalHold')
    expect(await holdfast(['why', `s3://${bucket}/nothing`])).toMatchObject({ code: 1 })
    expect(await holdfast(['why', 'backups/key'])).toMatchObject({ code: 2 })
  })

  test('holdfast clock: shows both clocks; accept needs a reason, an instant and a suspect clock', async () => {
    const shown = await holdfast(['clock'])
    expect(shown).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/suspect {2}no\nbudget {3}86400 s/),
    })
    const now = new Date().toISOString()
    const refused = await holdfast(['clock', 'accept', now, 'none needed'])
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('not suspect') })
    const wrong = [
      [
        ['clock', 'accept', 'tomorrow', 'my watch'],
        'until: "tomorrow" is no time of RFC 3339 with its offset: write it like ',
      ],
      [['clock', 'accept', now, 'ok'], 'reason: say in 3 to 1024 characters who looked, and at what\n'],
      [['clock', 'accept', now], 'accept needs REASON\n'],
      [['clock', 'accept'], 'accept needs UNTIL and REASON\n'],
      [['clock', 'set', now, 'my watch'], '"set", with what follows it, is nothing that it does\n'],
      [['admin', 'accept-restore', 'ok'], 'reason: say in 3 to 1024 characters who looked, and at what\n'],
      [['admin', 'accept-restore', 'x'.repeat(1025)], 'reason: say in 3 to 1024 characters'],
      [['admin', 'accept-restore'], 'accept-restore needs REASON\n'],
      [['admin'], 'what it should do is missing\n'],
    ] as const
    for (const [args, sentence] of wrong) {
      const told = await holdfast(args)
      expect(told).toMatchObject({ code: 2, stdout: '' })
      expect(told.stderr).toContain(`holdfast ${args[0]}: ${sentence}`)
      expect(told.stderr).toContain(`\nUsage: holdfast ${args[0]} `)
    }
    expect(await holdfast(['clock', 'reset'])).toMatchObject({ code: 2 })
  })

  test('no server: exit 1 and the endpoint; no key: exit 2 and what to set', async () => {
    const away = await holdfast(['status'], { HOLDFAST_SERVER_ADMIN: 'http://127.0.0.1:9' })
    expect(away).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('http://127.0.0.1:9 did not answer'),
    })
    const nobody = await holdfast(['status', '--data', 'nowhere'], {
      HOLDFAST_ACCESS_KEY_ID: '',
      HOLDFAST_SECRET_ACCESS_KEY: '',
    })
    expect(nobody).toMatchObject({ code: 2, stderr: expect.stringContaining('HOLDFAST_ACCESS_KEY_ID') })
    const wrong = await holdfast(['status'], { HOLDFAST_SECRET_ACCESS_KEY: 'wrong' })
    expect(wrong).toMatchObject({ code: 1, stderr: expect.stringContaining('signature is wrong') })
  })

  test('holdfast: no command, an unknown one, help, and print-crds', async () => {
    expect(await holdfast([])).toMatchObject({
      code: 2,
      stdout: expect.stringContaining('Usage: holdfast COMMAND'),
    })
    expect(await holdfast(['frobnicate'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("'frobnicate'"),
    })
    expect(await holdfast(['--version'])).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^holdfast \d+\.\d+\.\d+\n$/),
    })
    expect(await holdfast(['status', '-v'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('there is no flag -v'),
    })
    for (const [command, help] of [
      ['server', '--help'],
      ['operator', '--help'],
      ['standalone', '--help'],
      ['status', '-h'],
      ['clock', '-h'],
      ['why', '-h'],
    ] as const)
      expect(await holdfast([command, help])).toMatchObject({
        code: 0,
        stdout: expect.stringContaining('Usage:'),
      })
    const crds = await holdfast(['print-crds'])
    const files = readdirSync(join(root, 'crds'))
    expect(files.length).toBeGreaterThan(1)
    expect(crds.stdout.match(/^kind: CustomResourceDefinition$/gm)).toHaveLength(files.length)
  })
})
