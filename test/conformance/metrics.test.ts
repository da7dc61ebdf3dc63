import { describe, expect, test } from 'vitest'
import { limits } from '../../src/lib/limits.ts'
import { conformance } from '../support/conformance.ts'
import { workerPids } from '../support/crash/processes.ts'

const bench = conformance({ accessLog: 'on' })

async function metrics(): Promise<string> {
  const answer = await fetch(`${bench.server().metricsEndpoint}/metrics`)
  expect([answer.status, answer.headers.get('content-type')]).toEqual([
    200,
    'text/plain; version=0.0.4; charset=utf-8',
  ])
  return await answer.text()
}

/** The value of a series; null: it is not there. */
function seriesValue(text: string, series: string): number | null {
  const line = text.split('\n').find((each) => each.startsWith(`${series} `))
  return line === undefined ? null : Number(line.slice(series.length + 1))
}

const get404 = 'holdfast_s3_requests_total{operation="GetObject",status="404",code="NoSuchKey"}'
const put200 = 'holdfast_s3_requests_total{operation="PutObject",status="200",code=""}'
/** A new process loads, opens the volume and listens. */
const patience = { timeout: 20_000 }
const lockHeaders = {
  'x-amz-object-lock-mode': 'COMPLIANCE',
  'x-amz-object-lock-retain-until-date': '2140-01-01T00:00:00Z',
}

describe('/metrics', () => {
  test('Requests of both workers: counted once each, with operation, status and code', async () => {
    const headers = { 'x-amz-bucket-object-lock-enabled': 'true' }
    await bench.send({ method: 'PUT', path: '/counted', headers })
    const before = await metrics()
    for (let index = 0; index < 8; index += 1) {
      // A connection of its own each, so that both workers get some.
      const fresh = { connection: 'close' }
      await bench.send({ method: 'PUT', path: `/counted/${index}`, body: 'twelve bytes', headers: fresh })
      await bench.send({ method: 'GET', path: '/counted/none', headers: fresh })
    }
    await bench.send({ method: 'GET', path: '/counted/0' })
    const after = await metrics()
    const grown = (series: string) => (seriesValue(after, series) ?? 0) - (seriesValue(before, series) ?? 0)
    expect([grown(put200), grown(get404)]).toEqual([8, 8])
    expect(grown('holdfast_s3_received_bytes_total{operation="PutObject"}')).toBe(8 * 12)
    expect(grown('holdfast_s3_request_duration_seconds_count{operation="PutObject"}')).toBe(8)
    expect(grown('holdfast_s3_request_duration_seconds_bucket{operation="PutObject",le="+Inf"}')).toBe(8)
    expect(seriesValue(after, 'holdfast_workers_listening')).toBe(2)
    expect(seriesValue(after, 'holdfast_ready')).toBe(1)
    expect(after).toMatch(/holdfast_transaction_duration_seconds_count [1-9]/)
    for (const worker of ['w0', 'w1', 'supervisor']) {
      expect(seriesValue(after, `process_resident_memory_bytes{worker="${worker}"}`)).toBeGreaterThan(1e6)
    }
  })

  test('A refused delete: counted under the rule that refused it', async () => {
    const versionId = await bench.put('counted', 'locked', { headers: lockHeaders })
    const refused = await bench.send({ method: 'DELETE', path: '/counted/locked', query: { versionId } })
    expect([refused.status, refused.code]).toEqual([403, 'AccessDenied'])
    const text = await metrics()
    expect(seriesValue(text, 'holdfast_denials_total{rule="ComplianceRetention"}')).toBe(1)
  })

  test('The volume: clock, disk and the totals over all buckets', async () => {
    // The totals are kept for a while: time passes, and the locked version is in them.
    bench.server().advance(2 * limits.bucketTotalsMs)
    const text = await metrics()
    expect(seriesValue(text, 'holdfast_locked_versions')).toBe(1)
    expect(seriesValue(text, 'holdfast_versions')).toBe(9)
    expect(seriesValue(text, 'holdfast_buckets')).toBe(1)
    expect(seriesValue(text, 'holdfast_clock_suspect')).toBe(0)
    expect(seriesValue(text, 'holdfast_clock_trusted_seconds')).toBeCloseTo(bench.server().nowMs() / 1000, -2)
    expect(seriesValue(text, 'holdfast_volume_free_bytes')).toBeGreaterThan(0)
    expect(seriesValue(text, 'holdfast_volume_free_files')).toBeGreaterThan(0)
  })

  test('A worker that was killed: its counts stay in the sum, and its end is counted', async () => {
    const before = seriesValue(await metrics(), put200)
    expect(seriesValue(await metrics(), 'holdfast_workers_ended_total')).toBe(0)
    const [worker = 0] = workerPids(bench.server())
    process.kill(worker, 'SIGKILL')
    await expect.poll(() => workerPids(bench.server()), patience).not.toContain(worker)
    const listening = async () => seriesValue(await metrics(), 'holdfast_workers_listening')
    await expect
      .poll(async () => [workerPids(bench.server()).length, await listening()], patience)
      .toEqual([2, 2])
    expect(seriesValue(await metrics(), put200)).toBe(before)
    expect(seriesValue(await metrics(), 'holdfast_workers_ended_total')).toBe(1)
  })

  test('An unknown path: 404 that says what there is', async () => {
    const answer = await fetch(`${bench.server().metricsEndpoint}/metric`)
    expect([answer.status, await answer.text()]).toEqual([404, 'there are /healthz, /readyz and /metrics\n'])
  })
})

describe('the access log', () => {
  type Line = Readonly<Record<string, unknown>>
  function lines(): readonly Line[] {
    const found = bench
      .server()
      .logs()
      .split('\n')
      .filter((line) => line.includes('"component":"access"'))
    return found.map((line) => JSON.parse(line) as Line)
  }
  const lineOf = (requestId: unknown) => lines().find((line) => line['requestId'] === requestId)

  test('A request: one line with S3 fields and the trace it belongs to', async () => {
    const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
    const headers = { traceparent, 'user-agent': 'tests/1' }
    const answer = await bench.send({ method: 'GET', path: '/counted/0', headers })
    const id = answer.headers['x-amz-request-id']
    await expect.poll(() => lineOf(id)).toBeDefined()
    expect(lineOf(id)).toMatchObject({
      message: 'request',
      method: 'GET',
      operation: 'GetObject',
      bucket: 'counted',
      key: '0',
      versionId: null,
      status: 200,
      errorCode: null,
      bytesSent: 12,
      requester: 'ROOTEXAMPLE',
      accountId: '000000000000',
      remoteIp: '127.0.0.1',
      userAgent: 'tests/1',
      traceparent,
      tlsVersion: null,
    })
  })

  test('A presigned request that is refused: its error, and nothing of its signature', async () => {
    const answer = await bench.send({
      method: 'GET',
      path: '/counted/0',
      sign: 'presigned',
      mutate: (wire) => ({ ...wire, target: wire.target.replace(/Signature=..../, 'Signature=0000') }),
    })
    const id = answer.headers['x-amz-request-id']
    await expect.poll(() => lineOf(id)).toBeDefined()
    expect(lineOf(id)).toMatchObject({ status: 403, errorCode: 'SignatureDoesNotMatch', requester: null })
    expect(bench.server().logs()).not.toMatch(/X-Amz-Signature|X-Amz-Credential/i)
  })
})
