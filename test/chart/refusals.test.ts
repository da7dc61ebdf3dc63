import { describe, expect, test } from 'vitest'
import { refusal } from '../support/chart.ts'

const rows: readonly (readonly [string, object, string])[] = [
  ['mode secret without a Secret', { tls: { mode: 'secret' } }, 'say in tls.existingSecret which Secret'],
  [
    'a Secret that no mode reads',
    { tls: { existingSecret: 'mine' } },
    'tls.existingSecret is set but tls.mode is auto',
  ],
  ['mode certManager without an issuer', { tls: { mode: 'certManager' } }, 'tls.certManager.issuerRef.name'],
  ['no way to S3', { tls: { mode: 'off' }, server: { http: { enabled: false } } }, 'nobody could reach S3'],
  [
    'one port for both',
    { server: { http: { port: 9443 } } },
    'server.http.port and server.https.port are the same',
  ],
  ['the port of the admin API', { server: { http: { port: 9001 } } }, 'port 9001 is taken'],
  [
    'a backup on the volume itself',
    { server: { backup: { existingClaim: 'data-holdfast-server-0' } } },
    'server.backup.existingClaim is the claim of the volume itself',
  ],
  ['an Ingress without a host', { ingress: { enabled: true } }, 'ingress.hosts'],
  [
    'an Ingress to HTTP that is off',
    { ingress: { enabled: true, hosts: ['a.example.org'] }, server: { http: { enabled: false } } },
    'ingress.backend is http, but server.http is off',
  ],
  [
    'an Ingress to HTTPS that is not there',
    { ingress: { enabled: true, hosts: ['a.example.org'], backend: 'https' }, tls: { mode: 'off' } },
    'there is no HTTPS',
  ],
  [
    'an HTTPRoute without a Gateway',
    { httpRoute: { enabled: true, hostnames: ['a.example.org'] } },
    'httpRoute.parentRefs',
  ],
  [
    'an HTTPRoute to HTTP that is off',
    { httpRoute: { enabled: true, parentRefs: [{ name: 'a' }] }, server: { http: { enabled: false } } },
    'httpRoute leads to the port of plain HTTP, but server.http is off',
  ],
  [
    'some namespaces without the identity of the cluster',
    { operator: { watchNamespaces: ['team-a'] } },
    'operator.watchNamespaces: say in cluster.id',
  ],
  [
    'an operator of another release that is no account',
    { admission: { otherOperators: ["tenant/keeper'"] } },
    "admission.otherOperators: tenant/keeper' is not an account",
  ],
  [
    'a service account without a name',
    { operator: { serviceAccount: { create: false } } },
    'operator.serviceAccount.name',
  ],
  ['CRDs that should go but cannot', { crds: { keep: false } }, 'set admission.enabled to false too'],
  [
    'a variable that the chart sets itself, for the server',
    { server: { extraEnv: [{ name: 'HOLDFAST_SERVER_S3', value: 'http://localhost:1' }] } },
    'server.extraEnv: the chart sets HOLDFAST_SERVER_S3 itself',
  ],
  [
    'a variable that the chart sets itself, for the operator',
    {
      auth: { operator: { existingSecret: 'mine' } },
      operator: { extraEnv: [{ name: 'HOLDFAST_OPERATOR_ACCESS_KEY_ID', value: 'mine' }] },
    },
    'operator.extraEnv: the chart sets HOLDFAST_OPERATOR_ACCESS_KEY_ID itself',
  ],
  // By the schema.
  ['a name that nobody knows', { server: { replicas: 2 } }, "additional properties 'replicas' not allowed"],
  ['three operators', { operator: { replicas: 3 } }, '/operator/replicas'],
  ['a digest that is none', { image: { digest: 'latest' } }, '/image/digest'],
  ['a duration that is none', { operator: { verifyInterval: '10 minutes' } }, '/operator/verifyInterval'],
  ['a profile that nobody speaks', { server: { defaultProfile: 'ibm' } }, '/server/defaultProfile'],
  ['a port that is text', { server: { http: { port: '9000' } } }, '/server/http/port'],
]

describe('values that do not go together', () => {
  test.each(rows)('refused: %s', (_title, values, message) => {
    expect(refusal(values)).toContain(message)
  })
})
