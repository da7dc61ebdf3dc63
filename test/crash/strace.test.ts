/** How lines of strace are read. */
import { expect, it } from 'vitest'
import { parseThread } from '../support/crash/strace.ts'

it('parseThread: calls on files, sockets and paths, cut lines left out', () => {
  const lines = [
    '17.5 fdatasync(23</d/kv/data.mdb>) = 0 (DELAYED) <0.300000>',
    '18.0 write(26<TCP:[127.0.0.1:1->127.0.0.1:2]>, "HTTP/1.1 200 OK\\r\\n"..., 391) = 391 <0.5>',
    '19.0 link("/d/stage/a", "/d/bodies/a") = -1 EIO (Input/output error) (INJECTED) <0.1>',
    '19.5 link("/proc/self/fd/9/stage/a", "/proc/self/fd/9/bodies/a") = 0 <0.1>',
    '20.0 read(26<TCP:[127.0.0.1:1->127.0.0.1:2]>,  <detached ...>',
  ].join('\n')
  const calls = parseThread(lines, 7, {
    synchronous: new Set([23]),
    pathOf: (descriptor) => (descriptor === 9 ? '/d' : null),
  })
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
    { name: 'link', descriptor: null, target: '/d/bodies/a', text: '/d/stage/a', result: 0 },
  ])
  expect(calls[1]?.text.startsWith('HTTP/1.1 200')).toBe(true)
})
