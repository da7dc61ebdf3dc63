import { describe, expect, test } from 'vitest'
import { serverSettingNames } from '../../src/cli/server-options.ts'
import { settings } from '../../src/config/settings.ts'
import {
  at,
  flagsOf,
  type Pod,
  podOf,
  type Rendering,
  render,
  renderSet,
  valueSets,
} from '../support/chart.ts'

const server = (rendering: Rendering) => podOf(rendering.one('StatefulSet'))
const operator = (rendering: Rendering) => podOf(rendering.one('Deployment'))
const podsOf = (rendering: Rendering): readonly Pod[] => [
  server(rendering),
  operator(rendering),
  ...rendering.all('Pod').map(podOf),
]
const secretOf = (pod: Pod, name: string) =>
  at(
    pod.spec.containers[0]?.env?.find((variable) => variable.name === name),
    'valueFrom',
    'secretKeyRef',
  )

describe.each(valueSets)('every pod, with the values %s', (name) => {
  test('pods: restricted, with nothing to write to but volumes, and no service links', () => {
    for (const { spec } of podsOf(renderSet(name))) {
      expect(spec).toMatchObject({
        enableServiceLinks: false,
        securityContext: {
          runAsNonRoot: true,
          runAsUser: 65532,
          runAsGroup: 65532,
          fsGroup: 65532,
          fsGroupChangePolicy: 'OnRootMismatch',
          seccompProfile: { type: 'RuntimeDefault' },
        },
      })
      expect(spec.containers).toHaveLength(1)
      expect(spec.containers[0]).toMatchObject({
        imagePullPolicy: expect.stringMatching(/^(IfNotPresent|Always)$/),
        securityContext: {
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        },
        resources: {
          requests: { cpu: expect.anything(), memory: expect.anything() },
          limits: { memory: expect.anything() },
        },
      })
      for (const field of ['hostNetwork', 'hostPID', 'hostIPC', 'shareProcessNamespace']) {
        expect(spec).not.toHaveProperty(field)
      }
    }
  })

  test('pods: what is mounted is a volume, and every volume is mounted', () => {
    for (const { spec } of podsOf(renderSet(name))) {
      const mounted = spec.containers[0]?.volumeMounts.map((mount) => mount.name) ?? []
      const volumes = spec.volumes.map((volume) => volume.name)
      const claimed = renderSet(name).one('StatefulSet')['spec'] as {
        volumeClaimTemplates?: readonly unknown[]
      }
      const isServer = spec.containers[0]?.name === 'server'
      const templates = isServer && claimed.volumeClaimTemplates !== undefined ? ['data'] : []
      expect([...volumes, ...templates].sort()).toEqual([...mounted].sort())
    }
  })

  test('pods: every flag is one of the program, with a value that it takes', () => {
    for (const pod of podsOf(renderSet(name))) {
      for (const [flag, value] of flagsOf(pod)) {
        const row = Object.values(settings).find((setting) => setting.flag === flag)
        expect(row, flag).toBeDefined()
        expect(() => row?.parse(value), `${flag}=${value}`).not.toThrow()
      }
    }
    const known: readonly (string | null)[] = serverSettingNames.map((setting) => settings[setting].flag)
    for (const flag of flagsOf(server(renderSet(name))).keys()) expect(known).toContain(flag)
  })

  test('pods: probes ask the port of metrics and health', () => {
    for (const { spec } of [server(renderSet(name)), operator(renderSet(name))]) {
      expect(spec.containers[0]).toMatchObject({
        startupProbe: { httpGet: { path: '/healthz', port: 'metrics' } },
        livenessProbe: { httpGet: { path: '/healthz', port: 'metrics' } },
        readinessProbe: { httpGet: { path: '/readyz', port: 'metrics' } },
        ports: expect.arrayContaining([{ name: 'metrics', containerPort: 9002 }]),
      })
    }
  })
})

