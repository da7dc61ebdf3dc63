import { renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest'
import { awsCli } from '../support/clients/aws-cli.ts'
import { clientFolder } from '../support/clients/folder.ts'
import { attempt } from '../support/cluster/attempts.ts'
import { type ControlPlane, startControlPlane } from '../support/cluster/control-plane.ts'
import { until } from '../support/cluster/until.ts'
import { prepareCluster, type RunningOperator, startOperator } from '../support/operator.ts'
import { afterVerifies, bucket, OperatorRig, policy, waitMs } from '../support/operator-rig.ts'
import { startTestServer, type TestServer } from '../support/server.ts'

const admission = join(import.meta.dirname, '../../examples/kubernetes/admission.yaml')
const nine = '200 COMPLIANCE 9'
const wouldShorten = {
  Ready: 'False RetentionWouldShorten',
  Stalled: 'True RetentionWouldShorten',
  ObjectLockEnforced: 'True RuleDiffers',
  Drifted: 'True ServerStronger',
}

/** A control plane of its own: its etcd is set back. */
describe.runIf(inject('cluster') !== null)('the floor under attack, by a cluster administrator', () => {
  let cluster: ControlPlane
  let server: TestServer
  let operator: RunningOperator
  let rig: OperatorRig
  const folder = clientFolder()
  let namespace: string

  beforeAll(async () => {
    cluster = await startControlPlane()
    server = await startTestServer()
    rig = new OperatorRig(cluster, server)
    await prepareCluster(cluster)
    operator = startOperator({ cluster, server, verifyInterval: '1s' })
    await operator.leads()
  })

  afterAll(async () => {
    const code = await operator?.end('SIGTERM')
    cluster?.assertRunning()
    await server?.stop()
    await cluster?.stop()
    expect(code).toBe(0)
  })

  /** COMPLIANCE for nine days on a bucket that is named like its namespace. */
  beforeEach(async () => {
    const { code, stderr } = await cluster.kubectl(['apply', '-f', admission])
    expect(code, stderr).toBe(0)
    namespace = await cluster.createNamespace('attack')
    await rig.apply(namespace, policy('keep', { mode: 'COMPLIANCE', days: 9 }), bucket('vault', namespace))
    await rig.becomes(namespace, 'vault', {
      Ready: 'True Enforced',
      AdmissionGuardInstalled: 'True GuardInstalled',
    })
    expect(await rig.lockConfiguration(namespace)).toBe(nine)
  })

  const pathOf = (name: string) => `/apis/holdfast.dev/v1/namespaces/${namespace}/${name}`
  const asAdmin = (method: 'PATCH' | 'DELETE', path: string, body?: unknown) =>
    attempt(cluster, { user: 'cluster-admin', method, path, body })

  async function isUnchanged(): Promise<void> {
    await afterVerifies(operator, 3)
    expect(await rig.lockConfiguration(namespace)).toBe(nine)
    expect(operator.exitCode()).toBeNull()
    expect(await operator.readyz()).toMatch(/^200 leading/)
  }

  async function policyIsReferenced(isReferenced: boolean): Promise<void> {
    await until(`the policy is ${isReferenced ? '' : 'not '}referenced`, waitMs, async () => {
      const held = await cluster.request({ method: 'GET', path: pathOf('retentionpolicies/keep') })
      const { status } = held.json() as { status: { deletionProtected?: boolean } }
      return status.deletionProtected === isReferenced ? true : null
    })
  }

  test('the policy is edited: refused, and the floor stays', async () => {
    const change = { spec: { defaultRetention: { days: 8 } } }
    expect(await asAdmin('PATCH', pathOf('retentionpolicies/keep'), change)).toMatch(/^422 /)
    await isUnchanged()
    await rig.becomes(namespace, 'vault', { Ready: 'True Enforced' })
  })

  test('the reference is switched to a weaker policy: Stalled, and the floor stays', async () => {
    await rig.apply(namespace, policy('weak', { mode: 'GOVERNANCE', days: 1 }))
    const change = { spec: { retentionPolicyRef: { name: 'weak' } } }
    expect(await asAdmin('PATCH', pathOf('lockedbuckets/vault'), change)).toBe('200')
    await rig.becomes(namespace, 'vault', wouldShorten)
    await isUnchanged()
  })

  test('the policy is deleted while a bucket refers to it: refused', async () => {
    await policyIsReferenced(true)
    expect(await asAdmin('DELETE', pathOf('retentionpolicies/keep'))).toMatch(
      /^403 .*buckets that refer to it/,
    )
    await isUnchanged()
  })

  test('bucket and policy are deleted and made again weaker: Stalled, and the floor stays', async () => {
    expect(await asAdmin('DELETE', pathOf('lockedbuckets/vault'))).toBe('200')
    await policyIsReferenced(false)
    expect(await asAdmin('DELETE', pathOf('retentionpolicies/keep'))).toBe('200')
    await rig.apply(namespace, policy('keep', { mode: 'COMPLIANCE', days: 1 }), bucket('vault', namespace))
    await rig.becomes(namespace, 'vault', wouldShorten)
    await isUnchanged()
  })

  test('a binding is deleted, then the policy: the status tells of both, the bucket keeps enforcing, and the floor stays', async () => {
    await policyIsReferenced(true)
    const binding = 'validatingadmissionpolicybindings/deletion.holdfast.dev'
    const path = `/apis/admissionregistration.k8s.io/v1/${binding}`
    expect(await asAdmin('DELETE', path)).toBe('200')
    await rig.becomes(namespace, 'vault', { AdmissionGuardInstalled: 'False GuardMissing' })
    const { status } = await rig.read(namespace, 'vault')
    const guard = status?.conditions?.find(({ type }) => type === 'AdmissionGuardInstalled')
    expect(guard?.message).toContain('ValidatingAdmissionPolicyBinding deletion.holdfast.dev')
    expect(await operator.metric('holdfast_admission_guard_installed')).toBe(0)
    await until('the deletion is let through', waitMs, async () =>
      (await asAdmin('DELETE', pathOf('retentionpolicies/keep'))) === '200' ? true : null,
    )
    await rig.becomes(namespace, 'vault', {
      Ready: 'False PolicyNotFound',
      ObjectLockEnforced: 'True ReadBack',
    })
    expect(await rig.lockConfiguration(namespace)).toBe(nine)
    await rig.apply(namespace, policy('keep', { mode: 'GOVERNANCE', days: 1 }))
    await rig.becomes(namespace, 'vault', wouldShorten)
    await isUnchanged()
    expect((await cluster.kubectl(['apply', '-f', admission])).code).toBe(0)
    await rig.becomes(namespace, 'vault', { AdmissionGuardInstalled: 'True GuardInstalled' })
    expect(await operator.metric('holdfast_admission_guard_installed')).toBe(1)
  })

  test('a policy is made to fail open: GuardChanged, on policies too', async () => {
    const path =
      '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/infrastructure.holdfast.dev'
    expect(await asAdmin('PATCH', path, { spec: { failurePolicy: 'Ignore' } })).toBe('200')
    await rig.becomes(namespace, 'vault', { AdmissionGuardInstalled: 'False GuardChanged' })
    const wait =
      '--for=jsonpath={.status.conditions[?(@.type=="AdmissionGuardInstalled")].reason}=GuardChanged'
    const waited = await cluster.kubectl(['wait', wait, 'retpol/keep', '-n', namespace, '--timeout=30s'])
    expect(waited.code, waited.stderr).toBe(0)
    expect(await operator.metric('holdfast_admission_guard_installed')).toBe(0)
  })

  test('root puts a weaker configuration by aws s3api: AccessDenied, and the floor stays', async () => {
    const aws = awsCli(() => server, folder)
    const rule = { DefaultRetention: { Mode: 'GOVERNANCE', Days: 1 } }
    const command = ['s3api', 'put-object-lock-configuration', '--bucket', namespace]
    for (const configuration of [
      { ObjectLockEnabled: 'Enabled', Rule: rule },
      { ObjectLockEnabled: 'Enabled' },
      { ObjectLockEnabled: 'Enabled', Rule: { DefaultRetention: { Mode: 'COMPLIANCE', Days: 8 } } },
    ]) {
      const text = JSON.stringify(configuration)
      const refusal = await aws.refusal(...command, '--object-lock-configuration', text)
      expect(refusal).toContain('(AccessDenied)')
    }
    await isUnchanged()
    await rig.becomes(namespace, 'vault', { Ready: 'True Enforced', Drifted: 'False InSync' })
  })

  test('the Lease is deleted: the operator leads on, and the floor stays', async () => {
    const path = '/apis/coordination.k8s.io/v1/namespaces/holdfast-system/leases/holdfast-operator'
    expect(await asAdmin('DELETE', path)).toBe('200')
    await until('the Lease is made again', waitMs, async () =>
      (await cluster.request({ method: 'GET', path })).status === 200 ? true : null,
    )
    await isUnchanged()
  })

  test('an old backup of etcd is put back: Stalled, the floor stays, and a GOVERNANCE policy waits for a word', async () => {
    const { code } = await cluster.kubectl(['delete', 'lbk', 'vault', '-n', namespace, '--wait=false'])
    expect(code).toBe(0)
    const old = await cluster.createNamespace('old')
    await rig.apply(old, policy('keep', { mode: 'COMPLIANCE', days: 2 }), bucket('vault', old))
    await rig.becomes(old, 'vault', { Ready: 'True Enforced' })
    const loose = await cluster.createNamespace('loose')
    await rig.apply(loose, policy('keep', { mode: 'GOVERNANCE', days: 2 }), bucket('vault', loose))
    await rig.becomes(loose, 'vault', { Ready: 'True Enforced' })
    await cluster.saveEtcd()
    await rig.apply(old, policy('keep', { mode: 'COMPLIANCE', days: 9 }))
    await rig.apply(loose, policy('keep', { mode: 'GOVERNANCE', days: 9 }))
    await until('nine days are enforced', waitMs, async () => {
      const enforced = [await rig.lockConfiguration(old), await rig.lockConfiguration(loose)]
      return enforced.join() === `${nine},200 GOVERNANCE 9` ? true : null
    })
    await cluster.restoreEtcd()
    await until('the operator leads again', waitMs, async () =>
      (await operator.readyz())?.startsWith('200 leading') ? true : null,
    )
    await rig.becomes(old, 'vault', wouldShorten)
    namespace = old
    await isUnchanged()
    await rig.apply(old, policy('keep', { mode: 'COMPLIANCE', days: 10 }))
    await rig.becomes(old, 'vault', { Ready: 'True Enforced', Stalled: 'absent' })
    await rig.becomes(loose, 'vault', { Ready: 'False PolicySetBack', Stalled: 'True PolicySetBack' })
    await rig.has(loose, 'vault', 'PolicySetBack')
    expect(await rig.lockConfiguration(loose)).toBe('200 GOVERNANCE 9')
    const word = ['annotate', '-n', loose, 'lbk/vault', 'holdfast.dev/reconcile-now=meant']
    expect(await cluster.kubectl(word)).toMatchObject({ code: 0 })
    await rig.becomes(loose, 'vault', { Ready: 'True Enforced', Stalled: 'absent' })
    expect(await rig.lockConfiguration(loose)).toBe('200 GOVERNANCE 2')
  })

  test('the volume of the server is another one: Stalled, no empty bucket is made, and it goes on when its own is back', async () => {
    const away = `${server.dataDirectory}-away`
    await server.terminate()
    renameSync(server.dataDirectory, away)
    await server.start()
    await rig.becomes(namespace, 'vault', {
      Ready: 'False VolumeReplaced',
      Stalled: 'True VolumeReplaced',
      DeletionProtected: 'True Unverified',
    })
    const looks = 'controller_runtime_terminal_reconcile_errors_total{controller="lockedbucket"}'
    const before = await operator.metric(looks)
    await until('it looks again and again', waitMs, async () =>
      (await operator.metric(looks)) >= before + 3 ? true : null,
    )
    expect(await rig.lockConfiguration(namespace)).toMatch(/^404 /)
    expect((await rig.read(namespace, 'vault')).status?.floor).toMatchObject({ mode: 'COMPLIANCE', days: 9 })
    await server.terminate()
    rmSync(server.dataDirectory, { recursive: true })
    renameSync(away, server.dataDirectory)
    await server.start()
    await rig.becomes(namespace, 'vault', { Ready: 'True Enforced', Stalled: 'absent' })
    expect(await rig.lockConfiguration(namespace)).toBe(nine)
  })
})
