/** `type; name=value; name="value"`: the shape of Content-Type and Content-Disposition. */
export type Parameterized = {
  /** Lower case. */
  readonly type: string
  /** Lower-case names. */
  readonly parameters: ReadonlyMap<string, string>
}

const typeShape = /^\s*([A-Za-z0-9!#$&^_.+/-]+)\s*/y
// A backslash stands for itself, as browsers write it, except in front of a quotation mark.
const parameterShape = /;\s*([A-Za-z0-9!#$%&'*+.^_`|~-]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*))\s*/y

/** null: not of this shape, or a parameter given twice. A `;` at the end is let pass. */
export function parseParameterized(text: string): Parameterized | null {
  typeShape.lastIndex = 0
  const type = typeShape.exec(text)?.[1]
  if (type === undefined) return null
  const parameters = new Map<string, string>()
  let offset = typeShape.lastIndex
  while (offset < text.length) {
    if (/^;\s*$/.test(text.slice(offset))) break
    parameterShape.lastIndex = offset
    const found = parameterShape.exec(text)
    if (found === null) return null
    const name = (found[1] ?? '').toLowerCase()
    if (parameters.has(name)) return null
    parameters.set(name, found[2]?.replaceAll('\\"', '"') ?? found[3] ?? '')
    offset = parameterShape.lastIndex
  }
  return { type: type.toLowerCase(), parameters }
}
