/** The watch of removals on a server that is planted: what the whole conformance tier runs under finds what it is for. */
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { dayMs } from '../support/conformance.ts'
import { serverWithChange } from '../support/crash/planted.ts'
import { until } from '../support/crash/processes.ts'
import { startTestServer } from '../support/server.ts'

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
