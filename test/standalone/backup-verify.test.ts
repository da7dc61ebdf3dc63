/** `holdfast backup --verify on` beside a running server, as a user runs it. */
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { conformance } from '../support/conformance.ts'
import { holdfast } from '../support/holdfast.ts'

const bench = conformance()
const to = mkdtempSync(join(tmpdir(), 'holdfast-backup-verify-'))
afterAll(() => rmSync(to, { recursive: true, force: true }))
const body = 'b'.repeat(200_000)

/** The one file with the object's size. */
function bodyFile(directory: string): string {
  const files = readdirSync(join(directory, 'bodies'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => readFileSync(path).length === body.length)
  expect(files).toHaveLength(1)
  return files[0] ?? ''
}

function rot(path: string): void {
  const bytes = readFileSync(path)
  bytes.writeUInt8(bytes.readUInt8(0) ^ 1, 0)
  chmodSync(path, 0o600)
  writeFileSync(path, bytes)
}

test('backup --verify on: mends the backup by the volume, and tells of the volume what the backup cannot mend', async () => {
  const { dataDirectory } = bench.server()
  const backup = ['backup', '--data', dataDirectory, '--to', to]
  const bucket = await bench.bucket('locked')
  await bench.put(bucket, 'a', { body })
  expect((await holdfast(...backup)).code).toBe(0)
  const copy = bodyFile(to)

  rot(copy)
  expect((await holdfast(...backup, '--verify', 'off')).code).toBe(0)
  expect(readFileSync(copy, 'utf8')).not.toBe(body)
  const mended = await holdfast(...backup, '--verify', 'on')
  expect([mended.code, mended.stderr]).toEqual([0, ''])
  expect(mended.stdout).toMatch(/^replaced in the backup: body [0-9a-f]{32} block 0 is damaged\n/)
  expect(mended.stdout).toMatch(/ 1 were damaged there and are replaced, \d+ are gone; whole\n$/)
  expect(readFileSync(copy, 'utf8')).toBe(body)

  rot(bodyFile(dataDirectory))
  expect((await holdfast(...backup)).code).toBe(0)
  const told = await holdfast(...backup, '--verify', 'on')
  expect([told.code, told.stderr]).toEqual([1, ''])
  expect(told.stdout).toMatch(/^damaged: body [0-9a-f]{32} block 0 is damaged\n/)
  expect(told.stdout).toContain('; 1 damaged\n')
  expect(told.stdout).toMatch(
    /\nholdfast verify --data .* names the bucket, key and version of what is damaged\n$/,
  )
  expect(readFileSync(copy, 'utf8')).toBe(body)
  const refused = await holdfast(...backup, '--verify', 'yes')
  expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining('neither on nor off') })
})
