/** The Secrets of a release on a real API server, made by the operator's own user with no more rights than the chart gives. */
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, describe, expect, inject, onTestFinished, test } from 'vitest'
import type { Clock } from '../../src/lib/clock.ts'
import { type Log, silentLog } from '../../src/lib/log.ts'
import { dayMs, epochMs } from '../../src/lib/units.ts'
import { createAuthority, issueServerCertificate } from '../../src/operator/bootstrap/certificates.ts'
import {
  BootstrapError,
  type BootstrapOptions,
  ensureSecrets,
  releaseMetadata,
} from '../../src/operator/bootstrap/secrets.ts'
import { connectKube, type KubeClient, KubeStatusError } from '../../src/operator/kube.ts'
import { systemTimers } from '../../src/operator/timers.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { AccessRig, access } from '../support/access-rig.ts'
import { attempt, bindRole } from '../support/cluster/attempts.ts'
import { type Cluster, connectCluster } from '../support/cluster/cluster.ts'
import { until } from '../support/cluster/until.ts'
import { prepareCluster, startOperator } from '../support/operator.ts'
import { bucket, OperatorRig, policy, waitMs } from '../support/operator-rig.ts'
import { allowRelease } from '../support/release.ts'
import { createS3Client } from '../support/s3-client.ts'
import { operatorCredentials, startTestServer } from '../support/server.ts'

const address = inject('cluster')
const names = ['holdfast-server.holdfast-system.svc', '127.0.0.1']
const { signal } = new AbortController()