describe('the StatefulSet of the server', () => {
  test('StatefulSet: one pod, replaced when it is not Ready too; a volume that stays, on ReadWriteOncePod', () => {
    expect(renderSet('default').one('StatefulSet')['spec']).toMatchObject({
      replicas: 1,
      podManagementPolicy: 'Parallel',
      serviceName: 'holdfast-headless',
      persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Retain', whenScaled: 'Retain' },
      volumeClaimTemplates: [
        {
          metadata: { name: 'data' },
          spec: { accessModes: ['ReadWriteOncePod'], resources: { requests: { storage: '100Gi' } } },
        },
      ],
    })
    expect(server(renderSet('default')).spec).toMatchObject({ automountServiceAccountToken: false })
  })

  test('StatefulSet: selector and claim template bear nothing that an upgrade changes', () => {
    const selector = {
      'app.kubernetes.io/name': 'holdfast',
      'app.kubernetes.io/instance': 'holdfast',
      'app.kubernetes.io/component': 'server',
    }
    const before = renderSet('default').one('StatefulSet')
    expect(at(before, 'spec', 'selector', 'matchLabels')).toEqual(selector)
    expect(at(before, 'spec', 'volumeClaimTemplates', 0, 'metadata', 'labels')).toEqual(selector)
    const values = {
      commonLabels: { team: 'other' },
      image: { tag: '9.9.9' },
      server: { podLabels: { a: 'b' } },
    }
    const after = render(values).one('StatefulSet')
    expect(at(after, 'metadata', 'labels', 'team')).toBe('other')
    for (const field of ['selector', 'volumeClaimTemplates', 'serviceName']) {
      expect(at(after, 'spec', field)).toEqual(at(before, 'spec', field))
    }
    expect(podOf(after).metadata.labels).toMatchObject(selector)
  })

  test('StatefulSet: the kubelet waits longer than the server drains', () => {
    for (const [name, seconds] of [
      ['default', 30],
      ['full', 60],
    ] as const) {
      expect(flagsOf(server(renderSet(name))).get('--shutdown-grace')).toBe(`${seconds}s`)
      expect(server(renderSet(name)).spec['terminationGracePeriodSeconds']).toBe(seconds + 15)
    }
  })

  test('StatefulSet: keys come from the Secrets of the release, or from yours', () => {
    const names = (name: string) =>
      ['HOLDFAST_ACCESS_KEY_ID', 'HOLDFAST_SECRET_ACCESS_KEY', 'HOLDFAST_OPERATOR_SECRET_ACCESS_KEY'].map(
        (variable) => secretOf(server(renderSet(name)), variable),
      )
    expect(names('default')).toEqual([
      { name: 'holdfast-root', key: 'AWS_ACCESS_KEY_ID' },
      { name: 'holdfast-root', key: 'AWS_SECRET_ACCESS_KEY' },
      { name: 'holdfast-operator', key: 'AWS_SECRET_ACCESS_KEY' },
    ])
    expect(names('own-secrets')).toEqual([
      { name: 'root-key', key: 'AWS_ACCESS_KEY_ID' },
      { name: 'root-key', key: 'AWS_SECRET_ACCESS_KEY' },
      { name: 'operator-key', key: 'AWS_SECRET_ACCESS_KEY' },
    ])
    for (const [name, secretName] of [
      ['default', 'holdfast-master'],
      ['own-secrets', 'master-key'],
    ] as const) {
      const pod = server(renderSet(name))
      expect(flagsOf(pod).get('--master-key-file')).toBe('/etc/holdfast/master/master.key')
      expect(pod.spec.volumes).toContainEqual(
        expect.objectContaining({ name: 'master', secret: expect.objectContaining({ secretName }) }),
      )
    }
    expect(flagsOf(server(renderSet('own-secrets'))).get('--access-keys')).toBe(
      '/etc/holdfast/access-keys/access-keys.json',
    )
  })

  test('StatefulSet: by tls.mode the server speaks HTTPS, with the right Secret as a folder that is renewed', () => {
    for (const [name, secretName] of [
      ['default', 'holdfast-tls'],
      ['own-secrets', 'server-certificate'],
      ['cert-manager', 'holdfast-tls'],
    ] as const) {
      const pod = server(renderSet(name))
      expect(flagsOf(pod)).toEqual(
        expect.objectContaining(
          new Map([
            ['--s3-tls-listen', '[::]:9443'],
            ['--tls-cert', '/etc/holdfast/tls/tls.crt'],
          ]),
        ),
      )
      expect(flagsOf(pod).get('--tls-key')).toBe('/etc/holdfast/tls/tls.key')
      expect(pod.spec.volumes).toContainEqual(
        expect.objectContaining({
          name: 'tls',
          secret: expect.objectContaining({ secretName, defaultMode: 0o440 }),
        }),
      )
      const [mount] = pod.spec.containers[0]?.volumeMounts.filter((one) => one.name === 'tls') ?? []
      expect(mount).toEqual({ name: 'tls', mountPath: '/etc/holdfast/tls', readOnly: true })
    }
    const bare = flagsOf(server(renderSet('bare')))
    expect([...bare.keys()].filter((flag) => flag.includes('tls'))).toEqual([])
    expect(bare.get('--s3-listen')).toBe('0.0.0.0:9000')
    expect(flagsOf(server(renderSet('own-secrets'))).get('--s3-listen')).toBe('none')
  })

  test.each([
    [null, {}],
    ['', { storageClassName: '' }],
    ['fast', { storageClassName: 'fast' }],
  ])('StatefulSet: storageClassName %j is as in a claim', (storageClassName, expected) => {
    const made = render({ server: { persistence: { storageClassName } } }).one('StatefulSet')
    const resources = { requests: { storage: '100Gi' } }
    expect(at(made, 'spec', 'volumeClaimTemplates', 0, 'spec')).toEqual({
      accessModes: ['ReadWriteOncePod'],
      resources,
      ...expected,
    })
  })

  test('StatefulSet: a restored claim, with the values that the lost one was made by', () => {
    const persistence = { storageClassName: 'fast', existingClaim: 'holdfast-restored' }
    const made = render({ server: { persistence } }).one('StatefulSet')
    expect(made['spec']).not.toHaveProperty('volumeClaimTemplates')
    expect(podOf(made).spec.volumes).toContainEqual({
      name: 'data',
      persistentVolumeClaim: { claimName: 'holdfast-restored' },
    })
  })

  test('StatefulSet: a claim of yours is mounted, and no other is made', () => {
    expect(renderSet('bare').one('StatefulSet')['spec']).not.toHaveProperty('volumeClaimTemplates')
    expect(server(renderSet('bare')).spec.volumes).toContainEqual({
      name: 'data',
      persistentVolumeClaim: { claimName: 'old-data' },
    })
  })

  test('StatefulSet: every knob arrives', () => {
    const pod = server(renderSet('full'))
    expect(pod.metadata).toMatchObject({
      annotations: { 'example.org/note': 'server' },
      labels: { 'example.org/tier': 'data', team: 'storage' },
    })
    expect(pod.spec).toMatchObject({
      imagePullSecrets: [{ name: 'registry-key' }],
      nodeSelector: { disk: 'nvme' },
      tolerations: [{ key: 'storage', operator: 'Exists' }],
      affinity: { podAntiAffinity: {} },
      topologySpreadConstraints: [{ maxSkew: 1 }],
      priorityClassName: 'system-cluster-critical',
      serviceAccountName: 'storage',
      volumes: expect.arrayContaining([{ name: 'more', emptyDir: {} }]),
    })
    expect(pod.spec.containers[0]).toMatchObject({
      image: `registry.example.org/mirror/holdfast:1.2.3@sha256:${'0'.repeat(64)}`,
      imagePullPolicy: 'Always',
      resources: { requests: { cpu: 2, memory: '4Gi' }, limits: { memory: '8Gi' } },
      env: expect.arrayContaining([{ name: 'TZ', value: 'UTC' }]),
    })
    expect(Object.fromEntries(flagsOf(pod))).toMatchObject({
      '--s3-listen': '[::]:8000',
      '--s3-tls-listen': '[::]:8443',
      '--region': 'eu-central-7',
      '--default-profile': 'minio',
      '--workers': '3',
      '--access-log': 'on',
      '--log-level': 'debug',
      '--lifecycle-interval': '30m',
      '--scrub-bytes-per-second': '104857600',
      '--volume-id': '1b4e28ba-2fa1-41d2-883f-0016d3cca427',
    })
    expect(
      renderSet('full')
        .all('ServiceAccount')
        .map(({ metadata }) => metadata.name),
    ).toEqual(['vault-operator'])
  })
})

