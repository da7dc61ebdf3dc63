/** Backup and restore as a user runs them: beside a server under load, broken off, and what is refused. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { openAdminClient } from '../../src/client/admin-client.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { type AdminSend, applyDocument, sendAdmin } from '../support/admin.ts'
import { conformance, md5, refused, snapshot } from '../support/conformance.ts'
import { type Ended, holdfast, startHoldfast } from '../support/holdfast.ts'
import { begin, sendPart } from '../support/multipart.ts'
import { startTestServer, type TestServer } from '../support/server.ts'

const masterKey = Buffer.alloc(32, 7).toString('base64')
const bench = conformance({ masterKey })
const directory = mkdtempSync(join(tmpdir(), 'holdfast-backup-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))
const at = (name: string) => join(directory, name)
const storedKey = { accessKeyId: 'HFAPP1', secretAccessKey: 'app-secret-for-tests-only' }
const readOnly =
  'The volume was restored from a backup and is read-only until root accepts it: holdfast admin accept-restore.'

const large = (seed: number) => Buffer.alloc(200_000, `body ${seed} `)

/** What `holdfast backup` says of the bodies. */
function counts({ code, stdout, stderr }: Ended): { copied: number; kept: number; gone: number } {
  expect([code, stderr]).toEqual([0, ''])
  const found = /copied (\d+) bodies with \d+ bytes, (\d+) were there, (\d+) are gone; whole\n$/.exec(stdout)
  return { copied: Number(found?.[1]), kept: Number(found?.[2]), gone: Number(found?.[3]) }
}

/** Objects come, are read by nobody and go, until it is stopped; each is a file. */
function startLoad(bucket: string): () => Promise<number> {
  let isOver = false
  const work = async (worker: number): Promise<number> => {
    let round = 0
    for (; !isOver; round += 1) {
      const path = `/${bucket}/load-${worker}-${round % 3}`
      const body = large(round)
      const headers = { 'content-md5': md5(body) }
      expect((await bench.send({ method: 'PUT', path, body, headers })).status).toBe(200)
      if (round % 3 === 2) expect((await bench.send({ method: 'DELETE', path })).status).toBe(204)
    }
    return round
  }
  const running = Promise.all([work(1), work(2)])
  return async () => {
    isOver = true
    return (await running).reduce((sum, rounds) => sum + rounds, 0)
  }
}

async function putStoredKey(send: (request: AdminSend) => ReturnType<typeof sendAdmin>): Promise<void> {
  const { document } = await send({ method: 'POST', path: '/v1/leadership', document: { holder: 'test' } })
  const epoch = Number(document['epoch'])
  const bucket = { method: 'PUT', path: '/v1/buckets/managed', document: applyDocument(), epoch }
  expect((await send(bucket)).status).toBe(200)
  const statements = [{ effect: 'Allow', actions: ['s3:ListBucket'], buckets: ['managed'], prefixes: null }]
  const owner = { clusterId: 'cluster-1', namespace: 'default', name: 'app' }
  const { accessKeyId, secretAccessKey } = storedKey
  const key = { owner, secretAccessKey, statements, otherSecret: 'replace' }
  const put = { method: 'PUT', path: `/v1/access-keys/${accessKeyId}`, document: key, epoch }
  expect((await send(put)).status).toBe(200)
}

const environment = { HOLDFAST_ACCESS_KEY_ID: 'ROOT', HOLDFAST_SECRET_ACCESS_KEY: 'root-secret' }

function rootCommand(server: TestServer, ...args: readonly string[]): Promise<Ended> {
  const { accessKeyId, secretAccessKey } = server.credentials
  return startHoldfast(args, {
    HOLDFAST_ACCESS_KEY_ID: accessKeyId,
    HOLDFAST_SECRET_ACCESS_KEY: secretAccessKey,
    HOLDFAST_SERVER_ADMIN: server.adminEndpoint,
    HOLDFAST_SERVER_S3: server.endpoint,
  }).ended
}

