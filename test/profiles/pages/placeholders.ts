/**
 * What stands for a value in a fixture: `{bucket}`, `{md5}`, a captured version id; `{iso:now+30d}`: a date in one of the
 * forms that pages use, counted from an anchor. Anchors are `now` (the entry's own, a whole second) and the names of
 * locked versions (their retain-until date).
 */
import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { epochMs } from '../../../src/lib/units.ts'
import { amzDateOf } from '../../../src/sigv4/sign.ts'

export type Values = {
  readonly texts: Map<string, string>
  /** Milliseconds. */
  readonly anchors: Map<string, number>
}

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, h: 3_600_000, d: 86_400_000 }

/** `now+30d` in milliseconds. Errors: an anchor that nobody set. */
export function instantMs(written: string, { anchors }: Values): number {
  const [, anchor = '', sign = '', count = '', unit = ''] = /^(\w+)([+-])(\d+)(ms|s|h|d)$/.exec(written) ?? []
  const from = anchors.get(anchor)
  if (from === undefined) throw new Error(`${written}: there is no anchor of this name`)
  return from + (sign === '-' ? -1 : 1) * Number(count) * (unitMs[unit] ?? 0)
}

const dateForms: Readonly<Record<string, (ms: number) => string>> = {
  iso: (ms) => new Date(ms).toISOString(),
  isoSeconds: (ms) => `${new Date(ms).toISOString().slice(0, 19)}Z`,
  isoZoneless: (ms) => new Date(ms).toISOString().slice(0, 19),
  http: (ms) => new Date(ms).toUTCString(),
  epochMs: (ms) => String(ms),
  /** The two of a signature of version 4. */
  amz: (ms) => amzDateOf(epochMs(ms)),
  day: (ms) => amzDateOf(epochMs(ms)).slice(0, 8),
}

/** Errors: a placeholder that means nothing. */
export function filled(written: string, values: Values): string {
  return written.replace(/\{([a-z]\w*)(?::([^}]+))?\}/gi, (whole, name: string, date: string | undefined) => {
    if (date !== undefined) {
      const form = dateForms[name]
      if (form !== undefined) return form(instantMs(date, values))
    }
    const value = date === undefined ? values.texts.get(name) : undefined
    if (value === undefined) throw new Error(`nothing is known of the placeholder ${whole}`)
    return value
  })
}

/** The placeholders that are computed from a body. */
export function ofBody(body: string): readonly (readonly [name: string, value: string])[] {
  const sum = Buffer.alloc(4)
  sum.writeUInt32BE(crc32(body))
  return [
    ['md5', createHash('md5').update(body).digest('base64')],
    ['sha256', createHash('sha256').update(body).digest('base64')],
    ['crc32', sum.toString('base64')],
    ['length', String(Buffer.byteLength(body))],
  ]
}
