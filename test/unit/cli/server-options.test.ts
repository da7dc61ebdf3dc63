import { expect, test } from 'vitest'
import { serverFailure } from '../../../src/cli/server-options.ts'

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
