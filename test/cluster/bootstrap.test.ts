/** The Secrets of a release on a real API server, made by the operator's own user with no more rights than the chart gives. */
import { X509Certificate } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, describe, expect, inject, onTestFinished, test } from 'vitest'
import type { Clock } from '../../src/lib/clock.ts'
import { silentLog } from '../../src/lib/log.ts'
import { dayMs, epochMs } from '../../src/lib/units.ts'
import { BootstrapError, type BootstrapOptions, ensureSecrets } from '../../src/operator/bootstrap/secrets.ts'
import { connectKube } from '../../src/operator/kube.ts'
import { systemTimers } from '../../src/operator/timers.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { type Cluster, connectCluster } from '../support/cluster/cluster.ts'
import { prepareCluster, startOperator } from '../support/operator.ts'
import { bucket, OperatorRig, policy } from '../support/operator-rig.ts'
import { operatorCredentials, startTestServer } from '../support/server.ts'

const address = inject('cluster')
const names = ['holdfast-server.holdfast-system.svc', '127.0.0.1']
const { signal } = new AbortController()

type Secret = {
  readonly type: string
  readonly data: Readonly<Record<string, string>>
  readonly metadata: object
}

describe.runIf(address !== null)('the Secrets of a release', () => {
  let cluster: Cluster
  let count = 0

  beforeAll(async () => {
    if (address === null) throw new Error('the suite runs only with a control plane')
    cluster = connectCluster(address)
    await prepareCluster(cluster)
  })

  /** A release of its own, and the rights for its names alone. */
  async function newRelease(clock: Clock = systemClock()): Promise<BootstrapOptions> {
    count += 1
    const release = `bootstrap-${count}`
    const secrets = ['root', 'operator', 'master', 'ca', 'tls'].map((name) => `${release}-${name}`)
    const rules = [
      { apiGroups: [''], resources: ['secrets', 'configmaps'], verbs: ['create'] },
      { apiGroups: [''], resources: ['secrets'], resourceNames: secrets, verbs: ['get'] },
      { apiGroups: [''], resources: ['secrets'], resourceNames: [`${release}-tls`], verbs: ['update'] },
      { apiGroups: [''], resources: ['configmaps'], resourceNames: [`${release}-ca`], verbs: ['patch'] },
    ]
    const rbac = 'rbac.authorization.k8s.io/v1'
    const metadata = { name: release, namespace: 'holdfast-system' }
    const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: release }
    const subjects = [{ kind: 'ServiceAccount', name: 'holdfast-operator', namespace: 'holdfast-system' }]
    const items = [
      { apiVersion: rbac, kind: 'Role', metadata, rules },
      { apiVersion: rbac, kind: 'RoleBinding', metadata, roleRef, subjects },
    ]
    const stdin = JSON.stringify({ apiVersion: 'v1', kind: 'List', items })
    const { code, stderr } = await cluster.kubectl(['apply', '-f', '-'], { stdin })
    expect(code, stderr).toBe(0)
    return {
      client: connectKube(
        { kind: 'file', path: cluster.kubeconfigPath('operator') },
        { clock, timers: systemTimers },
      ),
      clock,
      log: silentLog,
      namespace: 'holdfast-system',
      release,
      serverNames: names,
      makeKey: () => ({
        accessKeyId: `HOLD${count}`,
        secretAccessKey: `secret-${Math.floor(performance.now())}`,
      }),
    }
  }

  async function read(name: string, kind = 'secrets'): Promise<Secret | null> {
    const path = `/api/v1/namespaces/holdfast-system/${kind}/${name}`
    const answer = await cluster.request({ method: 'GET', path })
    return answer.status === 404 ? null : (answer.json() as Secret)
  }
  const text = (value: string | undefined) => Buffer.from(value ?? '', 'base64').toString('utf8')

  test('ensureSecrets: makes each once, with no owner; a second call changes nothing', async () => {
    const options = await newRelease()
    const first = await ensureSecrets(options, signal)
    const wanted = ['root', 'operator', 'master', 'ca', 'tls'].map((name) => `${options.release}-${name}`)
    const before = await Promise.all(wanted.map((name) => read(name)))
    for (const secret of before) {
      expect(secret?.metadata).not.toHaveProperty('ownerReferences')
      expect(secret?.metadata).toMatchObject({ labels: { 'app.kubernetes.io/instance': options.release } })
    }
    expect(before.map((secret) => secret?.type)).toEqual([
      'Opaque',
      'Opaque',
      'Opaque',
      'Opaque',
      'kubernetes.io/tls',
    ])
    expect(Buffer.from(text(before[2]?.data['master.key']), 'base64')).toHaveLength(32)
    expect(text(before[1]?.data['AWS_SECRET_ACCESS_KEY'])).toBe(first.operator.secretAccessKey)
    expect(await ensureSecrets(options, signal)).toEqual(first)
    expect(await Promise.all(wanted.map((name) => read(name)))).toEqual(before)
  })

  test('ensureSecrets: the authority is published without its key', async () => {
    const options = await newRelease()
    const { authority } = await ensureSecrets(options, signal)
    const published = await read(`${options.release}-ca`, 'configmaps')
    expect(published?.data).toEqual({ 'ca.crt': authority })
    const served = await read(`${options.release}-tls`)
    const certificate = new X509Certificate(text(served?.data['tls.crt']))
    expect(certificate.verify(new X509Certificate(authority ?? '').publicKey)).toBe(true)
    expect(certificate.checkHost(names[0] ?? '')).toBe(names[0])
    expect(text(served?.data['ca.crt'])).toBe(authority)
  })

  test('ensureSecrets: by two operators at once, both get the same', async () => {
    const options = await newRelease()
    const both = await Promise.all([ensureSecrets(options, signal), ensureSecrets(options, signal)])
    expect(both[0]).toEqual(both[1])
    expect(await ensureSecrets(options, signal)).toEqual(both[0])
  })

  test('ensureSecrets: a Secret that a user made is used as it is', async () => {
    const options = await newRelease()
    const { release } = options
    const own = [
      '--from-literal=AWS_ACCESS_KEY_ID=THEIRS',
      '--from-literal=AWS_SECRET_ACCESS_KEY=their-secret',
    ]
    await cluster.kubectl([
      'create',
      'secret',
      'generic',
      `${release}-operator`,
      '-n',
      'holdfast-system',
      ...own,
    ])
    const { operator } = await ensureSecrets(options, signal)
    expect(operator).toEqual({ accessKeyId: 'THEIRS', secretAccessKey: 'their-secret' })
  })

  test('ensureSecrets: a Secret without its field, BootstrapError that names both, and nothing is overwritten', async () => {
    const options = await newRelease()
    const name = `${options.release}-operator`
    await cluster.kubectl([
      'create',
      'secret',
      'generic',
      name,
      '-n',
      'holdfast-system',
      '--from-literal=other=1',
    ])
    const failed = ensureSecrets(options, signal)
    await expect(failed).rejects.toThrow(BootstrapError)
    await expect(failed).rejects.toThrow(`the Secret ${name} has no AWS_ACCESS_KEY_ID`)
    expect((await read(name))?.data).toEqual({ other: Buffer.from('1').toString('base64') })
  })

  test('ensureSecrets: the certificate in its last third is renewed, the authority and the keys are not', async () => {
    const real = systemClock()
    let shiftMs = 0
    const clock: Clock = { ...real, wallMs: () => epochMs(real.wallMs() + shiftMs) }
    const options = await newRelease(clock)
    const first = await ensureSecrets(options, signal)
    const before = await read(`${options.release}-tls`)
    shiftMs = 61 * dayMs
    expect(await ensureSecrets(options, signal)).toEqual(first)
    const after = await read(`${options.release}-tls`)
    expect(after?.data['tls.crt']).not.toBe(before?.data['tls.crt'])
    const { validTo } = new X509Certificate(text(after?.data['tls.crt']))
    expect(Date.parse(validTo)).toBeGreaterThan(real.wallMs() + 150 * dayMs)
  })

  test('holdfast operator --release: takes its key and its trust from there, and drives a server over HTTPS', async () => {
    const options = await newRelease()
    const made = await ensureSecrets({ ...options, makeKey: () => operatorCredentials }, signal)
    expect(made.operator).toEqual(operatorCredentials)
    const folder = mkdtempSync(join(tmpdir(), 'holdfast-bootstrap-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const files = { certificate: join(folder, 'tls.crt'), key: join(folder, 'tls.key') }
    const served = await read(`${options.release}-tls`)
    writeFileSync(files.certificate, text(served?.data['tls.crt']))
    writeFileSync(files.key, text(served?.data['tls.key']))
    const server = await startTestServer({ certificate: files })
    onTestFinished(() => server.stop())
    const operator = startOperator({
      cluster,
      server: { ...server, endpoint: server.tlsEndpoint ?? '' },
      verifyInterval: '1s',
      keys: 'none',
      flags: ['--release', options.release, '--server-names', names.join(',')],
    })
    onTestFinished(async () => {
      await operator.end('SIGTERM')
    })
    await operator.leads()
    const rig = new OperatorRig(cluster, server)
    const namespace = await cluster.createNamespace('over-tls')
    await rig.apply(
      namespace,
      policy('keep', { mode: 'COMPLIANCE', days: 1 }),
      bucket('ledger', `ledger-${namespace}`),
    )
    await rig.becomes(namespace, 'ledger', { Ready: 'True Enforced' })
    expect(operator.logs()).not.toContain(operatorCredentials.secretAccessKey)
  })
})
