/**
 * What the servers of a conformance run did to the files of their volumes, seen in their system calls. By itself it runs the
 * files below, in which the most is removed; HOLDFAST_LONG (`npm run long`) runs the tier.
 */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { dayMs } from '../support/conformance.ts'
import { serverWithChange } from '../support/crash/planted.ts'
import { until } from '../support/crash/processes.ts'
import { type Counts, countsOf, removalKinds } from '../support/removals/judge.ts'
import { startTestServer } from '../support/server.ts'

const root = join(import.meta.dirname, '../..')
const isAll = process.env['HOLDFAST_LONG'] === '1'
const removingMost = [
  'AbortMultipartUpload',
  'attacks/races',
  'CopyObject.test',
  'DeleteObject',
  'UploadPart',
  'lifecycle-runs',
]
/** Fewer that went: the run has seen nothing. Bodies, versions with their bytes in the store, and versions by lifecycle. */
const removedMin: Counts = { version: 3, upload: 1, replacedPart: 1, unused: 5, inline: 100, lifecycle: 20 }

type Counted = { readonly counts: Counts; readonly faults: readonly string[] }

async function runConformance(folder: string): Promise<{ readonly code: number; readonly said: string }> {
  const files = isAll ? [] : removingMost.map((name) => `test/conformance/${name}`)
  const args = [
    'run',
    '--project',
    'conformance',
    '--reporter=dot',
    '--testTimeout=120000',
    '--hookTimeout=120000',
  ]
  const child = spawn(process.execPath, [join(root, 'node_modules/vitest/vitest.mjs'), ...args, ...files], {
    cwd: root,
    env: { ...process.env, HOLDFAST_REMOVALS: folder, VITEST: undefined },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (piece) => (said += String(piece)))
  await once(child, 'close')
  return { code: child.exitCode ?? 1, said }
}

test(
  'I4 I23 Removals: a conformance run, every body that went had its permission in the audit chain first, and nothing else went',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'holdfast-removal-counts-'))
    const { code, said } = await runConformance(folder)
    const counted = readdirSync(folder).map(
      (name) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as Counted,
    )
    rmSync(folder, { recursive: true })
    expect(counted.flatMap(({ faults }) => faults)).toEqual([])
    expect([code, code === 0 ? '' : said]).toEqual([0, ''])
    const sum = countsOf(counted)
    process.stdout.write(`${counted.length} servers, removed: ${JSON.stringify(sum)}\n`)
    expect(removalKinds.filter((kind) => sum[kind] < removedMin[kind])).toEqual([])
  },
  isAll ? 3_600_000 : 900_000,
)

test('I15 Removals: a lifecycle that goes past the gate, is found out by what it removed', async () => {
  const scratch = mkdtempSync(join(tmpdir(), 'holdfast-removals-planted-'))
  const unlocked = '{ ...version, lock: { kind: "known", retention: null, legalHold: null } }'
  const mainModule = serverWithChange(
    scratch,
    {
      file: 'src/lock/lifecycle.ts',
      from: "return isProtected(context, wanted.kind, version) ? { kind: 'locked', ruleId: wanted.ruleId } : wanted",
      to: 'return wanted',
    },
    {
      file: 'src/store/delete-version.ts',
      from: 'await removeVersion(scene, found,',
      to: `await removeVersion(scene, job.plan === null ? found : { ...found, version: ${unlocked} },`,
    },
  )
  const server = await startTestServer({ mainModule, lifecycleIntervalMs: 100, removals: scratch })
  const send = (query: Record<string, string>, body: string, headers: Record<string, string> = {}) =>
    server.client.send({
      method: 'PUT',
      path: '/bucket',
      query,
      body,
      headers: { ...md5Of(body), ...headers },
    })
  await send({}, '', { 'x-amz-bucket-object-lock-enabled': 'true' })
  const putObject = (headers: Record<string, string>) =>
    server.client.send({
      method: 'PUT',
      path: '/bucket/key',
      body: 'kept',
      headers: { ...md5Of('kept'), ...headers },
    })
  const held = await putObject({ 'x-amz-object-lock-legal-hold': 'ON' })
  const versionId = String(held.headers['x-amz-version-id'])
  await putObject({})
  const rules =
    '<LifecycleConfiguration><Rule><ID>old</ID><Filter></Filter><Status>Enabled</Status><NoncurrentVersionExpiration>' +
    '<NoncurrentDays>1</NoncurrentDays></NoncurrentVersionExpiration></Rule></LifecycleConfiguration>'
  expect((await send({ lifecycle: '' }, rules)).status).toBe(200)
  server.advance(3 * dayMs)
  await until('the version that is held is gone', async () => {
    const answer = await server.client.send({ method: 'HEAD', path: '/bucket/key', query: { versionId } })
    return answer.status === 404
  })
  await expect(server.stop()).rejects.toThrow(
    `not permitted:\nversion ${versionId} went though it is under a legal hold`,
  )
  rmSync(scratch, { recursive: true })
})

function md5Of(body: string): { readonly 'content-md5': string } {
  return { 'content-md5': createHash('md5').update(body).digest('base64') }
}
