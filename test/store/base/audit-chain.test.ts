import { afterEach, describe, expect, test } from 'vitest'
import { limits } from '../../../src/lib/limits.ts'
import {
  appendAudit,
  chainBreaks,
  hashInChain,
  hashOfAudit,
  readAuditHead,
  readNewestProven,
  verifyChain,
} from '../../../src/store/audit-chain.ts'
import { auditRecord, parseAuditRecord } from '../../../src/store/audit-record.ts'
import { logHeadKey, logKey } from '../../../src/store/kv/chain.ts'
import type { KeyValue, KeyValueReader } from '../../../src/store/kv/contract.ts'
import { denial, engines, type Opened, startMs, tampered } from './support.ts'

async function fill(kv: KeyValue, count: number): Promise<void> {
  const all = Array.from({ length: count }, (_, index) => index)
  await Promise.all(
    all.map((index) =>
      kv.transact(async (transaction) => appendAudit(transaction, denial({ key: `k${index}` }))),
    ),
  )
}

describe.each(engines)('audit chain on $name', ({ open }) => {
  let opened: Opened | null = null
  const openStore = async (): Promise<KeyValue> => {
    opened = await open()
    return opened.kv
  }
  afterEach(() => opened?.remove())

  test('verifyChain: an untouched chain of more than a page, is intact up to its head', async () => {
    const kv = await openStore()
    await fill(kv, limits.auditPageMax + 20)
    const verified = await verifyChain(kv, { fromSequence: 1, to: 'head' })
    expect(verified).toEqual({
      kind: 'intact',
      recordCount: limits.auditPageMax + 20,
      last: await readAuditHead(kv),
    })
    const span = await verifyChain(kv, { fromSequence: 10, to: 20 })
    expect(span).toMatchObject({ kind: 'intact', recordCount: 11, last: { sequence: 20 } })
  })

  test('verifyChain: an empty log, is intact', async () => {
    const kv = await openStore()
    expect(await verifyChain(kv, { fromSequence: 1, to: 'head' })).toMatchObject({
      kind: 'intact',
      recordCount: 0,
    })
  })

  test('verifyChain: one flipped bit anywhere in a record, is found at it or right after it', async () => {
    const kv = await openStore()
    await fill(kv, 5)
    const value = (await kv.get(logKey('audit', 3))) as Uint8Array
    for (let index = 0; index < value.length; index += 1) {
      const reader = tampered(kv, logKey('audit', 3), (bytes) => {
        bytes[index] = (bytes[index] as number) ^ 0x01
        return bytes
      })
      const verified = await verifyChain(reader, { fromSequence: 1, to: 'head' })
      expect(verified.kind, `byte ${index}`).toBe('broken')
      expect([3, 4]).toContain(verified.kind === 'broken' ? verified.sequence : 0)
    }
  })

  test('a last record with one bit flipped: the log goes on behind it, and its place is told for ever', async () => {
    const kv = await openStore()
    await fill(kv, 4)
    const value = (await kv.get(logKey('audit', 3))) as Uint8Array
    for (let index = 0; index < value.length; index += 1) {
      // As it is when record 3 was damaged while it was the last one: record 4 names the hash that it had.
      const reader = tampered(kv, logKey('audit', 3), (bytes) => {
        bytes[index] = (bytes[index] as number) ^ 0x01
        return bytes
      })
      const breaks: number[] = []
      for await (const { sequence } of chainBreaks(reader, { fromSequence: 1, to: 'head' }))
        breaks.push(sequence)
      expect(breaks, `byte ${index}`).toContain(4)
      expect(breaks.filter((sequence) => sequence < 3)).toEqual([])
      expect(await hashInChain(reader, 3)).toBe(await hashOfAudit(kv, 3))
      expect(await hashOfAudit(reader, 3)).not.toBe(await hashOfAudit(kv, 3))
    }
  })

  test('chainBreaks: two changed records and one that is gone, are all told', async () => {
    const kv = await openStore()
    await fill(kv, 9)
    const change = (bytes: Uint8Array) => {
      bytes[bytes.length - 3] = (bytes[bytes.length - 3] as number) ^ 0x01
      return bytes
    }
    const one = tampered(kv, logKey('audit', 2), change)
    const two = tampered(one, logKey('audit', 7), change)
    const reader = tampered(two, logKey('audit', 5), () => null)
    const breaks: number[] = []
    for await (const { sequence, cause } of chainBreaks(reader, { fromSequence: 1, to: 'head' }))
      if (!cause.startsWith('not ')) breaks.push(sequence)
    expect(breaks).toEqual([3, 5, 8])
  })

  test('readNewestProven: is the newest record whose hash the next one or the head names', async () => {
    const kv = await openStore()
    const long = limits.auditPageMax + 4
    await fill(kv, long)
    const flip = (bytes: Uint8Array) => {
      // 1 and 3 differ by one bit: a time in 2030 becomes one in 2093.
      const text = Buffer.from(bytes).toString('latin1').replace('"trustedMs":1', '"trustedMs":3')
      return Buffer.from(text, 'latin1')
    }
    expect(await readNewestProven(kv)).toMatchObject({ key: `k${long - 1}` })
    let reader: KeyValueReader = kv
    for (let sequence = long; sequence > 2; sequence -= 1)
      reader = tampered(reader, logKey('audit', sequence), flip)
    expect(await readNewestProven(reader)).toMatchObject({ key: 'k1', trustedMs: startMs })
    expect(await readNewestProven(tampered(kv, logHeadKey('audit'), () => null))).toMatchObject({
      key: `k${long - 2}`,
    })
  })

  test('verifyChain: the last record flipped, disagrees with the head', async () => {
    const kv = await openStore()
    await fill(kv, 3)
    const reader = tampered(kv, logKey('audit', 3), (bytes) => {
      const at = Buffer.from(bytes).indexOf('"sizeBytes":5')
      bytes[at + 12] = 0x36
      return bytes
    })
    expect(await verifyChain(reader, { fromSequence: 1, to: 'head' })).toMatchObject({
      kind: 'broken',
      sequence: 3,
    })
  })

  test('verifyChain: a record gone, in the middle, at the start or at the end, is missing', async () => {
    const kv = await openStore()
    await fill(kv, 4)
    for (const sequence of [1, 2, 4]) {
      const reader = tampered(kv, logKey('audit', sequence), () => null)
      const verified = await verifyChain(reader, { fromSequence: 1, to: 'head' })
      expect(verified).toMatchObject({ kind: 'broken', sequence, cause: 'the record is missing' })
    }
  })

  test('verifyChain: a head set back by one record, shows the record beyond it', async () => {
    const kv = await openStore()
    await fill(kv, 2)
    const older = (await kv.get(logHeadKey('audit'))) as Uint8Array
    await fill(kv, 1)
    const reader = tampered(kv, logHeadKey('audit'), () => older)
    expect(await verifyChain(reader, { fromSequence: 1, to: 'head' })).toMatchObject({
      kind: 'broken',
      sequence: 3,
      cause: 'the record lies beyond the head',
    })
  })
})

