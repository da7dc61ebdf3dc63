import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, request as httpRequest } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { createTestAuthority, type TestAuthority } from '../support/certificate.ts'
import { rootCredentials, startTestServer, type TestServer } from '../support/server.ts'
import { root } from '../support/standalone.ts'

let server: TestServer
let authority: TestAuthority
const folder = mkdtempSync(join(tmpdir(), 'holdfast-self-test-'))

beforeAll(async () => {
  authority = createTestAuthority(folder)
  server = await startTestServer({ certificate: authority.issue('server') })
})
afterAll(async () => {
  await server.stop()
  rmSync(folder, { recursive: true })
})

async function selfTest(args: readonly string[], secretAccessKey = rootCredentials.secretAccessKey) {
  const child = spawn(process.execPath, [join(root, 'bin/holdfast'), 'self-test', ...args], {
    env: {
      PATH: process.env['PATH'],
      HOLDFAST_ACCESS_KEY_ID: secretAccessKey === '' ? '' : rootCredentials.accessKeyId,
      HOLDFAST_SECRET_ACCESS_KEY: secretAccessKey,
    },
  })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  const [code] = (await once(child, 'close')) as [number]
  return { code, stdout, stderr }
}

async function bucketNames(): Promise<string[]> {
  const { text } = await server.client.send({ method: 'GET', path: '/' })
  return [...text.matchAll(/<Name>(self-test-[^<]*)<\/Name>/g)].map(([, name = '']) => name)
}

/** In front of the real server: it claims that every version was deleted. */
async function startLyingServer(): Promise<string> {
  const liar = createServer((incoming, outgoing) => {
    if (incoming.method === 'DELETE' && incoming.url?.includes('versionId=')) {
      outgoing.writeHead(204).end()
      return
    }
    const { method = 'GET', url = '/', headers } = incoming
    const forwarded = httpRequest(server.endpoint, { method, path: url, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 500, answer.headers)
      answer.pipe(outgoing)
    })
    incoming.pipe(forwarded)
  })
  liar.listen(0, '127.0.0.1')
  await once(liar, 'listening')
  onTestFinished(() => {
    liar.close()
    liar.closeAllConnections()
  })
  const address = liar.address()
  if (typeof address !== 'object' || address === null) throw new Error('a listening server has an address')
  return `http://127.0.0.1:${address.port}`
}

describe('holdfast self-test', () => {
  test('self-test: each refusal is seen, exit 0, and nothing of it is left', async () => {
    const { code, stdout, stderr } = await selfTest(['--server-s3', server.endpoint])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout.split('\n').map((line) => line.replace(/self-test-\w+|version \w{16,}/, '…'))).toEqual([
      'bucket … with Object Lock',
      '… under legal hold',
      'DeleteObject of the held version: refused, AccessDenied',
      'DeleteObject of the held version with bypass of GOVERNANCE: refused, AccessDenied',
      'the held version is there, with its bytes',
      'hold lifted, version and bucket removed',
      'proved: what is held cannot be deleted',
      '',
    ])
    expect(await bucketNames()).toEqual([])
  })

  test('self-test over HTTPS: with --server-ca exit 0, without it exit 1', async () => {
    const endpoint = server.tlsEndpoint ?? ''
    expect(await selfTest(['--server-s3', endpoint, '--server-ca', authority.caPath])).toMatchObject({
      code: 0,
    })
    const stranger = await selfTest(['--server-s3', endpoint])
    expect(stranger).toMatchObject({ code: 1, stderr: expect.stringContaining('S3 did not answer') })
  })

  test('self-test: a server that deletes a held version, exit 3 and what it answered', async () => {
    const { code, stdout, stderr } = await selfTest(['--server-s3', await startLyingServer()])
    expect(code).toBe(3)
    expect(stderr).toContain(
      'DeleteObject of the held version was answered with success, not with AccessDenied',
    )
    expect(stdout).not.toContain('proved')
    const [left = ''] = await bucketNames()
    expect(stdout).toContain(`bucket ${left} stays`)
  })

  test('self-test: no key, exit 2; a wrong one or no server, exit 1', async () => {
    expect(await selfTest(['--server-s3', server.endpoint], '')).toMatchObject({ code: 2 })
    const wrong = await selfTest(['--server-s3', server.endpoint], 'wrong')
    expect(wrong).toMatchObject({ code: 1, stderr: expect.stringContaining('signature') })
    expect(await selfTest(['--server-s3', 'http://127.0.0.1:9'])).toMatchObject({ code: 1 })
  })
})
