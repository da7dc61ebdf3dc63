import { chmod, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { limits } from '../../src/lib/limits.ts'
import { silentLog } from '../../src/lib/log.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { openVolumeOwner } from '../../src/server/open-volume.ts'
import { connectCluster } from '../support/cluster/cluster.ts'
import { until } from '../support/cluster/until.ts'
import { type LyingProxy, startLyingProxy } from '../support/lying-proxy.ts'
import { prepareCluster, type RunningOperator, startOperator } from '../support/operator.ts'
import { bucket, contentMd5, OperatorRig, policy, waitMs } from '../support/operator-rig.ts'
import { startTestServer, type TestServer } from '../support/server.ts'

const address = inject('cluster')

let verifyCount = 0

/** Another byte in the first block of every file of bodies. */
async function damageBodies(dataDirectory: string): Promise<void> {
  const files = await readdir(join(dataDirectory, 'bodies'), { recursive: true, withFileTypes: true })
  for (const file of files.filter((each) => each.isFile())) {
    const path = join(file.parentPath, file.name)
    const bytes = await readFile(path)
    bytes.writeUInt8(bytes.readUInt8(0) ^ 1, 0)
    await chmod(path, 0o600)
    await writeFile(path, bytes)
  }
}

/** One pass over a volume that no server has open. */
async function scrub(directory: string): Promise<void> {
  const owner = await openVolumeOwner({ directory, clock: systemClock(), log: silentLog })
  try {
    expect(await owner.store.scrub.run(new AbortController().signal, 1024 ** 3)).toBe(true)
  } finally {
    await owner.close()
  }
}

describe.runIf(address !== null)('evidence: what a status says of a real lock server', () => {
  let server: TestServer
  let proxy: LyingProxy
  let operator: RunningOperator
  let rig: OperatorRig

  beforeAll(async () => {
    if (address === null) throw new Error('the suite runs only with a control plane')
    const cluster = connectCluster(address)
    server = await startTestServer()
    proxy = await startLyingProxy(server.endpoint)
    rig = new OperatorRig(cluster, server)
    await prepareCluster(cluster)
    operator = startOperator({
      cluster,
      server: { ...server, endpoint: proxy.endpoint },
      verifyInterval: '1s',
    })
    await operator.leads()
  })

  afterAll(async () => {
    const code = await operator?.end('SIGTERM')
    await proxy?.close()
    await server?.stop()
    expect(code).toBe(0)
  })

  /** A bucket of its own namespace that is Ready; both have the name. */
  async function readyBucket(title: string): Promise<string> {
    const name = await rig.cluster.createNamespace(title)
    await rig.apply(name, policy('keep', { mode: 'COMPLIANCE', days: 1 }), bucket(title, name))
    await rig.becomes(name, title, { Ready: 'True Enforced', ObjectLockEnforced: 'True ReadBack' })
    return name
  }

  async function verifyNow(namespace: string, name: string): Promise<void> {
    const value = `asked-${verifyCount++}`
    const asked = await rig.cluster.kubectl([
      ...['annotate', '--overwrite', '-n', namespace, `lbk/${name}`],
      `holdfast.dev/verify-now=${value}`,
    ])
    expect(asked.code, asked.stderr).toBe(0)
    await until(`${namespace}/${name} was verified`, waitMs, async () =>
      (await rig.read(namespace, name)).status?.lastHandledVerifyAt === value ? true : null,
    )
  }

  test('evidence: the server begins to delete what it locked, the bucket is Stalled with a Warning, until it is honest', async () => {
    const namespace = await readyBucket('canary')
    const listed = await server.client.send({
      method: 'GET',
      path: '/holdfast-canary',
      query: { versions: '' },
    })
    expect(listed.text.match(/<Version>/g)).toHaveLength(1)
    proxy.lies(({ method, target }) =>
      method === 'DELETE' && target.startsWith('/holdfast-canary/') ? { status: 204 } : null,
    )
    await rig.becomes(namespace, 'canary', {
      Ready: 'False CanaryDeleted',
      Stalled: 'True CanaryDeleted',
      ObjectLockEnforced: 'False CanaryDeleted',
    })
    await rig.has(namespace, 'canary', 'CanaryDeleted')
    expect(await operator.metric('holdfast_canary_attempts_total{outcome="deleted"}')).toBeGreaterThan(0)
    proxy.lies(({ method }) => (method === 'DELETE' ? { status: 507 } : null))
    await rig.becomes(namespace, 'canary', {
      Ready: 'True Enforced',
      Stalled: 'absent',
      ObjectLockEnforced: 'Unknown CanaryUntried',
    })
    proxy.lies(() => null)
    await rig.becomes(namespace, 'canary', { ObjectLockEnforced: 'True ReadBack' })
  })

  test('evidence: a client is denied the deletion of a locked version, the status says what, by whom and why', async () => {
    const namespace = await readyBucket('denied')
    const body = 'x'
    const path = `/${namespace}/entry`
    const put = await server.client.send({ method: 'PUT', path, body, headers: contentMd5(body) })
    const versionId = String(put.headers['x-amz-version-id'])
    expect((await server.client.send({ method: 'DELETE', path, query: { versionId } })).status).toBe(403)
    // Refusals alone wait five minutes for a write: somebody asks.
    await verifyNow(namespace, 'denied')
    const { status } = await rig.read(namespace, 'denied')
    expect(status?.lastDenials).toEqual([
      {
        time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
        operation: 'DeleteObject',
        rule: 'ComplianceRetention',
        accessKeyId: server.credentials.accessKeyId,
        key: 'entry',
        versionId,
        count: 1,
      },
    ])
  })

  test('evidence: a key that YAML has no raw characters for is denied, the status is written and says it', async () => {
    const namespace = await readyBucket('unprintable')
    const body = 'x'
    const path = `/${namespace}/a\u007fb`
    const put = await server.client.send({ method: 'PUT', path, body, headers: contentMd5(body) })
    const query = { versionId: String(put.headers['x-amz-version-id']) }
    expect((await server.client.send({ method: 'DELETE', path, query })).status).toBe(403)
    await verifyNow(namespace, 'unprintable')
    const { status } = await rig.read(namespace, 'unprintable')
    expect(status?.lastDenials?.map(({ key }) => key)).toEqual(['a\u007fb'])
  })

  test("evidence: the server's wall clock jumps, ClockSuspect=True with a Warning, and False when it is right again", async () => {
    const namespace = await readyBucket('clock')
    await rig.becomes(namespace, 'clock', { ClockSuspect: 'False ClockTrusted' })
    // Near enough for signatures, too far for a clock that runs.
    server.setClock({ wallShiftMs: 10 * 60_000 })
    await verifyNow(namespace, 'clock')
    await rig.becomes(namespace, 'clock', { ClockSuspect: 'True ClockJumped', Ready: 'True Enforced' })
    await rig.has(namespace, 'clock', 'ClockSuspect')
    server.setClock({ wallShiftMs: 0 })
    await verifyNow(namespace, 'clock')
    await rig.becomes(namespace, 'clock', { ClockSuspect: 'False ClockTrusted' })
  })

  // Last: it changes the volume of all.
  test('evidence: the scrub finds damaged bytes, IntegrityVerified=False with a Warning; another bucket is whole', async () => {
    const whole = await readyBucket('whole')
    const namespace = await readyBucket('damaged')
    await rig.becomes(namespace, 'damaged', { IntegrityVerified: 'Unknown NotScrubbed' })
    const body = 'x'.repeat(limits.inlineBodyBytesMax + 1)
    const path = `/${namespace}/film`
    const put = await server.client.send({ method: 'PUT', path, body, headers: contentMd5(body) })
    expect(put.status).toBe(200)
    const versionId = String(put.headers['x-amz-version-id'])
    expect(await server.terminate()).toBe(0)
    await damageBodies(server.dataDirectory)
    await scrub(server.dataDirectory)
    await server.start()
    await rig.becomes(namespace, 'damaged', {
      IntegrityVerified: 'False Quarantined',
      Ready: 'True Enforced',
    })
    await rig.becomes(whole, 'whole', { IntegrityVerified: 'True Scrubbed' })
    await rig.has(namespace, 'damaged', 'VersionsQuarantined')
    const { status } = await rig.read(namespace, 'damaged')
    const condition = status?.conditions?.find(({ type }) => type === 'IntegrityVerified')
    expect(condition?.message).toContain(`film (${versionId})`)
    expect(status?.integrity?.quarantinedVersions).toBe(1)
    expect((await server.client.send({ method: 'GET', path })).status).toBe(500)
  })
})