test('auditRecord: the bytes of format v1, are these and no others', () => {
  expect(Buffer.from(auditRecord(denial({ detail: { b: 1, a: true } }))).toString()).toBe(
    '{"v":1,"trustedMs":1893456000000,"wallMs":1893456000000,' +
      '"actor":{"accessKeyId":"AKIDALICE","accountId":"111122223333","requestId":"REQ1","operation":"DeleteObject"},' +
      '"bucket":"ledger","key":"a/b","versionId":"V1","change":1,"sha256":null,"sizeBytes":5,' +
      '"lockBefore":{"kind":"known","retention":{"mode":"COMPLIANCE","retainUntilMs":1893456000001},"legalHold":null},' +
      '"lockAfter":null,"verdict":"deny","rule":"ComplianceRetention","detail":{"a":true,"b":1}}',
  )
})

test('auditRecord: fields given in another order, give the same bytes', () => {
  const fields = denial({ lockAfter: { kind: 'unknown', cause: 'no JSON' } })
  const reversed = Object.fromEntries(Object.entries(fields).reverse()) as typeof fields
  expect(auditRecord(reversed)).toEqual(auditRecord(fields))
})

test.each([
  ['white space', '{ "v":1}'],
  ['another format', '{"v":2}'],
  ['no JSON', 'x'],
  ['a list', '[]'],
  ['fields left out', '{"v":1,"trustedMs":1}'],
])('parseAuditRecord: %s, is unreadable', (_, text) => {
  expect(parseAuditRecord(Buffer.from(text)).kind).toBe('unreadable')
})

test('parseAuditRecord: a second spelling of the same record, is unreadable', () => {
  const text = Buffer.from(auditRecord(denial())).toString()
  expect(parseAuditRecord(Buffer.from(text)).kind).toBe('record')
  expect(parseAuditRecord(Buffer.from(text.replace('"v":1,', '"v":1, '))).kind).toBe('unreadable')
  expect(parseAuditRecord(Buffer.from(text.replace('ledger', '\\u006cedger'))).kind).toBe('unreadable')
})
