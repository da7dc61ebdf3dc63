/**
 * Every value of the chart, one row each: the only source of values.yaml, values.schema.json and the table in the chart's
 * README. Order is the order of those files.
 */
import { settings } from '../../src/config/settings.ts'
import { limits } from '../../src/lib/limits.ts'
import { profileNames } from '../../src/lib/profile.ts'
import { podRows } from './pod-values.ts'
import { choice, flag, list, map, number, object, text, type ValueRow } from './value-row.ts'

const durationPattern = '^[0-9]{1,9}(ms|s|m|h)$'
const logLevels = ['debug', 'info', 'warn', 'error']

export const valueRows: readonly ValueRow[] = [
  text('nameOverride', '', 'Instead of the chart’s name in `app.kubernetes.io/name` and in names.'),
  text('fullnameOverride', '', 'Instead of release and chart name in front of every namespaced name.', {
    maxLength: 40,
  }),
  map('commonLabels', 'Labels of every object, except selectors and claim templates, which never change.'),

  text('image.registry', '', 'Registry in front of the repository.'),
  text('image.repository', 'holdfast', 'Repository; server, operator and test are one image.', {
    minLength: 1,
  }),
  text('image.tag', '', 'Tag; empty: the chart’s appVersion.'),
  text('image.digest', '', '`sha256:…`: pins the image; the tag is then only a remark.', {
    pattern: '^(sha256:[0-9a-f]{64})?$',
  }),
  choice('image.pullPolicy', ['IfNotPresent', 'Always', 'Never'], 'When the node pulls the image.'),
  list('imagePullSecrets', 'Secrets for the registry, as `{name: …}`.'),

  text(
    'cluster.id',
    '',
    'Identity of this cluster at the lock server; empty: uid of the namespace kube-system. Set it to re-adopt buckets after ' +
      'the cluster was rebuilt. Never the same for two clusters that live.',
  ),
  text('cluster.domain', 'cluster.local', 'DNS domain of the cluster, for names in certificates.', {
    minLength: 1,
  }),

  flag('crds.enabled', true, 'Install and upgrade the CustomResourceDefinitions with the chart.'),
  flag(
    'crds.keep',
    true,
    'Leave them, and so every policy and bucket object, on `helm uninstall`. False needs `admission.enabled` false.',
  ),

  flag(
    'admission.enabled',
    true,
    'Install the ValidatingAdmissionPolicies: what the API server refuses by itself, deletions of protected objects first.',
  ),
  list(
    'admission.otherOperators',
    'Operators of other releases that the policies also let write statuses: `namespace/account=a+b` for one that watches the ' +
      'namespaces a and b, `namespace/account` for one that watches all.',
    { of: 'strings' },
  ),
  flag('admission.keep', true, 'Leave them on `helm uninstall`, as the objects that they guard stay too.'),

  flag('rbac.aggregate', true, 'Let the cluster’s `view`, `edit` and `admin` roles see and write the kinds.'),
  flag(
    'rbac.retentionOfficer',
    true,
    'Make the ClusterRole `holdfast-retention-officer`: who may delete policies and give buckets up.',
  ),

  flag(
    'rbac.allSecrets',
    false,
    'Give the operator Secrets of all namespaces for BucketAccesses; else bind `holdfast-operator-secrets` where they are used.',
  ),

  text(
    'auth.root.existingSecret',
    '',
    'Secret with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY of root; empty: the operator makes `<fullname>-root` once.',
  ),
  text(
    'auth.operator.existingSecret',
    '',
    'The same for the operator’s key; empty: the operator makes `<fullname>-operator` once.',
  ),
  text(
    'auth.master.existingSecret',
    '',
    'Secret with `master.key`, 32 bytes in base64, by which access keys on the volume are sealed; empty: the operator makes ' +
      '`<fullname>-master` once. Without this key those access keys are lost.',
  ),
  text(
    'auth.accessKeys.existingSecret',
    '',
    'Secret with `access-keys.json`, a list of further keys with their statements; read again when it changes.',
  ),

  choice(
    'tls.mode',
    ['auto', 'secret', 'certManager', 'off'],
    'Where certificates come from. `auto`: an authority that the operator makes once (published as the ConfigMap ' +
      '`<fullname>-ca`). `secret`: `tls.existingSecret`. `certManager`: a Certificate. `off`: plain HTTP on every port.',
  ),
  text(
    'tls.existingSecret',
    '',
    'Mode `secret`: a Secret of type kubernetes.io/tls; renewed ones are taken without a restart. Its certificate has at least the names ' +
      '`<fullname>-admin.<namespace>.svc` and `<fullname>-s3.<namespace>.svc`, by which the operator reaches the server. No public authority ' +
      'issues those: take one of your own, and give the certificate of a public name to the Ingress.',
  ),
  text(
    'tls.authorityKey',
    'ca.crt',
    'Modes `secret` and `certManager`: the field of that Secret with the authority that the operator trusts; empty: those that Node.js ' +
      'trusts by itself, and by `NODE_EXTRA_CA_CERTS` in `operator.extraEnv`. A new authority needs a restart of the operator.',
  ),
  list(
    'tls.extraNames',
    'Modes `auto` and `certManager`: further DNS names and addresses in the certificate.',
    {
      of: 'strings',
    },
  ),
  text(
    'tls.certManager.issuerRef.name',
    '',
    'Mode `certManager`: the issuer, of an authority of yours: the names in the certificate are those inside the cluster, too.',
  ),
  choice('tls.certManager.issuerRef.kind', ['Issuer', 'ClusterIssuer'], 'Its kind.'),
  text('tls.certManager.issuerRef.group', 'cert-manager.io', 'Its group.'),
  text('tls.certManager.duration', '2160h', 'How long a certificate is valid.', { pattern: '^[0-9]+h$' }),
  text('tls.certManager.renewBefore', '720h', 'How long before its end it is renewed.', {
    pattern: '^[0-9]+h$',
  }),

  text('listenAddress', '[::]', 'Address every port listens on; `0.0.0.0` where nodes have no IPv6 at all.', {
    minLength: 1,
  }),

  flag('server.http.enabled', true, 'S3 over plain HTTP.'),
  number('server.http.port', 9000, 'Its port, of pod and Service.', { min: 1024, max: 65_535 }),
  flag('server.https.enabled', true, 'S3 over HTTPS, unless `tls.mode` is `off`.'),
  number('server.https.port', 9443, 'Its port, of pod and Service.', { min: 1024, max: 65_535 }),
  text('server.publicEndpoint', '', 'URL by which clients reach S3; empty: the Service’s DNS name.', {
    pattern: '^(https?://.+)?$',
  }),
  text(
    'server.domain',
    '',
    'Buckets are also virtual hosts below this name. Over HTTPS that needs a wildcard certificate: mode `secret` or `certManager`.',
  ),
  text('server.region', 'us-east-1', 'Region of every bucket and signature.', { minLength: 1 }),
  choice('server.defaultProfile', profileNames, 'Dialect of buckets that S3 CreateBucket makes.'),
  number(
    'server.workers',
    null,
    'Worker processes; null: one a core and 256 MiB of the memory limit, at least 2.',
    { min: 1, max: 256 },
  ),
  flag('server.accessLog', false, 'One JSON line for each S3 request.'),
  choice('server.logLevel', logLevels, 'How much the server logs.', 'info'),
  text('server.lifecycleInterval', '1h', 'How often lifecycle rules are carried out.', {
    pattern: durationPattern,
  }),
  text(
    'server.volumeId',
    '',
    'The id of the volume (`holdfast status`). Once set, a server whose mount is missing, or has another volume, does not start; ' +
      'else it makes a new volume there.',
    { pattern: '^([0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})?$' },
  ),
  number(
    'server.scrubBytesPerSecond',
    null,
    `How fast all bytes are read again once a week to find damage; null: ${settings.scrubBytesPerSecond.initial}.`,
    { min: limits.bodyBlockBytes, max: 999_999_999 },
  ),
  number(
    'server.shutdownGraceSeconds',
    30,
    'How long running requests may take to finish; the kubelet waits 15 s longer.',
    {
      min: 1,
      max: 3600,
    },
  ),
  text(
    'server.persistence.size',
    '100Gi',
    'Size of the volume. Growing it later is an edit of the claim, not of this value.',
    {
      pattern: '^[0-9]+(\\.[0-9]+)?(Ki|Mi|Gi|Ti|Pi|k|M|G|T|P)?$',
    },
  ),
  text(
    'server.persistence.storageClassName',
    null,
    'Null: the cluster’s default; "": none, for a volume that is there already. Its file system needs hard links (ext4, XFS, ZFS; not NFS, not FUSE), its reclaim policy ' +
      'should be Retain.',
  ),
  map('server.persistence.annotations', 'Annotations of the claim.'),
  text(
    'server.persistence.existingClaim',
    '',
    'A claim of your own instead; its data is never touched by the chart.',
  ),
  text(
    'server.backup.existingClaim',
    '',
    'A claim of your own, mounted at `/backup` for `holdfast backup`, which is run in the server’s container; see Operations.',
  ),
  choice('server.service.type', ['ClusterIP', 'NodePort', 'LoadBalancer'], 'Type of the S3 Service.'),
  map('server.service.annotations', 'Annotations of the S3 Service.'),
  list('server.service.loadBalancerSourceRanges', 'Type LoadBalancer: who may connect.', { of: 'strings' }),
  ...podRows('server', { cpu: '250m', memory: '512Mi', memoryLimit: '2Gi' }),

  choice('operator.replicas', [1, 2], 'One leads, another stands by.', 1),
  list(
    'operator.watchNamespaces',
    'The only namespaces that it watches; empty: all. It then has a Role in each and no ClusterRole; needs `cluster.id`.',
    { of: 'strings' },
  ),
  text('operator.verifyInterval', '10m', 'How often every bucket is read back and compared.', {
    pattern: durationPattern,
  }),
  choice('operator.logLevel', logLevels, 'How much the operator logs.', 'info'),
  ...podRows('operator', { cpu: '50m', memory: '128Mi', memoryLimit: '512Mi' }),

  flag(
    'networkPolicy.enabled',
    true,
    'Only the operator reaches the admin port; the server itself calls nobody.',
  ),
  list('networkPolicy.s3From', 'Who may use S3, as NetworkPolicy peers; empty: everybody.'),
  list(
    'networkPolicy.metricsFrom',
    'Who may read metrics and health, as NetworkPolicy peers; empty: everybody.',
  ),
  list('networkPolicy.adminFrom', 'Who may use the admin port besides the operator, as NetworkPolicy peers.'),
  list('networkPolicy.serverEgress', 'Egress rules of the server; empty: none at all.'),
  list('networkPolicy.apiServerPorts', 'Ports of the API server, which the operator must reach.', {
    of: 'integers',
    initial: [443, 6443],
  }),

  flag('monitoring.serviceMonitor.enabled', false, 'ServiceMonitors for the Prometheus operator.'),
  text('monitoring.serviceMonitor.interval', '30s', 'How often they scrape.', { pattern: durationPattern }),
  map('monitoring.serviceMonitor.labels', 'Labels by which your Prometheus selects them.'),
  flag('monitoring.prometheusRule.enabled', false, 'Alerts as a PrometheusRule.'),
  map('monitoring.prometheusRule.labels', 'Labels by which your Prometheus selects it.'),
  flag('monitoring.dashboard.enabled', false, 'The Grafana dashboard as a ConfigMap.'),
  map('monitoring.dashboard.labels', 'Labels by which Grafana’s sidecar finds it.', {
    grafana_dashboard: '1',
  }),

  flag('ingress.enabled', false, 'An Ingress for S3.'),
  text('ingress.className', null, 'Its IngressClass.'),
  map('ingress.annotations', 'Its annotations: body size and buffering have to allow large uploads.'),
  list('ingress.hosts', 'Host names that lead to S3.', { of: 'strings' }),
  text(
    'ingress.tlsSecretName',
    '',
    'Secret with the certificate of these hosts; empty: the Ingress serves no TLS.',
  ),
  choice('ingress.backend', ['http', 'https'], 'Which port of the S3 Service it leads to.'),

  flag('httpRoute.enabled', false, 'An HTTPRoute of the Gateway API for S3, to the port of plain HTTP.'),
  map('httpRoute.annotations', 'Its annotations.'),
  list('httpRoute.parentRefs', 'The Gateways that it joins, as in an HTTPRoute: `{name: …, namespace: …}`.'),
  list('httpRoute.hostnames', 'Host names that lead to S3.', { of: 'strings' }),
  object('httpRoute.timeouts', 'Timeouts of its rule, as in an HTTPRoute: large uploads take long.'),

  flag(
    'helmTest.enabled',
    true,
    'The pod of `helm test`: it holds a version and proves that it cannot be deleted.',
  ),
  list('extraObjects', 'Further objects to install; strings in them are templates.'),
  object('global', 'Not used; Helm gives it to every subchart.'),
]
