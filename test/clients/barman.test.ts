/** examples/cloudnative-pg with barman's own programs, as Debian has them. */
import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { runCommand } from '../support/clients/command.ts'
import { exampleStore } from '../support/clients/example-store.ts'
import { clientFolder } from '../support/clients/folder.ts'

const folder = clientFolder()
/** As PostgreSQL names and sizes them. */
const segments = ['000000010000000000000001', '000000010000000000000002']
const segmentBytes = 16 * 1024 ** 2

it('barman-cloud: WAL files archived into the locked bucket are locked; deleted, undeleted and restored they are equal', async () => {
  const store = await exampleStore('cloudnative-pg', folder)
  const env = { ...store.environment, ...store.rootEnvironment }
  const barman = async (program: string, ...args: readonly string[]) => {
    const flags = ['--endpoint-url', store.endpoint, ...args]
    const { code, stderr } = await runCommand(`barman-cloud-${program}`, flags, {
      env,
      directory: folder.path('.'),
    })
    return [code, stderr] as const
  }
  const [plain = '', packed = ''] = segments
  folder.random(plain, segmentBytes)
  folder.write(packed, Buffer.alloc(segmentBytes, 'wal'))
  const [place, server] = ['s3://postgres/orders', 'orders']
  expect(await barman('wal-archive', place, server, plain)).toEqual([0, ''])
  expect(await barman('wal-archive', '--gzip', place, server, packed)).toEqual([0, ''])

  const versions = await store.versions()
  expect(versions.map(({ Key }) => Key)).toEqual([
    `orders/orders/wals/0000000100000000/${plain}`,
    `orders/orders/wals/0000000100000000/${packed}.gz`,
  ])
  const address = { Bucket: store.bucket }
  const attempt = await store.s3.deleteObjects({
    ...address,
    Delete: { Objects: versions.map(({ Key, VersionId }) => ({ Key, VersionId })) },
  })
  expect(attempt.Errors?.map(({ Code }) => Code)).toEqual(['AccessDenied', 'AccessDenied'])
  for (const { Key } of versions) {
    expect(await store.s3.headObject({ ...address, Key })).toMatchObject({ ObjectLockMode: 'COMPLIANCE' })
  }

  await store.s3.deleteObjects({ ...address, Delete: { Objects: versions.map(({ Key }) => ({ Key })) } })
  const [code] = await barman('wal-restore', place, server, plain, 'missing')
  expect(code).not.toBe(0)
  expect((await store.undelete('orders/')).stdout).toBe('2 markers removed\n')
  for (const segment of segments) {
    expect(await barman('wal-restore', place, server, segment, `${segment}.back`)).toEqual([0, ''])
    expect(readFileSync(folder.path(`${segment}.back`)).equals(readFileSync(folder.path(segment)))).toBe(true)
  }
})
