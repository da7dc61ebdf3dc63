/** The Grafana dashboard: one row a panel. */

type Series = { readonly expression: string; readonly legend: string }
type Panel = { readonly title: string; readonly unit: string; readonly series: readonly Series[] }

const selector = 'namespace="$namespace"'
const rate = (metric: string, filter = '') => `rate(${metric}{${selector}${filter}}[$__rate_interval])`
const quantile = (share: number, metric: string, by: string) =>
  `histogram_quantile(${share}, sum by (le${by}) (${rate(`${metric}_bucket`)}))`

const panels: readonly Panel[] = [
  one('Server ready', 'short', `min(holdfast_ready{${selector}})`, 'ready'),
  one('Clock suspect', 'short', `max(holdfast_clock_suspect{${selector}})`, 'suspect'),
  one('Locked versions', 'short', `max(holdfast_locked_versions{${selector}})`, 'locked'),
  one('Buckets', 'short', `max(holdfast_buckets{${selector}})`, 'buckets'),
  one(
    'Requests by operation',
    'reqps',
    `sum by (operation) (${rate('holdfast_s3_requests_total')})`,
    '{{operation}}',
  ),
  one(
    'Errors by code',
    'reqps',
    `sum by (status, code) (${rate('holdfast_s3_requests_total', ',status=~"[45].."')})`,
    '{{status}} {{code}}',
  ),
  one('Denials by rule', 'reqps', `sum by (rule) (${rate('holdfast_denials_total')})`, '{{rule}}'),
  one(
    'Request duration, 99th percentile',
    's',
    quantile(0.99, 'holdfast_s3_request_duration_seconds', ', operation'),
    '{{operation}}',
  ),
  {
    title: 'Bytes',
    unit: 'Bps',
    series: [
      { expression: `sum(${rate('holdfast_s3_received_bytes_total')})`, legend: 'received' },
      { expression: `sum(${rate('holdfast_s3_sent_bytes_total')})`, legend: 'sent' },
    ],
  },
  {
    title: 'Requests and transactions in flight',
    unit: 'short',
    series: [
      { expression: `sum(holdfast_s3_requests_in_flight{${selector}})`, legend: 'requests' },
      { expression: `sum(holdfast_transactions_in_flight{${selector}})`, legend: 'transactions' },
    ],
  },
  one(
    'Transaction until durable, 99th percentile',
    's',
    quantile(0.99, 'holdfast_transaction_duration_seconds', ''),
    'p99',
  ),
  {
    title: 'Volume',
    unit: 'bytes',
    series: [
      { expression: `max(holdfast_volume_free_bytes{${selector}})`, legend: 'free' },
      { expression: `max(holdfast_volume_size_bytes{${selector}})`, legend: 'size' },
      { expression: `max(holdfast_versions_bytes{${selector}})`, legend: 'versions' },
    ],
  },
  {
    title: 'Versions',
    unit: 'short',
    series: [
      { expression: `max(holdfast_versions{${selector}})`, legend: 'all' },
      { expression: `max(holdfast_locked_versions{${selector}})`, legend: 'locked' },
      { expression: `max(holdfast_legal_holds{${selector}})`, legend: 'under legal hold' },
    ],
  },
  {
    title: 'Damage that was found',
    unit: 'short',
    series: [
      { expression: `max(holdfast_quarantined_lists{${selector}})`, legend: 'in quarantine' },
      { expression: `max(holdfast_scrub_unreadable_versions{${selector}})`, legend: 'unreadable versions' },
    ],
  },
  {
    title: 'Scrub: bytes read of this pass',
    unit: 'bytes',
    series: [
      { expression: `max(holdfast_scrub_read_bytes{${selector}})`, legend: 'read' },
      { expression: `max(holdfast_scrub_total_bytes{${selector}})`, legend: 'to read' },
    ],
  },
  one(
    'Scrub: since the last one ended',
    's',
    `time() - (max(holdfast_scrub_last_end_seconds{${selector}}) > 0)`,
    'since the last end',
  ),
  one('Trusted time behind the wall clock', 's', `max(holdfast_clock_behind_seconds{${selector}})`, 'behind'),
  one(
    'Event loop lag, 99th percentile',
    's',
    `nodejs_eventloop_lag_p99_seconds{${selector}}`,
    '{{pod}} {{worker}}',
  ),
  one('Memory', 'bytes', `process_resident_memory_bytes{${selector}}`, '{{pod}} {{worker}}'),
  one(
    'Reconciles by result',
    'ops',
    `sum by (controller, result) (${rate('controller_runtime_reconcile_total')})`,
    '{{controller}} {{result}}',
  ),
  one('Work queue', 'short', `sum by (name) (workqueue_depth{${selector}})`, '{{name}}'),
]

function one(title: string, unit: string, expression: string, legend: string): Panel {
  return { title, unit, series: [{ expression, legend }] }
}

const datasource = { type: 'prometheus', uid: '$datasource' }
const columns = 3
const panelWidth = 24 / columns
const panelHeight = 7

export const dashboard = {
  uid: 'holdfast',
  title: 'Holdfast',
  tags: ['holdfast', 's3', 'object-lock'],
  schemaVersion: 39,
  editable: true,
  time: { from: 'now-6h', to: 'now' },
  refresh: '30s',
  templating: {
    list: [
      { name: 'datasource', type: 'datasource', query: 'prometheus' },
      {
        name: 'namespace',
        type: 'query',
        datasource,
        query: { query: 'label_values(holdfast_build_info, namespace)', refId: 'namespace' },
        refresh: 2,
      },
    ],
  },
  panels: panels.map(({ title, unit, series }, index) => ({
    id: index + 1,
    type: 'timeseries',
    title,
    datasource,
    gridPos: {
      x: (index % columns) * panelWidth,
      y: Math.floor(index / columns) * panelHeight,
      w: panelWidth,
      h: panelHeight,
    },
    fieldConfig: { defaults: { unit, min: 0 }, overrides: [] },
    targets: series.map(({ expression, legend }, target) => ({
      refId: String.fromCharCode('A'.charCodeAt(0) + target),
      datasource,
      expr: expression,
      legendFormat: legend,
    })),
  })),
}
