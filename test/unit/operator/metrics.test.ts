import { expect, test } from 'vitest'
import { OperatorMetrics } from '../../../src/operator/metrics.ts'
import { Workqueue } from '../../../src/operator/workqueue.ts'
import { ManualTime } from './manual-timers.ts'

/** Every family that controller-runtime and client-go's metrics have, with the labels that dashboards select by. */
const families: Readonly<Record<string, readonly string[]>> = {
  controller_runtime_reconcile_total: ['controller', 'result'],
  controller_runtime_reconcile_errors_total: ['controller'],
  controller_runtime_terminal_reconcile_errors_total: ['controller'],
  controller_runtime_reconcile_panics_total: ['controller'],
  controller_runtime_reconcile_timeouts_total: ['controller'],
  controller_runtime_reconcile_time_seconds_bucket: ['controller', 'le'],
  controller_runtime_reconcile_time_seconds_sum: ['controller'],
  controller_runtime_reconcile_time_seconds_count: ['controller'],
  controller_runtime_active_workers: ['controller'],
  controller_runtime_max_concurrent_reconciles: ['controller'],
  workqueue_depth: ['name', 'controller'],
  workqueue_adds_total: ['name', 'controller'],
  workqueue_queue_duration_seconds_bucket: ['name', 'controller', 'le'],
  workqueue_work_duration_seconds_bucket: ['name', 'controller', 'le'],
  workqueue_unfinished_work_seconds: ['name', 'controller'],
  workqueue_longest_running_processor_seconds: ['name', 'controller'],
  workqueue_retries_total: ['name', 'controller'],
  rest_client_requests_total: ['code', 'method', 'host'],
  leader_election_master_status: ['name'],
}

type Rig = { readonly metrics: OperatorMetrics; readonly queue: Workqueue; readonly time: ManualTime }

function rigOf(): Rig {
  const time = new ManualTime()
  const metrics = new OperatorMetrics('holdfast-operator')
  const retry = { delayMsMin: 5, delayMsMax: 1000 }
  const options = { timers: time, retry, retryBucket: null, metrics: metrics.queue('lockedbucket') }
  const queue = new Workqueue(options, () => time.uptimeMs())
  metrics.watchQueue('lockedbucket', queue)
  return { metrics, queue, time }
}

function sample(metrics: OperatorMetrics, name: string): string | undefined {
  const line = metrics
    .render()
    .split('\n')
    .find((each) => each.startsWith(`${name} `))
  return line?.slice(name.length + 1)
}

test('metrics: every family of controller-runtime is there with its labels', async () => {
  const { metrics, queue } = rigOf()
  metrics.countRequest({ code: '200', method: 'GET', host: '10.96.0.1:443' })
  const controller = metrics.controller('lockedbucket', 4)
  controller.workerBegan()
  controller.workerEnded(20)
  queue.add('default/a')
  queue.done((await queue.get()) ?? '')
  const text = metrics.render()
  for (const [name, labels] of Object.entries(families)) {
    const pairs = labels.map((label) => `${label}="[^"]*"`).join(',')
    expect(text).toMatch(new RegExp(`^${name}\\{${pairs}\\} [0-9.e+-]+$`, 'm'))
  }
  const found = [...text.matchAll(/^# TYPE (\w+) (\w+)$/gm)].map((match) => match[1])
  expect(new Set(found).size).toBe(found.length)
  expect(text.match(/^controller_runtime_reconcile_total\{.*result="(\w+)"/gm)).toHaveLength(4)
})

test('metrics: the queue counts adds once, waiting and working, retries, and what is in work now', async () => {
  const { metrics, queue, time } = rigOf()
  const labels = '{name="lockedbucket",controller="lockedbucket"}'
  queue.add('default/a')
  queue.add('default/a')
  queue.add('default/b')
  expect(sample(metrics, `workqueue_depth${labels}`)).toBe('2')
  expect(sample(metrics, `workqueue_adds_total${labels}`)).toBe('2')
  await time.advance(500)
  const key = await queue.get()
  await time.advance(2000)
  expect(sample(metrics, `workqueue_unfinished_work_seconds${labels}`)).toBe('2')
  expect(sample(metrics, `workqueue_longest_running_processor_seconds${labels}`)).toBe('2')
  queue.add('default/a')
  queue.addRateLimited('default/a')
  queue.done(key ?? '')
  expect(sample(metrics, `workqueue_queue_duration_seconds_sum${labels}`)).toBe('0.5')
  expect(sample(metrics, `workqueue_work_duration_seconds_sum${labels}`)).toBe('2')
  expect(sample(metrics, `workqueue_retries_total${labels}`)).toBe('1')
  expect(sample(metrics, `workqueue_adds_total${labels}`)).toBe('3')
  expect(sample(metrics, `workqueue_unfinished_work_seconds${labels}`)).toBe('0')
})

test('metrics: a terminal error is an error too; the next term of a controller goes on counting', () => {
  const { metrics } = rigOf()
  metrics.controller('lockedbucket', 4).reconciled('terminal')
  const next = metrics.controller('lockedbucket', 4)
  next.reconciled('error')
  next.reconciled('success')
  const total = (result: string) =>
    sample(metrics, `controller_runtime_reconcile_total{controller="lockedbucket",result="${result}"}`)
  expect([total('error'), total('success'), total('requeue')]).toEqual(['2', '1', '0'])
  expect(
    sample(metrics, 'controller_runtime_terminal_reconcile_errors_total{controller="lockedbucket"}'),
  ).toBe('1')
})

test('metrics: leader_election_master_status is 1 only while it leads', () => {
  const { metrics } = rigOf()
  const name = 'leader_election_master_status{name="holdfast-operator"}'
  expect(sample(metrics, name)).toBe('0')
  metrics.leading(1)
  expect(sample(metrics, name)).toBe('1')
})

test('metrics: the condition of the storage, by status; of who does not lead it is Unknown, and without an API server there is none', () => {
  const { metrics } = rigOf()
  const shown = () =>
    ['True', 'False', 'Unknown'].map((status) =>
      sample(metrics, `holdfast_storage_retained{status="${status}"}`),
    )
  expect(shown()).toEqual([undefined, undefined, undefined])
  metrics.storageRetained('False')
  expect(shown()).toEqual(['0', '0', '1'])
  metrics.leading(1)
  expect(shown()).toEqual(['0', '1', '0'])
  metrics.storageRetained('True')
  expect(shown()).toEqual(['1', '0', '0'])
  metrics.leading(0)
  expect(shown()).toEqual(['0', '0', '1'])
})

test('metrics: a rollback is shown only by who leads, and again when it leads again', () => {
  const { metrics } = rigOf()
  const shown = () => sample(metrics, 'holdfast_rollback_detected')
  metrics.rollbackDetected(1)
  expect(shown()).toBe('0')
  metrics.leading(1)
  expect(shown()).toBe('1')
  metrics.leading(0)
  expect(shown()).toBe('0')
  metrics.leading(1)
  expect(shown()).toBe('1')
})

test('metrics: objects that cannot be understood, by kind', () => {
  const { metrics } = rigOf()
  metrics.unparsableObjects('BucketAccess', 2)
  metrics.unparsableObjects('LockedBucket', 0)
  const shown = (kind: string) => sample(metrics, `holdfast_unparsable_objects{kind="${kind}"}`)
  expect([shown('BucketAccess'), shown('LockedBucket')]).toEqual(['2', '0'])
})
