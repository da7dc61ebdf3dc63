/** The commands that read a volume while no server serves it, as a user runs them. */
import { createHash } from 'node:crypto'
import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync, truncateSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { silentLog } from '../../src/lib/log.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { openVolumeOwner } from '../../src/server/open-volume.ts'
import { conformance } from '../support/conformance.ts'
import { holdfast, startHoldfast } from '../support/holdfast.ts'

const bench = conformance()
const body = 'b'.repeat(200_000)

type Line = {
  readonly sequence: number
  readonly previousHash: string
  readonly hash: string
  readonly record: object
}

describe('commands on a volume at rest', () => {
  test('verify and audit verify: refused beside a server, clean after kill -9, and damage is named; audit export: the same beside a server', async () => {
    const { dataDirectory, kill9, start, volumeId } = bench.server()
    const at = ['--data', dataDirectory]
    const bucket = await bench.bucket('locked', { rule: '<Mode>COMPLIANCE</Mode><Days>3</Days>' })
    const versionId = await bench.put(bucket, 'a key/with spaces', { body })
    for (const command of [['verify'], ['audit', 'verify']]) {
      const refused = await holdfast(...command, ...at)
      expect(refused).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('is in use') })
    }
    const beside = await holdfast('audit', 'export', ...at)
    expect(beside).toMatchObject({ code: 0, stderr: '' })
    await bench.put(bucket, 'later', { body: 'later' })
    await kill9()

    const clean = await holdfast('verify', ...at)
    expect(clean).toMatchObject({ code: 0, stderr: '' })
    expect(clean.stdout).toMatch(
      /^verified \d+ versions, \d+ bytes, \d+ rows, \d+ audit records: nothing found\n$/,
    )

    const chain = await holdfast('audit', 'verify', ...at)
    const [, count, hash] = /^unbroken: (\d+) records, head \d+ ([0-9a-f]{64})\n$/.exec(chain.stdout) ?? []
    const exported = (await holdfast('audit', 'export', ...at)).stdout.trimEnd().split('\n')
    expect(JSON.parse(exported.at(-1) ?? '')).toEqual({ volumeId, head: { sequence: Number(count), hash } })
    const before = beside.stdout.trimEnd().split('\n').slice(0, -1)
    expect(before.at(-1)).toContain('a key/with spaces')
    expect(exported.slice(0, before.length)).toEqual(before)
    const lines = exported.slice(0, -1).map((line) => JSON.parse(line) as Line)
    expect(lines.length).toBe(Number(count))
    let previousHash = '0'.repeat(64)
    for (const [index, line] of lines.entries()) {
      const number = Buffer.alloc(8)
      number.writeBigUInt64BE(BigInt(index + 1))
      const bytes = [number, Buffer.from(previousHash, 'hex'), Buffer.from(JSON.stringify(line.record))]
      const own = createHash('sha256').update(Buffer.concat(bytes)).digest('hex')
      expect(line).toMatchObject({ sequence: index + 1, previousHash, hash: own })
      previousHash = own
    }
    expect(previousHash).toBe(hash)
    const rest = (await holdfast('audit', 'export', String(Number(count) - 1), ...at)).stdout.trimEnd()
    expect(rest.split('\n').map((line) => JSON.parse(line))).toEqual([
      lines.at(-1),
      JSON.parse(exported.at(-1) ?? ''),
    ])

    const path = bodyFile(join(dataDirectory, 'bodies'), body.length)
    chmodSync(path, 0o600)
    truncateSync(path, 1000)
    const damaged = await holdfast('verify', ...at)
    expect(damaged.code).toBe(1)
    expect(damaged.stdout).toMatch(
      new RegExp(
        `^s3://${bucket}/a key/with spaces\\?versionId=${versionId}: body [0-9a-f]{32} has 1000 bytes`,
      ),
    )
    expect(damaged.stdout).toMatch(/audit records: 1 findings\n$/)
    await start()
  })

  test('a store that was cut off: every command that opens it, and a server, say which file, what is wrong and what to do', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'holdfast-cut-'))
    const data = join(directory, 'data')
    try {
      const owner = await openVolumeOwner({ directory: data, clock: systemClock(), log: silentLog })
      await owner.close()
      truncateSync(join(data, 'kv/data.mdb'), 10_000)
      const key = (name: string) => ({
        [`HOLDFAST_${name}ACCESS_KEY_ID`]: `${name}KEY`,
        [`HOLDFAST_${name}SECRET_ACCESS_KEY`]: 'secret-of-this-test-alone',
      })
      const commands = [
        ['verify', '--data', data],
        ['audit', 'verify', '--data', data],
        ['backup', '--data', data, '--to', join(directory, 'backup')],
        ['restore', '--from', data, '--data', join(directory, 'new')],
        ['server', '--data', data, '--s3-listen', '127.0.0.1:0', '--admin-listen', '127.0.0.1:0'],
      ]
      for (const command of commands) {
        const { ended } = startHoldfast(command, { ...key(''), ...key('OPERATOR_') })
        expect(await ended, command.join(' ')).toMatchObject({
          code: 1,
          stderr: expect.stringMatching(/data\/kv\/data\.mdb is damaged: it was cut off.*restore a backup/),
        })
      }
      expect(readdirSync(directory)).toEqual(['data'])
    } finally {
      rmSync(directory, { recursive: true })
    }
  })

  test('no volume, no such action: exit 2, what is wrong, and nothing is made', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'holdfast-none-'))
    try {
      for (const command of [['verify'], ['audit', 'verify']]) {
        const refused = await holdfast(...command, '--data', directory)
        expect(refused).toMatchObject({
          code: 2,
          stderr: expect.stringContaining(`no volume in ${directory}`),
        })
      }
      expect(readdirSync(directory)).toEqual([])
      for (const args of [[], ['verify', '7'], ['export', 'all']]) {
        expect(await holdfast('audit', ...args), args.join(' ')).toEqual({
          ...{ code: 2, stdout: '' },
          stderr: 'holdfast audit verify | export [AFTER_SEQUENCE] | checkpoint\n',
        })
      }
    } finally {
      rmSync(directory, { recursive: true })
    }
  })
})

/** The path of the one body of this size. */
function bodyFile(directory: string, sizeBytes: number): string {
  const files = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  )
  const paths = files.map(({ parentPath, name }) => join(parentPath, name))
  const [path, ...others] = paths.filter((each) => statSync(each).size === sizeBytes)
  if (path === undefined || others.length > 0) throw new Error('there is one body of this size')
  return path
}
