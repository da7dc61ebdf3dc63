import { expect, it } from 'vitest'
import { conformance, dayMs, md5, refusal, refused } from '../support/conformance.ts'

const bench = conformance()

function put(bucket: string, headers: Record<string, string> = {}) {
  const all = { 'content-md5': md5('bytes'), ...headers }
  return bench.send({ method: 'PUT', path: `/${bucket}/key`, body: 'bytes', headers: all })
}

it('a wall clock set 40 days ahead unlocks nothing, and no lock by period is written until it is set right', async () => {
  const ruled = await bench.bucket('locked', { rule: '<Mode>COMPLIANCE</Mode><Days>1</Days>' })
  const versionId = String((await put(ruled)).headers['x-amz-version-id'])
  const remove = () => bench.send({ method: 'DELETE', path: `/${ruled}/key`, query: { versionId } })
  bench.server().setClock({ wallShiftMs: 40 * dayMs })
  expect(refusal(await bench.unchanged(ruled, remove))).toEqual(refused.locked)

  const answer = await bench.unchanged(ruled, () => put(ruled))
  expect([answer.status, answer.code]).toEqual([503, 'ServiceUnavailable'])
  expect(answer.element('Message')).toMatch(
    /^The wall clock is \d+ days ahead of the trusted clock: retention periods are not counted/,
  )

  const plain = await bench.bucket('locked')
  const explicit = {
    'x-amz-object-lock-mode': 'COMPLIANCE',
    'x-amz-object-lock-retain-until-date': bench.inDays(1),
  }
  expect((await put(plain, explicit)).status).toBe(200)
  expect((await put(plain)).status).toBe(200)

  bench.server().setClock({ wallShiftMs: 0 })
  expect((await put(ruled)).status).toBe(200)
  expect(refusal(await remove())).toEqual(refused.locked)
})
