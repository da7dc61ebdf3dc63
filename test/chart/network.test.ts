import { describe, expect, test } from 'vitest'
import { at, type KubeObject, podOf, type Rendering, render, renderSet, valueSets } from '../support/chart.ts'

const components = { server: 'StatefulSet', operator: 'Deployment' } as const
const labelsOf = (rendering: Rendering, component: keyof typeof components) =>
  at(rendering.one(components[component]), 'spec', 'selector', 'matchLabels')
type Port = { readonly name: string; readonly port: number; readonly targetPort: string }
const portsOf = (service: KubeObject) => at(service, 'spec', 'ports') as readonly Port[]

describe('Services', () => {
  test.each(valueSets)(
    'Services: with the values %s each port is one of the pod that is selected',
    (name) => {
      const rendering = renderSet(name)
      const services = rendering.all('Service')
      expect(services.map(({ metadata }) => metadata.name.replace(/^(holdfast|vault)-/, '')).sort()).toEqual([
        'admin',
        'headless',
        'operator-metrics',
        's3',
        'server-metrics',
      ])
      for (const service of services) {
        const selector = at(service, 'spec', 'selector')
        const component = at(selector, 'app.kubernetes.io/component') as keyof typeof components
        expect(selector).toEqual(labelsOf(rendering, component))
        const ports = at(podOf(rendering.one(components[component])), 'spec', 'containers', 0, 'ports')
        for (const { port, targetPort } of portsOf(service)) {
          expect(ports).toContainEqual({ name: targetPort, containerPort: port })
        }
      }
    },
  )

  test.each(valueSets)(
    'Services: with the values %s, what a pod that is not ready serves can be reached',
    (name) => {
      for (const service of ['-s3', '-admin'])
        expect(at(renderSet(name).one('Service', service), 'spec', 'publishNotReadyAddresses')).toBe(true)
    },
  )

  test('Services: HTTP and HTTPS each by its switch; the admin port is never one of S3', () => {
    const ports = (name: string) =>
      portsOf(renderSet(name).one('Service', '-s3')).map(({ name: port }) => port)
    expect(ports('default')).toEqual(['s3', 's3-tls'])
    expect(ports('bare')).toEqual(['s3'])
    expect(ports('own-secrets')).toEqual(['s3-tls'])
    const headless = renderSet('default').one('Service', '-headless')
    expect(at(headless, 'spec', 'clusterIP')).toBe('None')
    expect(renderSet('cert-manager').one('Service', '-s3')['spec']).toMatchObject({
      type: 'LoadBalancer',
      loadBalancerSourceRanges: ['192.0.2.0/24'],
    })
  })
})

describe('NetworkPolicies', () => {
  test('server: S3 for everybody, admin for the operator alone, and no way out', () => {
    const rendering = renderSet('default')
    expect(rendering.one('NetworkPolicy', '-server')['spec']).toEqual({
      podSelector: { matchLabels: labelsOf(rendering, 'server') },
      policyTypes: ['Ingress', 'Egress'],
      ingress: [
        { ports: [{ port: 's3' }, { port: 's3-tls' }] },
        {
          ports: [{ port: 'admin' }],
          from: [{ podSelector: { matchLabels: labelsOf(rendering, 'operator') } }],
        },
        { ports: [{ port: 'metrics' }] },
      ],
    })
  })

  test('server: who may use S3 never shuts out the operator and the test', () => {
    const spec = renderSet('full').one('NetworkPolicy', '-server')['spec']
    const from = at(spec, 'ingress', 0, 'from') as readonly object[]
    expect(from[0]).toEqual({ namespaceSelector: { matchLabels: { s3: 'yes' } } })
    expect(
      from.slice(1).map((peer) => at(peer, 'podSelector', 'matchLabels', 'app.kubernetes.io/component')),
    ).toEqual(['operator', 'test'])
    expect(at(spec, 'ingress', 1, 'from')).toHaveLength(2)
    expect(at(spec, 'egress')).toEqual([{ ports: [{ port: 53, protocol: 'UDP' }] }])
  })

  test('operator: to the server, to names, to the API server, and nowhere else', () => {
    const rendering = renderSet('full')
    expect(rendering.one('NetworkPolicy', '-operator')['spec']).toMatchObject({
      policyTypes: ['Ingress', 'Egress'],
      egress: [
        { to: [{ podSelector: { matchLabels: labelsOf(rendering, 'server') } }] },
        {
          ports: [
            { port: 53, protocol: 'UDP' },
            { port: 53, protocol: 'TCP' },
          ],
        },
        { ports: [{ port: 7443, protocol: 'TCP' }] },
      ],
    })
    expect(renderSet('bare').all('NetworkPolicy')).toEqual([])
  })

  test('self-test: the pod of helm test reaches the server and names, and nobody reaches it', () => {
    const policy = renderSet('default').one('NetworkPolicy', '-self-test')
    const pod = podOf(renderSet('default').one('Pod', 'self-test'))
    const selected = at(policy, 'spec', 'podSelector', 'matchLabels') as Readonly<Record<string, string>>
    expect(pod.metadata.labels).toMatchObject(selected)
    expect(policy['spec']).toMatchObject({ policyTypes: ['Ingress', 'Egress'] })
    expect(policy['spec']).not.toHaveProperty('ingress')
    expect(at(policy, 'spec', 'egress')).toEqual([
      {
        to: [
          { podSelector: at(renderSet('default').one('NetworkPolicy', '-server'), 'spec', 'podSelector') },
        ],
      },
      {
        ports: [
          { port: 53, protocol: 'UDP' },
          { port: 53, protocol: 'TCP' },
        ],
      },
    ])
    const without = render({ helmTest: { enabled: false } })
    expect(without.all('NetworkPolicy')).toHaveLength(2)
  })
})

