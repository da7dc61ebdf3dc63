/** As much of DER (X.690) as a certificate needs: tags, lengths and the few types in it. */

const tags = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  objectIdentifier: 0x06,
  utf8String: 0x0c,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const

function tagged(tag: number, content: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from([tag, ...lengthBytes(content.length)]), content])
}

/** Short form below 128, else the number of length bytes and the length, big-endian. */
function lengthBytes(length: number): readonly number[] {
  if (length < 0x80) return [length]
  const bytes: number[] = []
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256)
  return [0x80 | bytes.length, ...bytes]
}

export function sequence(...items: readonly Uint8Array[]): Buffer {
  return tagged(tags.sequence, Buffer.concat(items))
}

/** One item: the order of several would matter. */
export function setOf(item: Uint8Array): Buffer {
  return tagged(tags.set, item)
}

/** Unsigned, big-endian: a leading zero keeps it positive. */
export function unsigned(bytes: Uint8Array): Buffer {
  const first = bytes.findIndex((byte) => byte !== 0)
  const significant = first === -1 ? Uint8Array.of(0) : bytes.subarray(first)
  const isNegative = ((significant[0] ?? 0) & 0x80) !== 0
  return tagged(tags.integer, isNegative ? Buffer.concat([Uint8Array.of(0), significant]) : significant)
}

/** `1.2.840.10045.4.3.2` */
export function objectIdentifier(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number)
  return tagged(tags.objectIdentifier, Buffer.from([first * 40 + second, ...rest.flatMap(base128)]))
}

function base128(value: number): readonly number[] {
  const bytes = [value & 0x7f]
  for (let rest = value >>> 7; rest > 0; rest >>>= 7) bytes.unshift((rest & 0x7f) | 0x80)
  return bytes
}

/** `unusedBits`: of the last byte. */
export function bitString(bytes: Uint8Array, unusedBits = 0): Buffer {
  return tagged(tags.bitString, Buffer.concat([Uint8Array.of(unusedBits), bytes]))
}

export function octetString(bytes: Uint8Array): Buffer {
  return tagged(tags.octetString, bytes)
}

export function utf8String(text: string): Buffer {
  return tagged(tags.utf8String, Buffer.from(text, 'utf8'))
}

export function truth(): Buffer {
  return tagged(tags.boolean, Uint8Array.of(0xff))
}

/** `text`: YYMMDDHHMMSSZ. */
export function utcTime(text: string): Buffer {
  return tagged(tags.utcTime, Buffer.from(text, 'latin1'))
}

/** `text`: YYYYMMDDHHMMSSZ. */
export function generalizedTime(text: string): Buffer {
  return tagged(tags.generalizedTime, Buffer.from(text, 'latin1'))
}

/** [n] EXPLICIT, or IMPLICIT of a constructed type. */
export function constructedContext(number: number, content: Uint8Array): Buffer {
  return tagged(0xa0 | number, content)
}

/** [n] IMPLICIT of a primitive type. */
export function primitiveContext(number: number, content: Uint8Array): Buffer {
  return tagged(0x80 | number, content)
}