describe('the Deployment of the operator', () => {
  test('Deployment: it makes the Secrets of the release, and asks the server over TLS by its name', () => {
    const flags = flagsOf(operator(renderSet('default')))
    expect(Object.fromEntries(flags)).toMatchObject({
      '--release': 'holdfast',
      '--server-s3': 'https://holdfast-s3.holdfast-system.svc:9443',
      '--server-admin': 'https://holdfast-admin.holdfast-system.svc:9001',
      '--leader-elect-resource-namespace': 'holdfast-system',
      '--leader-elect-resource-name': 'holdfast-operator',
    })
    const names = flags.get('--server-names')?.split(',')
    for (const endpoint of ['--server-s3', '--server-admin']) {
      expect(names).toContain(new URL(flags.get(endpoint) ?? '').hostname)
    }
    expect(flags.has('--server-ca')).toBe(false)
    expect(operator(renderSet('default')).spec.containers[0]).not.toHaveProperty('env')
  })

  test('Deployment: with keys and certificates of yours it makes nothing', () => {
    const pod = operator(renderSet('own-secrets'))
    expect([...flagsOf(pod).keys()]).not.toContain('--release')
    expect([...flagsOf(pod).keys()]).not.toContain('--server-names')
    expect(secretOf(pod, 'HOLDFAST_OPERATOR_ACCESS_KEY_ID')).toEqual({
      name: 'operator-key',
      key: 'AWS_ACCESS_KEY_ID',
    })
    expect(JSON.stringify(at(renderSet('own-secrets').one('Role'), 'rules'))).not.toMatch(
      /secrets|configmaps/,
    )
  })

  test('Deployment: mode off speaks HTTP; certManager trusts the ca.crt of the Secret', () => {
    expect(flagsOf(operator(renderSet('bare'))).get('--server-admin')).toBe(
      'http://holdfast-admin.holdfast-system.svc:9001',
    )
    const pod = operator(renderSet('cert-manager'))
    expect(flagsOf(pod).get('--server-ca')).toBe('/etc/holdfast/authority/ca.crt')
    expect(pod.spec.volumes).toContainEqual({
      name: 'authority',
      secret: {
        secretName: 'holdfast-tls',
        defaultMode: 0o440,
        items: [{ key: 'ca.crt', path: 'ca.crt' }],
      },
    })
  })

  test('PodDisruptionBudget: only with two operators, and it blocks no drain', () => {
    expect(renderSet('default').all('PodDisruptionBudget')).toEqual([])
    expect(renderSet('full').one('Deployment')['spec']).toMatchObject({ replicas: 2 })
    const budget = renderSet('full').one('PodDisruptionBudget')
    expect(budget['spec']).toEqual({
      maxUnavailable: 1,
      selector: at(renderSet('full').one('Deployment'), 'spec', 'selector'),
    })
  })

  test('cluster.id: handed to the operator; without it there is no flag', () => {
    expect(flagsOf(operator(renderSet('full'))).get('--cluster-id')).toBe('production-7')
    expect(flagsOf(operator(renderSet('default'))).has('--cluster-id')).toBe(false)
  })
})

