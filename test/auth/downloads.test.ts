import { afterAll, beforeAll, expect, test } from 'vitest'
import { untilNoBodyIsOpen } from '../support/open-bodies.ts'
import { headText, openConnection } from '../support/raw-http.ts'
import { startTestServer, type TestServer } from '../support/server.ts'

let server: TestServer
const sizeBytes = 8 * 1024 ** 2

beforeAll(async () => {
  server = await startTestServer()
  await server.client.send({ method: 'PUT', path: '/download-bucket' })
  await server.client.send({
    method: 'PUT',
    path: '/download-bucket/big',
    body: Buffer.alloc(sizeBytes, 'abc'),
  })
})
afterAll(() => server.stop())

test('Download: broken off by many clients, no file stays open and the next one is whole', async () => {
  const wire = server.client.wire({ method: 'GET', path: '/download-bucket/big' })
  await Promise.all(
    Array.from({ length: 20 }, async () => {
      const connection = await openConnection(server.endpoint)
      connection.write(headText(wire))
      await connection.until(/\r\n\r\nabc/)
      connection.close()
    }),
  )
  await untilNoBodyIsOpen(server)
  const answer = await server.client.send({ method: 'GET', path: '/download-bucket/big' })
  expect([answer.status, answer.body.length]).toEqual([200, sizeBytes])
  expect(server.logs()).toBe('')
})

test('Download: several asked for at once, then the connection breaks, no file stays open for those that waited', async () => {
  const wire = server.client.wire({ method: 'GET', path: '/download-bucket/big' })
  for (let count = 0; count < 5; count += 1) {
    const connection = await openConnection(server.endpoint)
    connection.write(headText(wire).repeat(4))
    await connection.until(/\r\n\r\nabc/)
    connection.socket.pause()
    connection.close()
  }
  await untilNoBodyIsOpen(server)
  expect(server.logs()).toBe('')
})

test('Download: a client that stops reading, others are served meanwhile', async () => {
  const stuck = await openConnection(server.endpoint)
  stuck.write(headText(server.client.wire({ method: 'GET', path: '/download-bucket/big' })))
  await stuck.until(/\r\n\r\nabc/)
  stuck.socket.pause()
  for (let index = 0; index < 4; index += 1) {
    const answer = await server.client.send({ method: 'GET', path: '/download-bucket/big' })
    expect(answer.body.length).toBe(sizeBytes)
  }
  stuck.close()
})

test('Download: several requests on one connection at once, answered in their order', async () => {
  const connection = await openConnection(server.endpoint)
  const first = server.client.wire({ method: 'GET', path: '/download-bucket', query: { location: '' } })
  const second = server.client.wire({ method: 'GET', path: '/download-bucket', query: { versioning: '' } })
  connection.write(headText(first) + headText(second))
  const text = await connection.until(/VersioningConfiguration/)
  expect(text).toMatch(/LocationConstraint.*VersioningConfiguration/s)
  connection.close()
})
