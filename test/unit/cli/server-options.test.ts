import { expect, test } from 'vitest'
import { certificateFiles, defaultWorkerCount, serverFailure } from '../../../src/cli/server-options.ts'

test('serverFailure: what the system says, with what to do about it', () => {
  const failures = [
    ["EACCES: permission denied, mkdir 'data'", '--data must be a directory that this user may write'],
    ["EROFS: read-only file system, open 'data/kv'", '--data must be a directory that this user may write'],
    ['bind EADDRINUSE 127.0.0.1:9000', 'choose another port'],
  ] as const
  for (const [message, advice] of failures) {
    const sentence = serverFailure(new Error(message))
    expect(sentence).toContain(message)
    expect(sentence).toContain(advice)
  }
  expect(serverFailure(new Error('the volume is damaged'))).toBe('the volume is damaged')
})

test('certificateFiles: settings that do not go together, refused with what to do', () => {
  const address = { host: '::', port: 9000 }
  const plain = { s3Listen: address, s3TlsListen: null, tlsCert: null, tlsKey: null }
  expect(certificateFiles(plain)).toBeNull()
  expect(() => certificateFiles({ ...plain, s3Listen: null })).toThrow('S3 would be served nowhere')
  expect(() => certificateFiles({ ...plain, s3TlsListen: address })).toThrow('needs --tls-cert and --tls-key')
  expect(() => certificateFiles({ ...plain, tlsCert: 'server.crt' })).toThrow('are given together')
  expect(() => certificateFiles({ ...plain, tlsCert: 'a/none.crt', tlsKey: 'a/none.key' })).toThrow(
    'a/none.crt cannot be read',
  )
})

const gib = 1024 ** 3

test.each([
  ['a small machine', 1, 24 * gib, 2],
  ['a core and memory for each', 8, 24 * gib, 8],
  ['the limit of the chart on a large machine', 64, 2 * gib, 8],
  ['little memory', 64, gib / 4, 2],
])('workers: %s', (_given, cores, bytes, count) => {
  expect(defaultWorkerCount(cores, bytes)).toBe(count)
})
