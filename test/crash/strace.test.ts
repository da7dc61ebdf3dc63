/** How lines of strace are read. */
import { expect, it } from 'vitest'
import { parseThread } from '../support/crash/strace.ts'

it('parseThread: calls on files, sockets and paths, cut lines left out', () => {
  const lines = [
    '17.5 fdatasync(23</d/kv/data.mdb>) = 0 (DELAYED) <0.300000>',
    '18.0 write(26<TCP:[127.0.0.1:1->127.0.0.1:2]>, "HTTP/1.1 200 OK\\r\\n"..., 391) = 391 <0.5>',
    '19.0 link("/d/stage/a", "/d/bodies/a") = -1 EIO (Input/output error) (INJECTED) <0.1>',
    '20.0 read(26<TCP:[127.0.0.1:1->127.0.0.1:2]>,  <detached ...>',
  ].join('\n')
  const calls = parseThread(lines, 7, new Set([23]))
  expect(calls).toMatchObject([
    {
      process: 7,
      name: 'fdatasync',
      start: 17.5,
      end: 17.8,
      target: '/d/kv/data.mdb',
      isSynchronous: true,
    },
    { name: 'write', target: 'TCP:[127.0.0.1:1->127.0.0.1:2]', result: 391, isSynchronous: false },
    { name: 'link', descriptor: null, target: '/d/bodies/a', result: -1 },
  ])
  expect(calls[1]?.text.startsWith('HTTP/1.1 200')).toBe(true)
})
