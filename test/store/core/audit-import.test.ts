/** An exported audit log, read back: what the chain does not carry is not believed. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { readAuditHead } from '../../../src/store/audit-chain.ts'
import { type AuditLine, type DamagedAuditLine, exportAudit } from '../../../src/store/audit-export.ts'
import {
  type AuditAnchor,
  type AuditBreaks,
  exportedAfter,
  verifyExport,
} from '../../../src/store/audit-import.ts'
import { hex } from '../../../src/store/hex.ts'
import { chainHash, chainValue, logKey } from '../../../src/store/kv/chain.ts'
import { engines, tampered } from '../base/support.ts'
import { actor, openRig, type Rig } from './rig.ts'

const refuse: AuditBreaks = { kind: 'refuse' }

async function* each<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items
}

async function all<T>(items: AsyncIterable<T>): Promise<readonly T[]> {
  const found: T[] = []
  for await (const item of items) found.push(item)
  return found
}

describe('an exported audit log', () => {
  const [engine] = engines
  let rig: Rig
  let lines: string[]
  let hashes: string[]
  beforeEach(async () => {
    if (engine === undefined) throw new Error('there is an engine')
    rig = await openRig(engine)
    for (const name of ['one', 'two', 'three'])
      await rig.buckets.create(actor, { name, accountId: '1'.repeat(12), region: 'r', objectLock: 'none' })
    const head = await readAuditHead(rig.kv)
    const records: (AuditLine | DamagedAuditLine)[] = []
    for await (const page of exportAudit(rig.kv, { afterSequence: 0, head })) records.push(...page)
    const end = { volumeId: 'volume', head: { sequence: head.sequence, hash: hex(head.hash) } }
    lines = [...records, end].map((line) => JSON.stringify(line))
    hashes = records.map((line) => ('hash' in line ? line.hash : ''))
  })
  afterEach(() => rig.close())
  const verify = (given: readonly string[], anchors: readonly AuditAnchor[], breaks: AuditBreaks = refuse) =>
    verifyExport(each(given), { anchors, breaks })
  const anchor = (sequence: number) => ({ sequence, hash: hashes[sequence - 1] ?? '0'.repeat(64) })

  test('verifyExport: unbroken, says where it ends and whether it goes through a record', async () => {
    expect(lines).toHaveLength(4)
    for (const sequence of [0, 1, 2, 3]) {
      const log = await verify(lines, [anchor(sequence)])
      expect(log).toMatchObject({
        kind: 'read',
        volumeId: 'volume',
        head: { sequence: 3 },
        passed: [anchor(sequence)],
      })
    }
    const later = await verify(lines.slice(1), [anchor(1)])
    expect(later).toMatchObject({ kind: 'read', passed: [anchor(1)] })
    const tooLate = await verify(lines.slice(2), [anchor(1)])
    expect(tooLate).toMatchObject({ kind: 'read', passed: [] })
    const foreign = { sequence: 2, hash: 'f'.repeat(64) }
    const some = await verify(lines, [anchor(3), foreign, anchor(2)])
    expect(some).toMatchObject({ kind: 'read', passed: [anchor(3), anchor(2)] })
    const [end = ''] = lines.slice(-1)
    const empty = await verify([end], [anchor(3), anchor(2)])
    expect(empty).toMatchObject({ kind: 'read', passed: [anchor(3)] })
  })

  async function sequencesOf(given: readonly string[]): Promise<number[]> {
    const found: number[] = []
    const log = { anchor: anchor(1), checkpoints: [], head: anchor(3), breakCount: 0 }
    for await (const { sequence } of exportedAfter(each(given), log)) found.push(sequence)
    return found
  }

  test('exportedAfter: the log that was verified, its records behind the anchor', async () => {
    expect(await sequencesOf(lines)).toEqual([2, 3])
    expect(await sequencesOf(lines.slice(1))).toEqual([2, 3])
  })

  test('exportedAfter: the log is another one by now, throws', async () => {
    const [one = '', two = '', three = '', end = ''] = lines
    const shorter = JSON.stringify({ volumeId: 'volume', head: anchor(2) })
    const others = [
      [[], 'it is another log now: it does not end with a head'],
      [[one, two, three], 'it is another log now: it does not end with a head'],
      [[one, two, shorter], 'it is another log now: it ends elsewhere'],
      [[three, end], 'it is another log now: it ends elsewhere'],
      [[one, two.replace('"two"', '"six"'), three, end], 'its hash is not that of its record'],
    ] as const
    for (const [given, cause] of others) await expect(sequencesOf(given)).rejects.toThrow(cause)
  })

  test('verifyExport: changed, missing, reordered, cut off or continued, is broken', async () => {
    const [one = '', two = '', three = '', end = ''] = lines
    const broken = [
      [[one, two.replace('"two"', '"six"'), three, end], 'line 2: its hash is not that of its record'],
      [[one, three, end], 'line 2: it does not continue the line before'],
      [[two, one, three, end], 'line 2: it does not continue the line before'],
      [[one, two, three], 'it does not end with a head'],
      [[one, two, end], 'the last record is not the head'],
      [[one, two, three, end, end], 'line 5: there is a line behind the head'],
      [['{'], 'line 1: it is not JSON'],
      [['[]'], 'line 1: it is not an object'],
      [[one.replace('"sequence":1', '"sequence":0'), end], 'line 1: records are numbered from 1'],
      [[one.replace('"record"', '"other"'), end], 'line 1: stored record'],
      [[one, asUnreadable(two), three, end], 'line 2: it calls a record unreadable that can be read'],
      [[], 'it does not end with a head'],
    ] as const
    for (const [given, cause] of broken) {
      const log = await verify(given, [anchor(1)])
      expect(log).toEqual({
        kind: expect.stringMatching(/^(broken|noLog)$/),
        cause: expect.stringContaining(cause),
      })
    }
  })

  const accepted = [
    [
      'a changed record',
      (one, two, three, end) => [one, changed(two), three, end],
      [3],
      [2],
      /^line 3: it does/,
    ],
    [
      'a missing record',
      (one, _two, three, end) => [one, three, end],
      [3],
      [],
      /^line 2: it does not continue/,
    ],
    [
      'a line that cannot be read',
      (one, _two, three, end) => [one, '{', three, end],
      [3],
      [],
      /^line 2: .* JSON/,
    ],
    [
      'a line that is not its hash’s',
      (one, two, three, end) => [one, two.replace('"two"', '"six"'), three, end],
      [3],
      [],
      /^line 2: its hash is not/,
    ],
    [
      'a changed last record',
      (one, two, three, end) => [one, two, changed(three), end],
      [2],
      [3],
      /^line 4: the last/,
    ],
    [
      'a missing last record',
      (one, two, _three, end) => [one, two, end],
      [],
      [2],
      /^line 3: the last record/,
    ],
  ] as const satisfies readonly (readonly [
    string,
    (one: string, two: string, three: string, end: string) => readonly string[],
    readonly number[],
    readonly number[],
    RegExp,
  ])[]

  test.each(accepted)(
    'breaks are accepted: %s, is told, and only what the chain names is taken',
    async (...row) => {
      const [, change, taken, doubted, sentence] = row
      const [one = '', two = '', three = '', end = ''] = lines
      const given = change(one, two, three, end)
      const breaks: string[] = []
      const onBreak = (text: string) => breaks.push(text)
      const log = await verify(given, [anchor(1), anchor(3)], { kind: 'accept', onBreak })
      expect(breaks).toEqual([expect.stringMatching(sentence)])
      // What lies behind a break is vouched for by nothing before it.
      const some = { kind: 'read', passed: [anchor(1), anchor(3)], linked: [anchor(1)], breakCount: 1 }
      expect(log).toMatchObject(some)
      const found = { taken: [] as number[], doubted: [] as number[] }
      const verified = { anchor: anchor(1), checkpoints: [], head: anchor(3), breakCount: 1 }
      for await (const line of exportedAfter(each(given), verified))
        found['doubted' in line ? 'doubted' : 'taken'].push(line.sequence)
      expect(found).toEqual({ taken, doubted })
      expect(await verify(given, [anchor(1)])).toMatchObject({ kind: 'broken' })
    },
  )

  test('breaks are accepted: of a log without any, everything is linked; another count of them is another log', async () => {
    const breaks = { kind: 'accept', onBreak: (text: string) => expect.unreachable(text) } as const
    const log = await verify(lines, [anchor(1), anchor(3)], breaks)
    expect(log).toMatchObject({ linked: [anchor(1), anchor(3)], breakCount: 0 })
    const others = exportedAfter(each(lines), {
      ...{ anchor: anchor(1), checkpoints: [], head: anchor(3), breakCount: 1 },
    })
    await expect(all(others)).rejects.toThrow('it is another log now: it ends elsewhere')
  })

  test('breaks are accepted: a record that a checkpoint names is taken, also where nothing readable follows it', async () => {
    const [one = '', two = '', , end = ''] = lines
    const given = [one, two, 'no line', end]
    const verified = { anchor: anchor(1), checkpoints: [anchor(2)], head: anchor(3), breakCount: 1 }
    expect(await all(exportedAfter(each(given), verified))).toEqual([JSON.parse(two)])
    const unknown = await all(exportedAfter(each(given), { ...verified, checkpoints: [] }))
    expect(unknown).toEqual([{ sequence: 2, doubted: JSON.parse(two) }])
  })

  test('breaks are accepted: what has no head, or something behind it, is no log all the same', async () => {
    const breaks = { kind: 'accept', onBreak: () => undefined } as const
    const [one = '', two = '', three = '', end = ''] = lines
    const shorter = JSON.stringify({ volumeId: 'volume', head: anchor(2) })
    for (const given of [
      [one, two, three],
      [...lines, end],
      [one, two, three, shorter],
      // Lines that somebody put in front of the real ones, or between them and a head of before.
      [three, two, three, end],
      [two, one, two, three, end],
      [one, two, three, 'no line', shorter],
    ])
      expect(await verify(given, [anchor(1)], breaks)).toMatchObject({ kind: 'noLog' })
  })

  test('exportAudit: a value without number or previous hash, is a line of its bytes and ends nothing', async () => {
    for (const [sequence, damaged] of [
      [2, Uint8Array.of(1, 2, 3)],
      [2, new Uint8Array(60).fill(255)],
    ] as const) {
      const head = await readAuditHead(rig.kv)
      const reader = tampered(rig.kv, logKey('audit', sequence), () => damaged)
      const found = (await all(exportAudit(reader, { afterSequence: 0, head }))).flat()
      expect(found.map((line) => line.sequence)).toEqual([1, 2, 3])
      expect(found[1]).toEqual({ sequence, damagedBytes: Buffer.from(damaged).toString('base64') })
    }
  })
})

/** Another record in the place of the line's, with the hash that it then has. */
function changed(line: string): string {
  const { record, hash: _hash, ...link } = JSON.parse(line)
  const bytes = Buffer.from(JSON.stringify({ ...record, bucket: 'other' }))
  const hash = hex(chainHash(chainValue(link.sequence, Buffer.from(link.previousHash, 'hex'), bytes)))
  return JSON.stringify({ ...link, hash, record: JSON.parse(bytes.toString()) })
}

/** The same hash: it is that of the bytes. */
function asUnreadable(line: string): string {
  const { record, ...link } = JSON.parse(line) as { readonly record: unknown }
  return JSON.stringify({ ...link, unreadableBytes: Buffer.from(JSON.stringify(record)).toString('base64') })
}
