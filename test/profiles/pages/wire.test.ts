/** What pages print that an HTTP client would not send: on a raw socket, byte for byte. */
import { describe, expect, it } from 'vitest'
import { type Bench, conformance, md5 } from '../../support/conformance.ts'
import { headText, openConnection } from '../../support/raw-http.ts'
import type { Wire } from '../../support/s3-client.ts'
import { allPages, type PageRequest } from './fixture.ts'
import { pageWire } from './page-client.ts'
import type { Values } from './placeholders.ts'

const files = allPages()

/** The request of an entry, for a bucket of this name. */
function printedRequest(file: string, id: string, bucket: string, bench: Bench): Wire {
  const entries = files.get(file)?.statements.flatMap((statement) => statement.entries) ?? []
  const entry = entries.find((one) => one.id === id)
  if (entry === undefined) throw new Error(`${file} has no entry ${id}`)
  const values: Values = { texts: new Map([['bucket', bucket]]), anchors: new Map() }
  const request: PageRequest = entry.request
  return pageWire(request, values, { server: bench.server(), credentials: bench.server().credentials })
}

/** All that the server says until it ends the connection. */
async function onTheWire(bench: Bench, wire: Wire): Promise<string> {
  const connection = await openConnection(bench.server().endpoint)
  connection.write(headText(wire, { Connection: 'close' }))
  connection.write(wire.body)
  return connection.ended()
}

/** The same, when the client announces more than it has and then ends its side. */
async function cutShort(bench: Bench, wire: Wire, announcedBytes: number): Promise<string> {
  const connection = await openConnection(bench.server().endpoint)
  connection.write(headText(wire, { 'Content-Length': String(announcedBytes) }))
  connection.write(wire.body)
  connection.socket.end()
  return connection.ended()
}

describe('OBS: the sample request, at its own Date', () => {
  const clockAt = files.get('obs.pages.json')?.clockAt ?? ''
  const domain = 'obs.region.example.com'
  const bench = conformance({ defaultProfile: 'obs', domain, startsAtMs: Date.parse(clockAt) })
  const target = { bucket: 'bucketname', key: 'objectname' }
  const { bucket, key } = target

  it('with its Content-Length of 157, which is not that of its body: refused, and nothing is locked', async () => {
    const headers = { 'x-amz-bucket-object-lock-enabled': 'true' }
    await bench.send({ method: 'PUT', path: `/${bucket}`, headers })
    await bench.put(bucket, key)
    await bench.unchanged(bucket, async () => {
      const wire = printedRequest('obs.pages.json', 'sample', bucket, bench)
      expect(wire.body.length).toBeLessThan(157)
      expect(await cutShort(bench, wire, 157)).not.toMatch(/^HTTP\/1\.1 2/)
    })
  })

  it('with the length of its body: the sample response, line by line', async () => {
    const wire = printedRequest('obs.pages.json', 'sample', bucket, bench)
    expect(headText(wire)).toContain('\r\nDate: WED, 01 Jul 2015 02:25:05 GMT\r\n')
    const [head = '', body] = (await onTheWire(bench, wire)).split('\r\n\r\n')
    const lines = head.split('\r\n')
    expect([lines[0], body]).toEqual(['HTTP/1.1 200 OK', ''])
    for (const printed of [
      /^server: OBS$/i,
      /^x-amz-request-id: \S+$/i,
      /^x-amz-id-2: \S+$/i,
      /^date: Wed, 01 Jul 2015 02:2\d:\d\d GMT$/i,
      /^content-length: 0$/i,
    ]) {
      expect(lines.filter((line) => printed.test(line))).toHaveLength(1)
    }
    const versionId = String(
      (await bench.send({ method: 'HEAD', path: `/${bucket}/${key}` })).headers['x-amz-version-id'],
    )
    for (const bypass of ['false', 'true']) {
      const headers = { 'x-amz-bypass-governance-retention': bypass }
      const path = `/${bucket}/${key}`
      const removed = await bench.send({ method: 'DELETE', path, query: { versionId }, headers })
      expect([removed.status, removed.code]).toEqual([403, 'AccessDenied'])
    }
    const read = await bench.send({ method: 'GET', path: `/${bucket}/${key}`, query: { versionId } })
    expect(md5(read.body)).toBe(md5('bytes'))
  })
})

describe('Wasabi: the requests with an absolute-form target', () => {
  const bench = conformance({ defaultProfile: 'wasabi', domain: 'holdfast.example' })
  const bucket = 'qa.objectlock.002'
  const rule = async () => {
    const answer = await bench.send({ method: 'GET', path: `/${bucket}`, query: { 'object-lock': '' } })
    return [answer.status, answer.element('Mode'), answer.element('Days')]
  }

  it('PUT https://s3.wasabisys.com/qa.objectlock.002/?object-lock: the rule is set', async () => {
    const headers = { 'x-amz-bucket-object-lock-enabled': 'true' }
    await bench.send({ method: 'PUT', path: `/${bucket}`, headers })
    const wire = printedRequest('wasabi.pages.json', 'put-configuration-example', bucket, bench)
    expect(wire.target).toBe('https://s3.wasabisys.com/qa.objectlock.002/?object-lock')
    expect(await onTheWire(bench, wire)).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
    expect(await rule()).toEqual([200, 'COMPLIANCE', '10'])
  })

  it('the same without a body and without Content-Length: the rule is cleared, what it stamped is not', async () => {
    const versionId = await bench.put(bucket, 'stamped')
    const wire = printedRequest('wasabi.pages.json', 'clear-as-printed', bucket, bench)
    const { 'Content-Length': length, ...headers } = wire.headers
    expect(length).toBe('0')
    expect(await onTheWire(bench, { ...wire, headers })).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
    expect(await rule()).toEqual([200, null, null])
    const path = `/${bucket}/stamped`
    const removed = await bench.send({ method: 'DELETE', path, query: { versionId } })
    expect([removed.status, removed.code]).toEqual([403, 'AccessDenied'])
    expect((await bench.send({ method: 'GET', path, query: { versionId } })).text).toBe('bytes')
  })
})