/** Its errors, without their sentences. */
function recordingLog(): { readonly log: Log; readonly errors: readonly object[] } {
  const errors: object[] = []
  return { log: { ...silentLog, error: (fields) => errors.push(fields) }, errors }
}

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
    await allowRelease(cluster, release)
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

  /** Where a server reads its certificate; `follow` does what the kubelet does with a Secret that is mounted. */
  function certificateFiles() {
    const folder = mkdtempSync(join(tmpdir(), 'holdfast-bootstrap-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const paths = { certificate: join(folder, 'tls.crt'), key: join(folder, 'tls.key') }
    const follow = async (release: string) => {
      const served = await read(`${release}-tls`)
      writeFileSync(paths.certificate, text(served?.data['tls.crt']))
      writeFileSync(paths.key, text(served?.data['tls.key']))
    }
    return { paths, follow }
  }

  test('ensureSecrets: makes each once, with no owner; a second call changes nothing', async () => {
    const options = await newRelease()
    const first = await ensureSecrets(options, signal)
    const wanted = ['root', 'operator', 'master', 'checkpoint', 'ca', 'tls'].map(
      (name) => `${options.release}-${name}`,
    )
    const before = await Promise.all(wanted.map((name) => read(name)))
    for (const secret of before) {
      expect(secret?.metadata).not.toHaveProperty('ownerReferences')
      expect(secret?.metadata).toMatchObject(releaseMetadata(options.release))
    }
    // Argo CD takes the label for its own where it tracks by labels, and prunes what no manifest has.
    expect((await read(`${options.release}-ca`, 'configmaps'))?.metadata).toMatchObject({
      labels: { 'app.kubernetes.io/instance': options.release },
      annotations: { 'argocd.argoproj.io/sync-options': 'Prune=false,Delete=false' },
    })
    expect(before.map((secret) => secret?.type)).toEqual([
      'Opaque',
      'Opaque',
      'Opaque',
      'Opaque',
      'Opaque',
      'kubernetes.io/tls',
    ])
    expect(Buffer.from(text(before[2]?.data['master.key']), 'base64')).toHaveLength(32)
    expect(text(before[3]?.data['checkpoint.key'])).toBe(first.checkpointKey)
    expect(createPrivateKey(first.checkpointKey ?? '').asymmetricKeyType).toBe('ed25519')
    expect(text(before[1]?.data['AWS_SECRET_ACCESS_KEY'])).toBe(first.operator.secretAccessKey)
    expect(await ensureSecrets(options, signal)).toEqual(first)
    expect(await Promise.all(wanted.map((name) => read(name)))).toEqual(before)
  })

  test('ensureSecrets: root’s key and the master key, made and there, are nothing that the operator may read', async () => {
    const options = await newRelease()
    await ensureSecrets(options, signal)
    const statusOf = async (name: string) => {
      const path = `/api/v1/namespaces/holdfast-system/secrets/${options.release}-${name}`
      return (await cluster.request({ user: 'operator', method: 'GET', path })).status
    }
    for (const name of ['root', 'master']) {
      expect(await read(`${options.release}-${name}`), name).not.toBeNull()
      expect(await statusOf(name), name).toBe(403)
    }
    expect(await statusOf('operator')).toBe(200)
  })

  test('ensureSecrets: a refused root’s key, which may be there all the same, is told and stops nothing', async () => {
    const options = await newRelease()
    const first = await ensureSecrets(options, signal)
    const refusing: KubeClient = {
      ...{ host: options.client.host, watch: options.client.watch },
      send: (request, until) =>
        request.method === 'POST'
          ? Promise.reject(
              new KubeStatusError(403, {
                reason: 'Forbidden',
                message: 'exceeded quota',
                retryAfterMs: null,
              }),
            )
          : options.client.send(request, until),
    }
    const { log, errors } = recordingLog()
    expect(await ensureSecrets({ ...options, client: refusing, log }, signal)).toEqual(first)
    expect(errors).toEqual(
      ['root', 'master'].map((name) => ({ secret: `${options.release}-${name}`, error: 'exceeded quota' })),
    )
  })

  test('ensureSecrets: a certificate and a ConfigMap that a user made are used, never written, and told of', async () => {
    const options = await newRelease()
    const { release, clock } = options
    const theirs = issueServerCertificate(createAuthority('Theirs', clock.wallMs()), names, clock.wallMs())
    const metadata = { namespace: 'holdfast-system' }
    const items = [
      {
        apiVersion: 'v1',
        kind: 'Secret',
        type: 'kubernetes.io/tls',
        metadata: { ...metadata, name: `${release}-tls` },
        stringData: { 'tls.crt': theirs.certificate, 'tls.key': theirs.key },
      },
      {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { ...metadata, name: `${release}-ca` },
        data: { 'ca.crt': 'theirs' },
      },
    ]
    const stdin = JSON.stringify({ apiVersion: 'v1', kind: 'List', items })
    expect(await cluster.kubectl(['create', '-f', '-'], { stdin })).toMatchObject({ code: 0 })
    await until('the policy is in force', 60_000, async () => {
      const path = '/api/v1/namespaces/holdfast-system/configmaps?dryRun=All'
      const probe = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'probe' } }
      return (await attempt(cluster, { user: 'operator', method: 'POST', path, body: probe })).startsWith(
        '403',
      )
        ? true
        : null
    })
    const both = () => Promise.all([read(`${release}-tls`), read(`${release}-ca`, 'configmaps')])
    const before = await both()
    const { log, errors } = recordingLog()
    const { authority } = await ensureSecrets({ ...options, log }, signal)
    expect(authority).toContain('BEGIN CERTIFICATE')
    expect(errors).toEqual([
      {
        secret: `${release}-tls`,
        error: expect.stringContaining('the operator writes Secrets that it made'),
      },
      {
        configMap: `${release}-ca`,
        error: expect.stringContaining('the operator writes ConfigMaps of its own namespace that it made'),
      },
    ])
    expect(await both()).toEqual(before)
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
    const files = certificateFiles()
    await files.follow(options.release)
    const server = await startTestServer({ certificate: files.paths })
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

  test('BucketAccess over HTTPS: its Secret has the authority, alone enough to trust the server, and follows its replacement', async () => {
    const options = await newRelease()
    const { release } = options
    const first = await ensureSecrets({ ...options, makeKey: () => operatorCredentials }, signal)
    const files = certificateFiles()
    await files.follow(release)
    const masterKey = Buffer.alloc(32, 5).toString('base64')
    // Each worker takes up new files by itself: of one alone it is known when it has.
    const server = await startTestServer({ certificate: files.paths, masterKey, workerCount: 1 })
    onTestFinished(() => server.stop())
    const endpoint = server.tlsEndpoint ?? ''
    const flags = ['--release', release, '--server-names', names.join(',')]
    const start = () => {
      const seen = { ...server, endpoint }
      const operator = startOperator({ cluster, server: seen, verifyInterval: '1s', keys: 'none', flags })
      onTestFinished(async () => {
        await operator.end('SIGTERM')
      })
      return operator
    }
    const operator = start()
    await operator.leads()
    const objects = new OperatorRig(cluster, server)
    const rig = new AccessRig(cluster)
    const namespace = await cluster.createNamespace('authority')
    await bindRole(cluster, { user: 'operator', role: 'holdfast-operator-secrets', namespace })
    await objects.apply(
      namespace,
      policy('keep', { mode: 'GOVERNANCE', days: 1 }),
      bucket('data', `${namespace}-data`),
      access('app', ['data']),
    )
    await rig.shows(namespace, 'app', 'True Granted')
    const before = await rig.environment(namespace, 'app-s3')
    expect(before['AWS_ENDPOINT_URL_S3']).toBe(endpoint)
    expect(before['ca.crt']).toBe(first.authority)
    /** A program that has the Secret and trusts nobody else. */
    const lists = async (secret: Readonly<Record<string, string>>) => {
      const client = createS3Client({
        endpoint,
        ca: secret['ca.crt'] ?? '',
        credentials: {
          accessKeyId: secret['AWS_ACCESS_KEY_ID'] ?? '',
          secretAccessKey: secret['AWS_SECRET_ACCESS_KEY'] ?? '',
        },
      })
      try {
        return (await client.send({ method: 'GET', path: `/${namespace}-data` })).status
      } catch (error) {
        return error instanceof Error ? error.message : String(error)
      } finally {
        client.close()
      }
    }
    expect(await lists(before)).toBe(200)

    expect(await operator.end('SIGTERM')).toBe(0)
    const served = (await read(`${release}-tls`))?.data['tls.crt']
    await rig.remove('holdfast-system', `secret/${release}-ca`)
    const next = start()
    await until('the server has a certificate of the new authority', waitMs, async () =>
      (await read(`${release}-tls`))?.data['tls.crt'] === served ? null : true,
    )
    await files.follow(release)
    await next.leads()
    await until('the Secret has the new authority', waitMs, async () =>
      (await rig.environment(namespace, 'app-s3'))['ca.crt'] === before['ca.crt'] ? null : true,
    )
    const after = await rig.environment(namespace, 'app-s3')
    expect(after).toEqual({
      ...before,
      'ca.crt': (await read(`${release}-ca`, 'configmaps'))?.data['ca.crt'],
    })
    await until('the server is believed by the new authority', waitMs, async () =>
      (await lists(after)) === 200 ? true : null,
    )
    expect(await lists(before)).toMatch(/certificate/)
    await objects.has(namespace, 'app', 'AuthorityReplaced')
    expect(await objects.eventReasons(namespace, 'app')).not.toContain('SecretRestored')
  })
})
