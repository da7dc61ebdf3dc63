/** Refused attempts on what decides about locks are in the audit log, whoever makes them (I23). */
import { expect, test } from 'vitest'
import { readAudit } from '../../store/core/rows.ts'
import { applyDocument, sendAdmin } from '../../support/admin.ts'
import { accessKey, conformance } from '../../support/conformance.ts'
import { readVolume } from '../../support/crash/volume-state.ts'

const owner = accessKey('owner', null)
const { server } = conformance({ accessKeys: [owner] })

test('refused admin writes: each has its record of who tried what', async () => {
  const until = new Date(server().nowMs()).toISOString()
  const accept = { method: 'POST', path: '/v1/clock/accept', document: { until, reason: 'attack' } }
  const apply = { method: 'PUT', path: '/v1/buckets/records', document: applyDocument(), epoch: 1 }
  const answers = [
    await sendAdmin(server(), { ...accept, key: server().operator }),
    await sendAdmin(server(), { ...accept, key: owner }),
    await sendAdmin(server(), { ...accept, key: server().credentials }),
    await sendAdmin(server(), { ...apply, key: owner }),
    await sendAdmin(server(), { ...apply, key: server().credentials }),
    await sendAdmin(server(), {
      method: 'POST',
      path: '/v1/leadership',
      document: { holder: 'a' },
      key: owner,
    }),
  ]
  expect(answers.map(({ status }) => status)).toEqual([403, 403, 409, 403, 403, 403])
  await server().terminate()
  const records = await readVolume(server().dataDirectory, (reader) => readAudit(reader))
  await server().start()
  const denied = records.map(({ actor, bucket, rule, verdict }) => {
    const { accessKeyId, operation } = actor as { accessKeyId: string; operation: string }
    return [accessKeyId, operation, bucket, rule, verdict]
  })
  const [root, operator, user] = [server().credentials, server().operator, owner].map(
    ({ accessKeyId }) => accessKeyId,
  )
  expect(denied).toEqual([
    [operator, 'AcceptClock', '', 'AdminScope', 'deny'],
    [user, 'AcceptClock', '', 'AdminScope', 'deny'],
    [root, 'AcceptClock', '', 'ClockAccept', 'deny'],
    [user, 'ApplyBucket', 'records', 'AdminScope', 'deny'],
    [root, 'ApplyBucket', 'records', 'AdminScope', 'deny'],
    [user, 'AcquireLeadership', '', 'AdminScope', 'deny'],
  ])
})