test.each([
  ['default', 'https://localhost:9001', 'https://localhost:9443'],
  ['bare', 'http://localhost:9001', 'http://localhost:9000'],
])(
  'server: with the values %s, commands in the pod find the server, and the authority if it has one',
  (name, admin, s3) => {
    const pod = server(renderSet(name))
    const [container] = pod.spec.containers
    const value = (variable: string) => container?.env?.find((each) => each.name === variable)?.['value']
    expect([value('HOLDFAST_SERVER_ADMIN'), value('HOLDFAST_SERVER_S3')]).toEqual([admin, s3])
    const authority = value('HOLDFAST_SERVER_CA')
    const mounted =
      container?.volumeMounts.some(({ mountPath }) => authority === `${mountPath}/ca.crt`) ?? false
    expect([authority !== undefined, mounted]).toEqual([name === 'default', name === 'default'])
  },
)

describe('the pod of helm test', () => {
  test('self-test: root’s key, the S3 endpoint, and the authority', () => {
    const pod = renderSet('default').one('Pod', 'self-test')
    expect(pod.metadata.annotations).toEqual({
      'helm.sh/hook': 'test',
      'helm.sh/hook-delete-policy': 'before-hook-creation,hook-succeeded',
    })
    expect(podOf(pod).spec.containers[0]?.args).toEqual([
      'self-test',
      '--server-s3=https://holdfast-s3.holdfast-system.svc:9443',
      '--region=us-east-1',
      '--server-ca=/etc/holdfast/authority/ca.crt',
    ])
    expect(podOf(pod).spec.volumes).toContainEqual({
      name: 'authority',
      configMap: { name: 'holdfast-ca', optional: true },
    })
    expect(secretOf(podOf(pod), 'HOLDFAST_ACCESS_KEY_ID')).toMatchObject({ name: 'holdfast-root' })
    expect(renderSet('bare').all('Pod')).toEqual([])
  })
})