describe('backup and restore', () => {
  test('a volume under load: is backed up whole and by new bodies only, and restored with all versions, locks and bytes', async () => {
    const { dataDirectory, kill9, start } = bench.server()
    const bucket = await bench.bucket('locked', { rule: '<Mode>COMPLIANCE</Mode><Days>3</Days>' })
    const busy = await bench.bucket('unversioned')
    await putStoredKey((request) => sendAdmin(bench.server(), request))
    for (let seed = 0; seed < 12; seed += 1)
      await bench.put(bucket, `large-${seed % 5}`, { body: large(seed) })
    await bench.put(bucket, 'small', { body: 'twenty bytes of body' })
    const extended = { bucket, key: 'large-0' }
    const versionId = await bench.put(bucket, extended.key, { body: large(99) })
    const signer = { ...bench.server().credentials, accountId: '000000000000', displayName: 'root' }
    const upload = await begin(bench, { bucket, key: 'open', signer })
    expect((await sendPart(bench, upload, { partNumber: 1, body: large(3) })).status).toBe(200)
    const backup = ['backup', '--data', dataDirectory, '--to', at('backup')]

    const stopLoad = startLoad(busy)
    counts(await holdfast(...backup))
    const beside = counts(await holdfast(...backup))
    expect(await stopLoad()).toBeGreaterThan(2)
    expect(beside.kept).toBeGreaterThanOrEqual(14)
    const clean = await holdfast('verify', '--data', at('backup'))
    expect(clean).toMatchObject({ code: 0, stdout: expect.stringContaining(': nothing found\n') })

    counts(await holdfast(...backup))
    await bench.put(bucket, 'one more', { body: large(100) })
    expect(counts(await holdfast(...backup))).toMatchObject({ copied: 1, gone: 0 })
    const before = await snapshot(bench.send, bucket)
    const target = { ...extended, versionId }
    const until = bench.inDays(400).replace(/\.\d+Z/, '.000Z')
    expect((await bench.retain(target, 'COMPLIANCE', until)).status).toBe(200)
    expect((await bench.hold({ bucket, key: 'small' }, 'ON')).status).toBe(200)
    await bench.put(bucket, 'after the backup')
    await kill9()
    const log = await holdfast('audit', 'export', '--data', dataDirectory)
    writeFileSync(at('audit.jsonl'), log.stdout)
    await start()

    const restore = ['restore', '--from', at('backup'), '--data', at('plain')]
    expect(counts(await holdfast(...restore).then(withoutHint)).copied).toBeGreaterThanOrEqual(15)
    const locked = ['restore', '--from', at('backup'), '--data', at('locked'), '--audit', at('audit.jsonl')]
    const pipe = at('audit.pipe')
    execFileSync('python3', ['-c', 'import os, sys; os.mkfifo(sys.argv[1])', pipe])
    expect(await holdfast(...locked.with(-1, pipe))).toMatchObject({
      code: 2,
      stderr: `holdfast restore: ${pipe} is no regular file: write the log to one\n`,
    })
    const replayed = await holdfast(...locked)
    expect(replayed).toMatchObject({
      code: 0,
      stderr: expect.stringMatching(/^holdfast restore: nothing proves what .* says of records behind \d+/),
    })
    expect(replayed.stdout).toMatch(
      /: 2 locks extended, 0 denied, 1 of versions that the backup does not have\n/,
    )
    for (const name of ['plain', 'locked']) {
      const whole = await holdfast('verify', '--data', at(name))
      expect(whole.stdout).toMatch(/: nothing found\n$/)
    }

    await onServer('plain', async (server) => {
      expect(await snapshot(server.client.send, bucket)).toEqual(before)
    })
    await onServer('locked', async (server) => {
      const { send } = server.client
      const head = await send({ method: 'HEAD', path: `/${bucket}/large-0`, query: { versionId } })
      expect(head.headers['x-amz-object-lock-retain-until-date']).toBe(until)
      const held = await send({ method: 'GET', path: `/${bucket}/small`, query: { 'legal-hold': '' } })
      expect(held.element('Status')).toBe('ON')
      await waitsToBeAccepted(server, { bucket, key: 'large-0', versionId })
    })
  }, 240_000)

  /** Everything that would change something is refused until root says so, and stored keys are gone. */
  async function waitsToBeAccepted(
    server: TestServer,
    { bucket, key, versionId }: { bucket: string; key: string; versionId: string },
  ): Promise<void> {
    const { send } = server.client
    const put = { method: 'PUT', path: `/${bucket}/new`, body: 'x', headers: { 'content-md5': md5('x') } }
    for (const request of [
      put,
      { method: 'PUT', path: '/new-bucket' },
      { method: 'DELETE', path: `/${bucket}/small` },
    ]) {
      const answer = await send(request)
      expect([answer.status, answer.code, answer.element('Message')]).toEqual([
        503,
        'ServiceUnavailable',
        readOnly,
      ])
    }
    const ready = await fetch(`${server.metricsEndpoint}/readyz`)
    expect([ready.status, await ready.text()]).toEqual([503, expect.stringContaining(readOnly)])
    const foreign = await send({ method: 'GET', path: '/managed', key: storedKey })
    expect(foreign.code).toBe('InvalidAccessKeyId')
    const admin = (request: AdminSend) => sendAdmin(server, request)
    const epoch = Number(
      (await admin({ method: 'POST', path: '/v1/leadership', document: { holder: 'test' } })).document[
        'epoch'
      ],
    )
    const applied = await admin({
      method: 'PUT',
      path: '/v1/buckets/managed',
      document: applyDocument(),
      epoch,
    })
    expect(applied).toEqual({ status: 503, document: { code: 'VolumeReadOnly', message: readOnly } })
    const client = openAdminClient({
      ...{ endpoint: server.adminEndpoint, region: server.region, ...server.operator, timeoutMs: 60_000 },
      ...{ trust: { kind: 'system' }, clock: systemClock() },
    })
    const asOperator = {
      method: 'PUT',
      path: '/v1/buckets/managed',
      document: applyDocument(),
      epoch,
    } as const
    await expect(client.call(asOperator)).rejects.toMatchObject({
      ...{ name: 'ServerUnreachableError', told: `The lock server answers 503 VolumeReadOnly: ${readOnly}` },
    })
    client.close()
    const reason = 'compared with the inventory'
    const accept = { method: 'POST', path: '/v1/restore/accept', document: { reason } }
    expect(await admin(accept)).toMatchObject({ status: 403, document: { code: 'AccessDenied' } })
    expect((await send(put)).status).toBe(503)

    const accepted = await rootCommand(server, 'admin', 'accept-restore', reason)
    expect(accepted).toMatchObject({ code: 0, stderr: '' })
    expect((await send(put)).status).toBe(200)
    expect((await fetch(`${server.metricsEndpoint}/readyz`)).status).toBe(200)
    const again = await rootCommand(server, 'admin', 'accept-restore', reason)
    expect(again).toMatchObject({ code: 1, stderr: expect.stringContaining('or that is accepted already') })
    const denied = await send({ method: 'DELETE', path: `/${bucket}/${key}`, query: { versionId } })
    expect([denied.status, denied.code, denied.element('Message')]).toEqual(refused.locked)
    await putStoredKey(admin)
    expect((await send({ method: 'GET', path: '/managed', key: storedKey })).status).toBe(200)
    await server.terminate()
    const exported = (await holdfast('audit', 'export', '--data', server.dataDirectory)).stdout
    const records = exported.split('\n').filter((line) => line.includes('Restore'))
    expect(records.filter((line) => line.includes('"operation":"AcceptRestore"')).join()).toContain(reason)
    expect(records.filter((line) => line.includes('"operation":"RestoreVolume"'))).toHaveLength(3)
  }

  async function onServer(name: string, work: (server: TestServer) => Promise<void>): Promise<void> {
    const server = await startTestServer({ dataDirectory: at(name), masterKey })
    try {
      await work(server)
    } finally {
      await server.stop()
    }
  }

  test('a backup that was killed: is no backup, and goes on with the bodies that are there', async () => {
    const { dataDirectory } = bench.server()
    const bucket = await bench.bucket('locked')
    for (let seed = 0; seed < 40; seed += 1) await bench.put(bucket, `body-${seed}`, { body: large(seed) })
    const backup = ['backup', '--data', dataDirectory, '--to', at('killed')]
    const running = startHoldfast(backup)
    const names = () =>
      existsSync(at('killed/bodies')) ? readdirSync(at('killed/bodies'), { recursive: true }) : []
    const hasBody = () => names().some((name) => /[0-9a-f]{32}$/.test(String(name)))
    while (!hasBody() && running.child.exitCode === null) await new Promise(setImmediate)
    running.child.kill('SIGKILL')
    expect(await running.ended).toEqual({ code: null, stdout: '', stderr: '' })
    const early = await holdfast('restore', '--from', at('killed'), '--data', at('early'))
    expect(early).toMatchObject({ code: 2, stderr: expect.stringContaining('no finished backup') })
    expect(existsSync(at('early'))).toBe(false)
    writeFileSync(at(`killed/copying/${'0'.repeat(32)}`), 'half a body')
    expect(counts(await holdfast(...backup)).kept).toBeGreaterThan(0)
    expect((await holdfast('verify', '--data', at('killed'))).stdout).toMatch(/: nothing found\n$/)
    expect(readdirSync(at('killed')).sort()).toEqual(['bodies', 'kv', 'lock'])

    const restore = ['restore', '--from', at('killed'), '--data', at('resumed')]
    const restoring = startHoldfast(restore)
    while (!existsSync(at('resumed/bodies')) && restoring.child.exitCode === null)
      await new Promise(setImmediate)
    restoring.child.kill('SIGKILL')
    expect(await restoring.ended).toEqual({ code: null, stdout: '', stderr: '' })
    expect(existsSync(at('resumed/kv/data.mdb'))).toBe(false)
    expect((await holdfast(...restore)).code).toBe(0)
    expect((await holdfast('verify', '--data', at('resumed'))).stdout).toMatch(/: nothing found\n$/)
  })

  test('a command that lacks its folder, or has none to copy: exit 2 and a sentence', async () => {
    const refusals: readonly (readonly [readonly string[], string])[] = [
      [['backup', '--data', at('nothing')], 'holdfast backup: --to names the folder of the backup\n'],
      [['restore', '--data', at('nothing')], 'holdfast restore: --from names the folder of the backup\n'],
      [['backup', '--data', at('nothing'), '--to', at('new')], 'there is no volume in'],
      [['admin', 'accept-restore'], 'holdfast admin: accept-restore needs REASON\nUsage: '],
    ]
    for (const [args, sentence] of refusals) {
      const answer = await startHoldfast(args, environment).ended
      expect([answer.code, answer.stdout, answer.stderr], args.join(' ')).toEqual([
        2,
        '',
        expect.stringContaining(sentence),
      ])
    }
    expect(existsSync(at('new'))).toBe(false)
  })
})

/** A restore says what comes next, on a line of its own. */
function withoutHint(ended: Ended): Ended {
  const [line, hint] = ended.stdout.split('\n')
  expect(hint).toMatch(/^read-only until root accepts it/)
  return { ...ended, stdout: `${line?.replace('; whole', ', 0 are gone; whole')}\n` }
}