describe('Ingress, HTTPRoute and Certificate', () => {
  test('Ingress: every host leads to the chosen port', () => {
    const { spec } = renderSet('own-secrets').one('Ingress')
    expect(spec).toMatchObject({
      ingressClassName: 'nginx',
      tls: [{ secretName: 's3-example-org', hosts: ['s3.example.org', '*.s3.example.org'] }],
    })
    const rules = at(spec, 'rules') as readonly object[]
    expect(rules.map((rule) => at(rule, 'host'))).toEqual(['s3.example.org', '*.s3.example.org'])
    for (const rule of rules) {
      expect(at(rule, 'http', 'paths', 0, 'backend')).toEqual({
        service: { name: 'holdfast-s3', port: { name: 's3-tls' } },
      })
    }
    expect(renderSet('default').all('Ingress')).toEqual([])
  })

  test('HTTPRoute: every host leads to plain HTTP, by the Gateways that are named', () => {
    const rendering = renderSet('namespaced')
    const route = rendering.one('HTTPRoute')
    expect(route.apiVersion).toBe('gateway.networking.k8s.io/v1')
    expect(route.metadata.annotations).toEqual({ 'example.org/team': 'storage' })
    expect(route['spec']).toEqual({
      parentRefs: [{ name: 'public', namespace: 'gateways', sectionName: 'https' }],
      hostnames: ['s3.example.org', '*.s3.example.org'],
      rules: [{ backendRefs: [{ name: 'holdfast-s3', port: 9000 }], timeouts: { request: '0s' } }],
    })
    expect(at(rendering.one('Service', '-s3'), 'spec', 'ports')).toContainEqual(
      expect.objectContaining({ name: 's3', port: 9000 }),
    )
    expect(renderSet('default').all('HTTPRoute')).toEqual([])
  })

  test('Certificate: the names by which the operator asks, names and addresses of yours, virtual hosts', () => {
    const { spec } = renderSet('cert-manager').one('Certificate')
    expect(spec).toMatchObject({
      secretName: 'holdfast-tls',
      issuerRef: { name: 'example', kind: 'ClusterIssuer', group: 'cert-manager.io' },
      ipAddresses: ['192.0.2.7', '2001:db8::7'],
      dnsNames: expect.arrayContaining([
        'holdfast-s3.holdfast-system.svc',
        'holdfast-admin.holdfast-system.svc',
        's3.example.org',
        '*.s3.example.org',
      ]),
    })
    expect(renderSet('default').all('Certificate')).toEqual([])
  })
})

describe('names', () => {
  test('names: a release of another name is in front of all that lies in its namespace', () => {
    const { objects } = render({ nameOverride: 'store' })
    expect(objects.filter(({ kind }) => kind === 'Service').map(({ metadata }) => metadata.name)).toContain(
      'holdfast-store-s3',
    )
  })

  test('extraObjects: strings in them are templates', () => {
    const extra = renderSet('full').one('ConfigMap', '-extra')
    expect(extra).toMatchObject({
      metadata: { name: 'holdfast-extra' },
      data: { endpoint: 'https://vault-s3.holdfast-system.svc:8443' },
    })
  })
})
