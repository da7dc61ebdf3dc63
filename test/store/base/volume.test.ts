import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { CorruptRecordError } from '../../../src/store/fields.ts'
import { metaKey } from '../../../src/store/keys.ts'
import type { KeyValue } from '../../../src/store/kv/contract.ts'
import { readTrustedNow } from '../../../src/store/trusted-clock.ts'
import {
  beginServerEpoch,
  endServerEpoch,
  fencedKeyValue,
  openVolume,
  readServerEpoch,
  readVolume,
  ServerEpochEndedError,
  VolumeFormatError,
} from '../../../src/store/volume.ts'
import { dump, engines, type Opened, sealed, startMs, TestClock } from './support.ts'

const row = Buffer.from('x')

describe.each(engines)('volume on $name', ({ open }) => {
  let opened: Opened
  let kv: KeyValue
  const clock = new TestClock()
  beforeEach(async () => {
    opened = await open()
    kv = opened.kv
  })
  afterEach(() => opened.remove())

  test('openVolume: an empty store, becomes a volume with a clock, and is the same one when opened again', async () => {
    const volume = await openVolume(kv, clock)
    expect(volume).toEqual({
      volumeId: expect.stringMatching(/^[0-9a-f-]{36}$/),
      format: 1,
      createdMs: startMs,
    })
    expect(await readTrustedNow(kv, clock)).toMatchObject({ trustedMs: startMs })
    const rows = await dump(kv)
    expect(await openVolume(kv, clock)).toEqual(volume)
    expect(await readVolume(kv)).toEqual(volume)
    expect(await dump(kv)).toEqual(rows)
  })

  test('openVolume: two servers at once on an empty store, agree on one identity', async () => {
    const [a, b] = await Promise.all([openVolume(kv, clock), openVolume(kv, clock)])
    expect(a).toEqual(b)
  })

  test('B-47 openVolume: a newer format, is refused with a sentence that says what to do', async () => {
    await kv.transact(async (transaction) =>
      transaction.put(metaKey('volume'), sealed(metaKey('volume'), '{"format":2,"somethingNew":true}')),
    )
    const refused = openVolume(kv, clock)
    await expect(refused).rejects.toBeInstanceOf(VolumeFormatError)
    await expect(refused).rejects.toThrow(
      'this volume has format 2; this release reads formats up to 1: start the release that wrote it or a newer one',
    )
  })

  test('openVolume: rows without an identity, are a damaged volume and not a new one', async () => {
    await kv.transact(async (transaction) => transaction.put(row, row))
    await expect(openVolume(kv, clock)).rejects.toBeInstanceOf(CorruptRecordError)
    await expect(readVolume(kv)).rejects.toBeInstanceOf(CorruptRecordError)
  })

  test('server epoch: grows with every start and remembers whether the last one closed cleanly', async () => {
    expect(await readServerEpoch(kv)).toBe(null)
    expect(await beginServerEpoch(kv)).toEqual({ epoch: 1, previous: null })
    expect(await beginServerEpoch(kv)).toEqual({ epoch: 2, previous: { epoch: 1, cleanlyClosed: false } })
    await endServerEpoch(kv, 2)
    expect(await beginServerEpoch(kv)).toEqual({ epoch: 3, previous: { epoch: 2, cleanlyClosed: true } })
    await expect(endServerEpoch(kv, 2)).rejects.toBeInstanceOf(ServerEpochEndedError)
    expect(await readServerEpoch(kv)).toEqual({ epoch: 3, cleanlyClosed: false })
  })

  test('server epoch: a row with any one bit flipped, is followed by an epoch that none ever had, which fences', async () => {
    await beginServerEpoch(kv)
    const whole = (await kv.get(metaKey('server-epoch'))) ?? new Uint8Array(0)
    const seen = new Set<number>([1])
    for (const bit of [3, 70, whole.length * 8 - 9]) {
      const damaged = Uint8Array.from(whole)
      damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      await kv.transact(async (transaction) => transaction.put(metaKey('server-epoch'), damaged))
      const old = fencedKeyValue(kv, 1)
      const between = old.transact(async (transaction) => transaction.put(row, Buffer.from('between')))
      await expect(between).rejects.toBeInstanceOf(CorruptRecordError)
      const { epoch, previous } = await beginServerEpoch(kv)
      expect([epoch >= 2 ** 48, Number.isSafeInteger(epoch + 2 ** 48), previous]).toEqual([true, true, null])
      expect(seen.has(epoch)).toBe(false)
      seen.add(epoch)
      const late = old.transact(async (transaction) => transaction.put(row, Buffer.from('late')))
      await expect(late).rejects.toBeInstanceOf(ServerEpochEndedError)
      await fencedKeyValue(kv, epoch).transact(async (transaction) =>
        transaction.put(row, Buffer.from('new')),
      )
      expect(await beginServerEpoch(kv)).toEqual({
        epoch: epoch + 1,
        previous: { epoch, cleanlyClosed: false },
      })
    }
  })

  test('fence: a worker of an ended epoch, commits nothing; one of the current epoch does', async () => {
    await beginServerEpoch(kv)
    const old = fencedKeyValue(kv, 1)
    await old.transact(async (transaction) => transaction.put(row, Buffer.from('1')))
    await beginServerEpoch(kv)
    const late = old.transact(async (transaction) => transaction.put(row, Buffer.from('late')))
    await expect(late).rejects.toBeInstanceOf(ServerEpochEndedError)
    expect(Buffer.from((await kv.get(row)) ?? []).toString()).toBe('1')
    await fencedKeyValue(kv, 2).transact(async (transaction) => transaction.put(row, Buffer.from('2')))
    expect(Buffer.from((await old.get(row)) ?? []).toString()).toBe('2')
  })

  test('B-44 fence: an epoch that begins while a transaction is working, stops its commit', async () => {
    await beginServerEpoch(kv)
    let runs = 0
    const late = fencedKeyValue(kv, 1).transact(async (transaction) => {
      runs += 1
      transaction.put(row, Buffer.from('late'))
      if (runs === 1) await beginServerEpoch(kv)
    })
    await expect(late).rejects.toBeInstanceOf(ServerEpochEndedError)
    expect(await kv.get(row)).toBe(null)
  })
})
