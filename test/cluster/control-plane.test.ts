import { beforeAll, describe, expect, inject, it } from 'vitest'
import { connectCluster } from '../support/cluster/cluster.ts'
import { type ControlPlane, startControlPlane } from '../support/cluster/control-plane.ts'
import { until } from '../support/cluster/until.ts'

const address = inject('cluster')

/** Named like nothing of the project's, with a rule over two fields and one over the old object. */
const crd = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'periods.smoke.example.com' },
  spec: {
    group: 'smoke.example.com',
    scope: 'Namespaced',
    names: { plural: 'periods', singular: 'period', kind: 'Period' },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        schema: {
          openAPIV3Schema: {
            type: 'object',
            required: ['spec'],
            properties: {
              spec: {
                type: 'object',
                properties: { days: { type: 'integer' }, years: { type: 'integer' } },
                'x-kubernetes-validations': [
                  { rule: 'has(self.days) != has(self.years)', message: 'give days or years' },
                  {
                    rule: '!has(oldSelf.days) || !has(self.days) || self.days >= oldSelf.days',
                    message: 'days may only grow',
                  },
                ],
              },
            },
          },
        },
      },
    ],
  },
}

function period(namespace: string, name: string, spec: object): object {
  return { apiVersion: 'smoke.example.com/v1', kind: 'Period', metadata: { namespace, name }, spec }
}

function configMap(namespace: string, value: string): object {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { namespace, name: 'kept' }, data: { value } }
}

function periodsPath(namespace: string): string {
  return `/apis/smoke.example.com/v1/namespaces/${namespace}/periods`
}

describe.runIf(address !== null)('the shared control plane', () => {
  const cluster = () => {
    if (address === null) throw new Error('the suite runs only with a control plane')
    return connectCluster(address)
  }

  it('is ready', async () => {
    const response = await cluster().request({ method: 'GET', path: '/readyz' })
    expect(response).toMatchObject({ status: 200, text: 'ok' })
  })

  it('lets kubectl create a namespace', async () => {
    const name = `by-kubectl-${process.pid}`
    const created = await cluster().kubectl(['create', 'namespace', name])
    expect(created).toEqual({ code: 0, stdout: `namespace/${name} created\n`, stderr: '' })
  })

  it('knows its users and gives them no rights', async () => {
    const namespace = await cluster().createNamespace('users')
    const operator = await cluster().kubectl(['auth', 'whoami', '-o', 'json'], { user: 'operator' })
    expect(JSON.parse(operator.stdout)).toMatchObject({
      status: { userInfo: { username: 'system:serviceaccount:holdfast-system:holdfast-operator' } },
    })
    const stdin = JSON.stringify(configMap(namespace, 'x'))
    for (const user of ['developer', 'retention-officer', 'operator'] as const) {
      const refused = await cluster().kubectl(['create', '-f', '-'], { user, stdin })
      expect(refused.code, user).toBe(1)
      expect(refused.stderr, user).toContain('(Forbidden)')
    }
  })

  it('refuses with 422 what a CEL rule of a CRD refuses', async () => {
    const namespace = await cluster().createNamespace('cel')
    const applied = await cluster().kubectl(['apply', '-f', '-'], { stdin: JSON.stringify(crd) })
    expect(applied.stderr).toBe('')
    const established = [
      'wait',
      '--for=condition=Established',
      'crd/periods.smoke.example.com',
      '--timeout=30s',
    ]
    expect(await cluster().kubectl(established)).toMatchObject({ code: 0 })

    const path = periodsPath(namespace)
    const post = (body: object) => cluster().request({ method: 'POST', path, body })
    expect(await post(period(namespace, 'good', { days: 30 }))).toMatchObject({ status: 201 })
    const both = await post(period(namespace, 'both', { days: 30, years: 1 }))
    expect(both.status).toBe(422)
    expect(both.text).toContain('give days or years')

    const patch = (days: number) =>
      cluster().request({
        method: 'PATCH',
        path: `${path}/good`,
        body: { spec: { days } },
        contentType: 'application/merge-patch+json',
      })
    const shorter = await patch(29)
    expect(shorter.status).toBe(422)
    expect(shorter.text).toContain('days may only grow')
    expect(await patch(31)).toMatchObject({ status: 200 })
  })
})

describe.runIf(address !== null)('a control plane of its own', () => {
  let controlPlane: ControlPlane

  beforeAll(async () => {
    controlPlane = await startControlPlane({ controllerManager: 'run' })
    return () => controlPlane.stop()
  })

  it('goes on with the same data after kill -9 of the API server', async () => {
    const namespace = await controlPlane.createNamespace('kill')
    const path = `/api/v1/namespaces/${namespace}/configmaps`
    const get = () => controlPlane.request({ method: 'GET', path: `${path}/kept` })
    const body = configMap(namespace, 'written before the kill')
    expect(await controlPlane.request({ method: 'POST', path, body })).toMatchObject({ status: 201 })
    const before = (await get()).json()

    await controlPlane.killApiServer()
    await expect(get()).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    await controlPlane.startApiServer()

    expect((await get()).json()).toEqual(before)
    expect(await controlPlane.kubectl(['get', 'configmap', 'kept', '-n', namespace])).toMatchObject({
      code: 0,
    })
  })

  it('with a controller manager removes a deleted namespace', async () => {
    const namespace = await controlPlane.createNamespace('gone')
    const path = `/api/v1/namespaces/${namespace}`
    expect(await controlPlane.request({ method: 'DELETE', path })).toMatchObject({ status: 200 })
    await until(`${path} is gone`, 60_000, async () => {
      const { status } = await controlPlane.request({ method: 'GET', path })
      return status === 404 ? true : null
    })
  })
})
