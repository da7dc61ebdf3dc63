/** Requests that race on one version over two workers: what was answered must fit one order of them (I5). */
import { expect, test } from 'vitest'
import { conformance, md5 } from '../../support/conformance.ts'
import { until } from '../../support/crash/processes.ts'
import { readVolume, rowsOf } from '../../support/crash/volume-state.ts'

const { server, send, document, bucket, put, retain, hold, inDays } = conformance()
const rounds = 30

const remove = (name: string, key: string, versionId: string) =>
  send({ method: 'DELETE', path: `/${name}/${key}`, query: { versionId } })

/** The server collects it at its start. */
async function collectGarbage(): Promise<void> {
  await server().restart()
  const directory = server().dataDirectory
  await until('no garbage waits', async () => {
    const rows = await readVolume(directory, (reader) => rowsOf(reader, 'garbage'))
    return rows.length === 0
  })
}

test('B-42 a lock and a delete of one version: never do both succeed (I5)', async () => {
  const name = await bucket('locked')
  for (let round = 0; round < rounds; round += 1) {
    const key = `key-${round}`
    const versionId = await put(name, key)
    const target = { bucket: name, key, versionId }
    const lock = round % 2 === 0 ? retain(target, 'COMPLIANCE', inDays(1)) : hold(target, 'ON')
    const [locked, ...removed] = await Promise.all([
      lock,
      remove(name, key, versionId),
      remove(name, key, versionId),
    ])
    const read = await send({ method: 'GET', path: `/${name}/${key}`, query: { versionId } })
    if (locked.status === 200) {
      expect([read.status, ...removed.map(({ status }) => status)]).toEqual([200, 403, 403])
    } else {
      expect([locked.status, read.status]).toEqual([404, 404])
    }
  }
})

test('copies of a body whose other holders go: each copy that was answered keeps its bytes', async () => {
  const plain = await bucket('unversioned')
  const name = await bucket('locked')
  const copies: { readonly key: string; readonly body: Buffer }[] = []
  for (let round = 0; round < rounds; round += 1) {
    const body = Buffer.alloc(round % 2 === 0 ? 900 : 90_000, `body ${round} `)
    await put(plain, 'source', { body })
    const copy = async (key: string) => {
      const headers = {
        'x-amz-copy-source': `${plain}/source`,
        'x-amz-object-lock-legal-hold': 'ON',
        'x-amz-copy-source-if-match': `"${Buffer.from(md5(body), 'base64').toString('hex')}"`,
      }
      const answer = await send({ method: 'PUT', path: `/${name}/${key}`, headers })
      if (answer.status === 200) copies.push({ key, body })
      else expect([404, 412]).toContain(answer.status)
    }
    await Promise.all([
      copy(`a-${round}`),
      copy(`b-${round}`),
      round % 3 === 0
        ? put(plain, 'source', { body: 'other' })
        : send({ method: 'DELETE', path: `/${plain}/source` }),
      copy(`c-${round}`),
    ])
  }
  expect(copies.length).toBeGreaterThan(0)
  await collectGarbage()
  for (const { key, body } of copies) {
    const read = await send({ method: 'GET', path: `/${name}/${key}` })
    expect([key, read.status, read.body.equals(body)]).toEqual([key, 200, true])
  }
})

test('parts that are replaced while the upload is completed or aborted: a locked version keeps its bytes', async () => {
  const name = await bucket('locked')
  const completed: string[] = []
  for (let round = 0; round < rounds; round += 1) {
    const key = `upload-${round}`
    const path = `/${name}/${key}`
    const headers = { 'x-amz-object-lock-legal-hold': 'ON' }
    const created = await send({ method: 'POST', path, query: { uploads: '' }, headers })
    const uploadId = created.element('UploadId') ?? ''
    const part = (text: string) => {
      const body = Buffer.alloc(90_000, text)
      const query = { uploadId, partNumber: '1' }
      return send({ method: 'PUT', path, query, body, headers: { 'content-md5': md5(body) } })
    }
    const etag = String((await part('first ')).headers['etag'])
    const body = `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${etag}</ETag></Part></CompleteMultipartUpload>`
    const complete = () => send({ method: 'POST', path, query: { uploadId }, body })
    const answers = await Promise.all([
      complete(),
      part('second '),
      complete(),
      round % 2 === 0 ? part('third ') : send({ method: 'DELETE', path, query: { uploadId } }),
    ])
    for (const answer of [answers[0], answers[2]]) {
      if (answer?.status === 200) completed.push(key)
      else expect(['InvalidPart', 'NoSuchUpload', 'SlowDown']).toContain(answer?.code)
    }
  }
  expect(completed.length).toBeGreaterThan(0)
  await collectGarbage()
  const wanted = Buffer.alloc(90_000, 'first ')
  for (const key of completed) {
    const read = await send({ method: 'GET', path: `/${name}/${key}` })
    expect([key, read.status, read.body.equals(wanted)]).toEqual([key, 200, true])
  }
})

test('[DeleteObjects.7] a lock and a DeleteObjects of one version: never do both succeed', async () => {
  const name = await bucket('locked')
  for (let round = 0; round < rounds; round += 1) {
    const key = `many-${round}`
    const versionId = await put(name, key)
    const neighbour = await put(name, `${key}-neighbour`)
    const entry = (entryKey: string, id: string) =>
      `<Object><Key>${entryKey}</Key><VersionId>${id}</VersionId></Object>`
    const body = `<Delete>${entry(`${key}-neighbour`, neighbour)}${entry(key, versionId)}</Delete>`
    const [locked, removed] = await Promise.all([
      retain({ bucket: name, key, versionId }, 'COMPLIANCE', inDays(1)),
      document({ method: 'POST', path: `/${name}`, query: { delete: '' }, body }),
    ])
    const read = await send({ method: 'GET', path: `/${name}/${key}`, query: { versionId } })
    const expected = locked.status === 200 ? [200, 200, 1, 1] : [404, 404, 2, 0]
    const counted = [removed.text.split('<Deleted>').length - 1, removed.text.split('<Error>').length - 1]
    expect([locked.status, read.status, ...counted]).toEqual(expected)
  }
})

test('[DeleteBucket.3] a write and a DeleteBucket: never is an object acknowledged in a bucket that is gone', async () => {
  for (let round = 0; round < rounds; round += 1) {
    const name = await bucket('locked')
    const headers = { 'x-amz-object-lock-legal-hold': 'ON', 'content-md5': md5('x') }
    const [written, removed] = await Promise.all([
      send({ method: 'PUT', path: `/${name}/key`, body: 'x', headers }),
      send({ method: 'DELETE', path: `/${name}` }),
    ])
    const read = await send({ method: 'GET', path: `/${name}/key` })
    expect([
      [200, 409, 200],
      [404, 204, 404],
    ]).toContainEqual([written.status, removed.status, read.status])
  }
})
