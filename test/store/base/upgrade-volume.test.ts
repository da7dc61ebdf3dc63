import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { limits } from '../../../src/lib/limits.ts'
import type { Log } from '../../../src/lib/log.ts'
import { silentLog } from '../../../src/lib/log.ts'
import { CorruptRecordError } from '../../../src/store/fields.ts'
import { type FormatStep, newestFormat, oldestFormat } from '../../../src/store/format-steps.ts'
import { bucketKey, metaKey } from '../../../src/store/keys.ts'
import type { KeyValue } from '../../../src/store/kv/contract.ts'
import { withTransact } from '../../../src/store/kv/with-transact.ts'
import { unsealRow } from '../../../src/store/row-codec.ts'
import { upgradeVolume } from '../../../src/store/upgrade-volume.ts'
import { openVolume, readVolume } from '../../../src/store/volume.ts'
import { dump, engines, type Opened, sealed, TestClock } from './support.ts'

const rowOf = (index: number) => bucketKey(`bucket-${String(index).padStart(4, '0')}`)
const contentOf = (row: Uint8Array, value: Uint8Array | null) =>
  Buffer.from(unsealRow('row', row, value)).toString('utf8')

/** Every row of a bucket gets an exclamation mark. */
const louder: FormatStep = {
  to: 2,
  tables: ['bucket', 'current'],
  change: (row, value) => sealed(row, `${contentOf(row, value)}!`),
}

describe.each(engines)('upgradeVolume on $name', ({ open }) => {
  let opened: Opened
  let kv: KeyValue
  const clock = new TestClock()
  beforeEach(async () => {
    opened = await open()
    kv = opened.kv
    await openVolume(kv, clock)
  })
  afterEach(() => opened.remove())

  async function putRows(rowCount: number, content: string): Promise<void> {
    for (let index = 0; index < rowCount; index += 1)
      await kv.transact(async (tx) => tx.put(rowOf(index), sealed(rowOf(index), content)))
  }
  async function contents(rowCount: number): Promise<readonly string[]> {
    const read = Array.from({ length: rowCount }, async (_, index) =>
      contentOf(rowOf(index), await kv.get(rowOf(index))),
    )
    return Promise.all(read)
  }
  function countedCommits(): { readonly kv: KeyValue; readonly count: () => number } {
    let count = 0
    const transact: KeyValue['transact'] = (work) => {
      count += 1
      return kv.transact(work)
    }
    return { kv: withTransact(kv, transact), count: () => count }
  }

  test('no step: the volume stays as it is', async () => {
    const rows = await dump(kv)
    expect(await upgradeVolume(kv, { steps: [], log: silentLog })).toBe(1)
    expect(await dump(kv)).toEqual(rows)
  })

  test('a step: every row is changed once, the number is raised, and a second time changes nothing', async () => {
    await putRows(7, 'x')
    const options = { steps: [louder], log: silentLog, rowsPerTransaction: 3 }
    expect(await upgradeVolume(kv, options)).toBe(2)
    expect(await contents(7)).toEqual(Array(7).fill('x!'))
    expect((await readVolume(kv, [louder])).format).toBe(2)
    expect(await kv.get(metaKey('format-upgrade'))).toBeNull()
    const rows = await dump(kv)
    expect(await upgradeVolume(kv, options)).toBe(2)
    expect(await dump(kv)).toEqual(rows)
  })

  test('rows that are large: a transaction ends before it is too large', async () => {
    const content = 'x'.repeat(limits.inlineBodyBytesMax)
    await putRows(40, content)
    const counted = countedCommits()
    await upgradeVolume(counted.kv, { steps: [louder], log: silentLog })
    expect(await contents(40)).toEqual(Array(40).fill(`${content}!`))
    // Five for 40 rows of 64 KiB, read and written, one for the other table.
    expect(counted.count()).toBe(6)
  })

  test('rows that are large and stay as they are: a transaction ends before it reads too much', async () => {
    await putRows(40, 'x'.repeat(limits.bucketDocumentBytesMax))
    const same = { ...louder, change: (_row: Uint8Array, value: Uint8Array) => value }
    await upgradeVolume(kv, { steps: [same], log: silentLog })
    expect((await readVolume(kv, [louder])).format).toBe(2)
  })

  test('a row that cannot be read: stays as it is, is counted, and holds nobody up', async () => {
    await putRows(3, 'x')
    const damaged = Buffer.from('00000000y')
    await kv.transact(async (tx) => tx.put(rowOf(1), damaged))
    const lines: Readonly<Record<string, unknown>>[] = []
    const log: Log = { ...silentLog, info: (fields) => lines.push(fields) }
    await upgradeVolume(kv, { steps: [louder], log })
    expect(Buffer.from((await kv.get(rowOf(1))) ?? [])).toEqual(damaged)
    expect(contentOf(rowOf(2), await kv.get(rowOf(2)))).toBe('x!')
    expect(lines.at(-1)).toMatchObject({ format: 2, rowCount: 3, changedCount: 2, unreadableCount: 1 })
  })

  test('a mark of progress that is damaged: nothing is changed', async () => {
    await putRows(3, 'x')
    const broken = { ...louder, change: failingAt(2) }
    await expect(
      upgradeVolume(kv, { steps: [broken], log: silentLog, rowsPerTransaction: 1 }),
    ).rejects.toThrow('ended')
    expect((await readVolume(kv, [louder])).format).toBe(1.5)
    await kv.transact(async (tx) => tx.put(metaKey('format-upgrade'), Buffer.from('00000000{}')))
    const rows = await dump(kv)
    await expect(upgradeVolume(kv, { steps: [louder], log: silentLog })).rejects.toThrow(CorruptRecordError)
    expect(await dump(kv)).toEqual(rows)
  })

  test('a volume from before the first step: is refused with a sentence that says what to do', async () => {
    const later = { ...louder, to: 5 }
    expect([oldestFormat([later]), newestFormat([later])]).toEqual([4, 5])
    await expect(openVolume(kv, clock, [later])).rejects.toThrow(
      'this volume has format 1; this release reads formats from 4: start an older release first, which brings it there',
    )
  })
})

/** Throws at its call with this number, counted from 1. */
function failingAt(call: number): FormatStep['change'] {
  let count = 0
  return (row, value) => {
    count += 1
    if (count === call) throw new Error('ended')
    return louder.change(row, value)
  }
}
