/** Keys as strings, for maps and sorting: one code unit per byte, so `<` on these strings is byte order. */
export function keyText(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1')
}

export function keyBytes(text: string): Uint8Array {
  return copyBytes(Buffer.from(text, 'latin1'))
}

/** A plain Uint8Array of its own memory. */
export function copyBytes(bytes: Uint8Array): Uint8Array {
  const copy = new Uint8Array(bytes.length)
  copy.set(bytes)
  return copy
}
