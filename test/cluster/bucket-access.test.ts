import { join } from 'node:path'
import type { S3 } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import type { AccessRole } from '../../src/api/access-roles.ts'
import { AccessRig, access, isRefused, listing, trying } from '../support/access-rig.ts'
import { sendAdmin } from '../support/admin.ts'
import { bindRole } from '../support/cluster/attempts.ts'
import { type Cluster, connectCluster } from '../support/cluster/cluster.ts'
import { until } from '../support/cluster/until.ts'
import { prepareCluster, type RunningOperator, startOperator } from '../support/operator.ts'
import { bucket, contentMd5, OperatorRig, policy, waitMs } from '../support/operator-rig.ts'
import { startTestServer, type TestServer } from '../support/server.ts'

const address = inject('cluster')
const secretsRole = 'holdfast-operator-secrets'

describe.runIf(address !== null)('access keys from a BucketAccess', () => {
  let cluster: Cluster
  let server: TestServer
  let operator: RunningOperator
  let objects: OperatorRig
  let rig: AccessRig

  beforeAll(async () => {
    if (address === null) throw new Error('the suite runs only with a control plane')
    cluster = connectCluster(address)
    server = await startTestServer({ masterKey: Buffer.alloc(32, 9).toString('base64') })
    objects = new OperatorRig(cluster, server)
    rig = new AccessRig(cluster)
    await prepareCluster(cluster)
    operator = startOperator({ cluster, server, verifyInterval: '1s' })
    await operator.leads()
  })

  afterAll(async () => {
    const code = await operator?.end('SIGTERM')
    await server?.stop()
    expect(code).toBe(0)
  })

  /** A namespace with buckets of its name, in which the operator may write Secrets. */
  async function namespaceWith(name: string, ...buckets: readonly string[]): Promise<string> {
    const namespace = await cluster.createNamespace(name)
    await bindRole(cluster, { user: 'operator', role: secretsRole, namespace })
    const made = buckets.map((each) => bucket(each, `${namespace}-${each}`))
    await objects.apply(namespace, policy('keep', { mode: 'GOVERNANCE', days: 5 }), ...made)
    for (const each of buckets) await objects.becomes(namespace, each, { Ready: 'True Enforced' })
    return namespace
  }

  test('BucketAccess: two buckets by one key and two keys for one bucket, each with both families of names', async () => {
    const namespace = await namespaceWith('access', 'one', 'two')
    const [one, two] = [`${namespace}-one`, `${namespace}-two`]
    await objects.apply(
      namespace,
      access('both', ['one', 'two']),
      access('reader', ['two'], { role: 'ReadOnly' }),
    )
    const status = await rig.shows(namespace, 'both', 'True Granted')
    await rig.shows(namespace, 'reader', 'True Granted')
    const both = await rig.environment(namespace, 'both-s3')
    const reader = await rig.environment(namespace, 'reader-s3')
    const secretAccessKey = both['AWS_SECRET_ACCESS_KEY'] ?? ''
    expect(both).toEqual({
      AWS_ACCESS_KEY_ID: status.accessKeyIds?.[0],
      AWS_SECRET_ACCESS_KEY: expect.stringMatching(/^[\w-]{40}$/),
      AWS_REGION: 'us-east-1',
      AWS_DEFAULT_REGION: 'us-east-1',
      AWS_ENDPOINT_URL_S3: server.endpoint,
      BUCKET_NAME: one,
      BUCKET_NAMES: `${one},${two}`,
      COSI_PROTOCOL: 'S3',
      COSI_S3_ACCESS_KEY_ID: status.accessKeyIds?.[0],
      COSI_S3_ACCESS_SECRET_KEY: secretAccessKey,
      COSI_S3_ADDRESSING_STYLE: 'path',
      COSI_S3_BUCKET_ID: one,
      COSI_S3_ENDPOINT: server.endpoint,
      COSI_S3_REGION: 'us-east-1',
    })
    expect(status).toMatchObject({
      accountId: expect.stringMatching(/^\d{12}$/),
      role: 'ReadWrite',
      buckets: [one, two],
      secretName: 'both-s3',
      endpoint: server.endpoint,
    })
    const put = (Bucket: string) => (s3: S3) => s3.putObject({ Bucket, Key: 'a', Body: 'a' })
    expect(await trying(both, put(one))).toBe('done')
    expect(await trying(both, put(two))).toBe('done')
    expect(await trying(reader, (s3) => s3.getObject({ Bucket: two, Key: 'a' }))).toBe('done')
    expect(await trying(reader, put(two))).toBe('AccessDenied')
    expect(await listing(reader, one)).toBe('AccessDenied')
    const object = JSON.stringify(await rig.read(namespace, 'both'))
    for (const text of [object, operator.logs(), server.logs()]) expect(text).not.toContain(secretAccessKey)
  })

  test('BucketAccess: verified again and again, neither its status nor its Secret is written', async () => {
    const namespace = await namespaceWith('idle', 'data')
    await objects.apply(
      namespace,
      access('app', ['data'], { rotation: { period: '720h', gracePeriod: '24h' } }),
    )
    await rig.shows(namespace, 'app', 'True Granted')
    await rig.patch(namespace, 'app', { metadata: { annotations: { 'holdfast.dev/rotate-now': 'a' } } })
    await rig.becomes(namespace, 'app', ({ accessKeyIds }) => accessKeyIds?.length === 2)
    const written = async () => [
      (await rig.read(namespace, 'app')).metadata.resourceVersion,
      (await rig.secret(namespace, 'app-s3'))?.metadata.resourceVersion,
    ]
    const before = await written()
    const sample = (result: string) =>
      operator.metric(`controller_runtime_reconcile_total{controller="bucketaccess",result="${result}"}`)
    // The dates of its rotation are waited for, so its rounds end so.
    const done = await sample('requeue_after')
    await until('it was verified', waitMs, async () =>
      (await sample('requeue_after')) >= done + 3 ? true : null,
    )
    expect(await written()).toEqual(before)
  })

  const roles: Readonly<Record<AccessRole, readonly [allowed: string, refused: string]>> = {
    ReadOnly: ['GetObject', 'PutObject'],
    WriteOnly: ['PutObject', 'GetObject'],
    ReadWrite: ['DeleteObject', 'PutObjectLegalHold'],
    RetentionOfficer: ['bypass', 'GetObject'],
    Auditor: ['GetObjectRetention', 'GetObject'],
  }

  test('BucketAccess: each role does what it is for, and is refused what it is not', async () => {
    const namespace = await namespaceWith('roles', 'data')
    const Bucket = `${namespace}-data`
    const names = Object.keys(roles) as AccessRole[]
    await objects.apply(namespace, ...names.map((role) => access(role.toLowerCase(), ['data'], { role })))
    const sent = { method: 'PUT', path: `/${Bucket}/a`, body: 'a', headers: contentMd5('a') }
    const put = await server.client.send(sent)
    expect(put.status, put.text).toBe(200)
    const VersionId = put.headers['x-amz-version-id'] as string
    const object = { Bucket, Key: 'a' }
    const requests: Readonly<Record<string, (s3: S3) => Promise<unknown>>> = {
      GetObject: (s3) => s3.getObject(object),
      PutObject: (s3) => s3.putObject({ ...object, Body: 'b' }),
      DeleteObject: (s3) => s3.deleteObject(object),
      PutObjectLegalHold: (s3) =>
        s3.putObjectLegalHold({ ...object, VersionId, LegalHold: { Status: 'ON' } }),
      GetObjectRetention: (s3) => s3.getObjectRetention({ ...object, VersionId }),
      bypass: (s3) => s3.deleteObject({ ...object, VersionId, BypassGovernanceRetention: true }),
    }
    // The version that others look at goes last.
    for (const role of names.toSorted(
      (a, b) => Number(a === 'RetentionOfficer') - Number(b === 'RetentionOfficer'),
    )) {
      await rig.shows(namespace, role.toLowerCase(), 'True Granted')
      const environment = await rig.environment(namespace, `${role.toLowerCase()}-s3`)
      const [allowed, refused] = roles[role].map((name) => requests[name])
      if (allowed === undefined || refused === undefined) throw new Error('each request has its call')
      expect([role, await trying(environment, refused)]).toEqual([role, 'AccessDenied'])
      expect([role, await trying(environment, allowed)]).toEqual([role, 'done'])
    }
  })

  test('BucketAccess: another role and a bucket less hold for the key that is in use', async () => {
    const namespace = await namespaceWith('change', 'one', 'two')
    await objects.apply(namespace, access('app', ['one', 'two']))
    await rig.shows(namespace, 'app', 'True Granted')
    const before = await rig.environment(namespace, 'app-s3')
    await objects.apply(namespace, access('app', ['one'], { role: 'ReadOnly' }))
    await rig.becomes(namespace, 'app', ({ role }) => role === 'ReadOnly')
    expect(await rig.environment(namespace, 'app-s3')).toEqual({
      ...before,
      BUCKET_NAMES: `${namespace}-one`,
    })
    expect(await listing(before, `${namespace}-one`)).toBe('done')
    expect(await listing(before, `${namespace}-two`)).toBe('AccessDenied')
    const put = (s3: S3) => s3.putObject({ Bucket: `${namespace}-one`, Key: 'a', Body: 'a' })
    expect(await trying(before, put)).toBe('AccessDenied')
  })

  test('BucketAccess: rotate-now makes a new key, the former one goes on until it is told not to', async () => {
    const namespace = await namespaceWith('rotate', 'data')
    const bucketName = `${namespace}-data`
    await objects.apply(namespace, access('app', ['data']))
    await rig.shows(namespace, 'app', 'True Granted')
    const first = await rig.environment(namespace, 'app-s3')
    const rotate = (value: string) =>
      rig.patch(namespace, 'app', { metadata: { annotations: { 'holdfast.dev/rotate-now': value } } })
    await rotate('monday')
    const rotated = await rig.becomes(namespace, 'app', (status) => status.lastHandledRotateAt === 'monday')
    const second = await rig.environment(namespace, 'app-s3')
    expect(rotated.accessKeyIds).toEqual([second['AWS_ACCESS_KEY_ID'], first['AWS_ACCESS_KEY_ID']])
    expect(second).toMatchObject({
      PREVIOUS_AWS_ACCESS_KEY_ID: first['AWS_ACCESS_KEY_ID'],
      PREVIOUS_AWS_SECRET_ACCESS_KEY: first['AWS_SECRET_ACCESS_KEY'],
    })
    expect(await listing(first, bucketName)).toBe('done')
    expect(await listing(second, bucketName)).toBe('done')
    await rotate('tuesday')
    await rig.becomes(namespace, 'app', (status) => status.lastHandledRotateAt === 'tuesday')
    const third = await rig.environment(namespace, 'app-s3')
    expect(await listing(first, bucketName)).toBe('InvalidAccessKeyId')
    expect(await listing(second, bucketName)).toBe('done')
    await rig.patch(namespace, 'app', { spec: { rotation: { gracePeriod: '0s' } } })
    await rig.becomes(namespace, 'app', ({ accessKeyIds }) => accessKeyIds?.length === 1)
    expect(await listing(second, bucketName)).toBe('InvalidAccessKeyId')
    expect(await listing(third, bucketName)).toBe('done')
    expect(Object.keys(await rig.environment(namespace, 'app-s3'))).not.toContain(
      'PREVIOUS_AWS_ACCESS_KEY_ID',
    )
    await objects.has(namespace, 'app', 'CredentialsRotated')
    await objects.has(namespace, 'app', 'CredentialsRevoked')
  })

  test('BucketAccess: deleted, its key is refused; deleted while no operator runs, with the next one', async () => {
    const namespace = await namespaceWith('gone', 'data')
    await objects.apply(namespace, access('seen', ['data']), access('unseen', ['data']))
    await rig.shows(namespace, 'seen', 'True Granted')
    await rig.shows(namespace, 'unseen', 'True Granted')
    const seen = await rig.environment(namespace, 'seen-s3')
    const unseen = await rig.environment(namespace, 'unseen-s3')
    await rig.remove(namespace, 'bucketaccess/seen')
    await isRefused(seen, `${namespace}-data`)
    await objects.has(namespace, 'seen', 'CredentialsRevoked')
    expect(await listing(unseen, `${namespace}-data`)).toBe('done')
    await operator.end('SIGTERM')
    await rig.remove(namespace, 'bucketaccess/unseen')
    operator = startOperator({ cluster, server, verifyInterval: '1s' })
    await operator.leads()
    await isRefused(unseen, `${namespace}-data`)
  })

  test('keys: those that no object and no Secret has, as a crash leaves them, are revoked', async () => {
    const namespace = await namespaceWith('crash', 'data')
    await objects.apply(namespace, access('app', ['data']))
    await rig.shows(namespace, 'app', 'True Granted')
    const own = await rig.environment(namespace, 'app-s3')
    const secretAccessKey = 'put-and-never-written'
    const list = () => sendAdmin(server, { method: 'GET', path: '/v1/access-keys' })
    const keys = async () => JSON.stringify((await list()).document)
    const clusterId = /"clusterId":"([^"]+)"/.exec(await keys())?.[1]
    const { document } = await sendAdmin(server, { method: 'GET', path: '/v1/server' })
    for (const name of ['app', 'never-made']) {
      const put = await sendAdmin(server, {
        method: 'PUT',
        path: `/v1/access-keys/LEFT-${name}`,
        epoch: Number(document['epoch']),
        document: {
          owner: { clusterId, namespace, name },
          secretAccessKey,
          statements: [
            { effect: 'Allow', actions: ['s3:ListBucket'], buckets: [`${namespace}-data`], prefixes: null },
          ],
          otherSecret: 'refuse',
        },
      })
      expect(put.status).toBe(200)
      const left = { ...own, AWS_ACCESS_KEY_ID: `LEFT-${name}`, AWS_SECRET_ACCESS_KEY: secretAccessKey }
      await isRefused(left, `${namespace}-data`)
    }
    expect(await listing(own, `${namespace}-data`)).toBe('done')
  })

  test('BucketAccess: its LockedBucket goes, and the key with it; it comes back, and there is a new one', async () => {
    const namespace = await namespaceWith('orphan', 'data')
    await objects.apply(namespace, access('app', ['data']))
    await rig.shows(namespace, 'app', 'True Granted')
    const before = await rig.environment(namespace, 'app-s3')
    await rig.remove(namespace, 'lockedbucket/data')
    const status = await rig.shows(namespace, 'app', 'False LockedBucketNotFound')
    expect(status.accessKeyIds).toEqual([])
    expect(await listing(before, `${namespace}-data`)).toBe('InvalidAccessKeyId')
    await objects.apply(namespace, bucket('data', `${namespace}-data`))
    await rig.shows(namespace, 'app', 'True Granted')
    expect(await listing(await rig.environment(namespace, 'app-s3'), `${namespace}-data`)).toBe('done')
  })

  test('Secret: deleted or with another secret, a new key; with another endpoint, corrected; each is told', async () => {
    const namespace = await namespaceWith('tamper', 'data')
    const bucketName = `${namespace}-data`
    await objects.apply(namespace, access('app', ['data']))
    await rig.shows(namespace, 'app', 'True Granted')
    const first = await rig.environment(namespace, 'app-s3')
    const isNew = (former: Readonly<Record<string, string>>) =>
      rig.becomes(namespace, 'app', ({ accessKeyIds = [] }) => {
        return accessKeyIds.length === 1 && accessKeyIds[0] !== former['AWS_ACCESS_KEY_ID']
      })
    await rig.remove(namespace, 'secret/app-s3')
    await isNew(first)
    const second = await rig.environment(namespace, 'app-s3')
    expect(await listing(first, bucketName)).toBe('InvalidAccessKeyId')
    expect(await listing(second, bucketName)).toBe('done')
    const chosen = 'chosen-by-somebody-else'
    await rig.patchSecret(namespace, 'app-s3', { AWS_SECRET_ACCESS_KEY: chosen })
    await isNew(second)
    const third = await rig.environment(namespace, 'app-s3')
    expect(await listing({ ...second, AWS_SECRET_ACCESS_KEY: chosen }, bucketName)).toBe('InvalidAccessKeyId')
    expect(await listing(third, bucketName)).toBe('done')
    // An id of one's own choice does not become valid by writing it into the Secret.
    const invented = { AWS_ACCESS_KEY_ID: 'INVENTED', AWS_SECRET_ACCESS_KEY: chosen }
    await rig.patchSecret(namespace, 'app-s3', invented)
    await isNew(third)
    expect(await listing({ ...third, ...invented }, bucketName)).toBe('InvalidAccessKeyId')
    const fourth = await rig.environment(namespace, 'app-s3')
    await rig.patchSecret(namespace, 'app-s3', { AWS_ENDPOINT_URL_S3: 'http://192.0.2.1', MINE: 'kept' })
    await rig.becomes(namespace, 'app', () => true)
    await objects.has(namespace, 'app', 'SecretRestored')
    await expect
      .poll(() => rig.environment(namespace, 'app-s3'), { timeout: 60_000 })
      .toEqual({
        ...fourth,
        MINE: 'kept',
      })
  })

  test('Secret: one that is somebody else’s is never overwritten, nor is an existingSecret', async () => {
    const namespace = await namespaceWith('foreign', 'data')
    const secret = (name: string, stringData: object) => {
      return { apiVersion: 'v1', kind: 'Secret', metadata: { name }, stringData }
    }
    const own = { AWS_ACCESS_KEY_ID: 'OWNKEY1', AWS_SECRET_ACCESS_KEY: 'a-secret-of-my-own' }
    await objects.apply(
      namespace,
      secret('taken', { password: 'theirs' }),
      secret('own', own),
      secret('empty', { password: 'x' }),
    )
    const before = [await rig.secret(namespace, 'taken'), await rig.secret(namespace, 'own')]
    const brought = (name: string, existingSecret: string) =>
      access(name, ['data'], { secretName: undefined, existingSecret })
    await objects.apply(
      namespace,
      access('blocked', ['data'], { secretName: 'taken' }),
      brought('bring', 'own'),
      brought('absent', 'nowhere'),
      brought('useless', 'empty'),
    )
    await rig.shows(namespace, 'blocked', 'False SecretConflict')
    const granted = await rig.shows(namespace, 'bring', 'True Granted')
    expect(granted).toMatchObject({ accessKeyIds: ['OWNKEY1'], secretName: 'own' })
    await rig.shows(namespace, 'absent', 'False SecretNotFound')
    await rig.shows(namespace, 'useless', 'False SecretInvalid')
    const environment = {
      ...own,
      AWS_ENDPOINT_URL_S3: server.endpoint,
      AWS_REGION: 'us-east-1',
      COSI_S3_ADDRESSING_STYLE: 'path',
    }
    expect(await listing(environment, `${namespace}-data`)).toBe('done')
    await objects.apply(namespace, brought('second', 'own'))
    await rig.shows(namespace, 'second', 'False AccessKeyTaken')
    expect([await rig.secret(namespace, 'taken'), await rig.secret(namespace, 'own')]).toEqual(before)
    await rig.remove(namespace, 'secret/own')
    await isRefused(environment, `${namespace}-data`)
  })

  test('namespaces: nobody reaches another’s bucket or Secret, nor Secrets where the operator has no rights', async () => {
    const theirs = await namespaceWith('theirs', 'data')
    const ours = await namespaceWith('ours', 'mine')
    await objects.apply(theirs, access('app', ['data']))
    await rig.shows(theirs, 'app', 'True Granted')
    await objects.apply(
      ours,
      bucket('stolen', `${theirs}-data`, { adoptionPolicy: 'IfUnowned' }),
      access('by-name', ['data']),
      access('by-bucket', ['mine', 'stolen']),
      access('by-secret', ['mine'], { secretName: undefined, existingSecret: 'app-s3' }),
    )
    await objects.becomes(ours, 'stolen', { Stalled: 'True NameConflict' })
    await rig.shows(ours, 'by-name', 'False LockedBucketNotFound')
    await rig.shows(ours, 'by-secret', 'False SecretNotFound')
    const partly = await rig.shows(ours, 'by-bucket', 'False LockedBucketNotReady')
    expect(partly.buckets).toEqual([`${ours}-mine`])
    const environment = await rig.environment(ours, 'by-bucket-s3')
    expect(await listing(environment, `${ours}-mine`)).toBe('done')
    expect(await listing(environment, `${theirs}-data`)).toBe('AccessDenied')
    const path = `/${join(ours, 'rolebindings', `operator-${secretsRole}`)}`
    const unbound = await cluster.request({
      method: 'DELETE',
      path: `/apis/rbac.authorization.k8s.io/v1/namespaces${path}`,
    })
    expect(unbound.status).toBe(200)
    await objects.apply(ours, access('late', ['mine']))
    await rig.shows(ours, 'late', 'False SecretForbidden')
    // What was granted stays, unless it is to be less: then nothing is in doubt.
    expect(await listing(environment, `${ours}-mine`)).toBe('done')
    await objects.apply(ours, access('by-bucket', ['mine', 'stolen'], { role: 'Auditor' }))
    await isRefused(environment, `${ours}-mine`)
  })
})
