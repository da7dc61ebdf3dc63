/** A pattern of a bucket policy: `*` stands for any run of characters, `/` included, `?` for any one. */
export type Wildcard = (text: string) => boolean

/** Case counts: who wants to ignore it lowers both. Never slower than the text's length times the pattern's. */
export function wildcard(pattern: string): Wildcard {
  if (!hasWildcard(pattern)) return (text) => text === pattern
  const head = pattern.slice(0, -1)
  if (pattern.endsWith('*') && !hasWildcard(head)) return (text) => text.startsWith(head)
  const wanted = [...pattern]
  return (text) => matches(wanted, [...text])
}

export function hasWildcard(pattern: string): boolean {
  return /[*?]/.test(pattern)
}

/** Goes back to the last `*` only: an earlier one never helps where the last one does not. */
function matches(pattern: readonly string[], text: readonly string[]): boolean {
  let patternIndex = 0
  let textIndex = 0
  let starIndex = -1
  let starTextIndex = 0
  while (textIndex < text.length) {
    const wanted = pattern[patternIndex]
    if (wanted === '*') {
      starIndex = patternIndex
      starTextIndex = textIndex
      patternIndex += 1
    } else if (wanted !== undefined && (wanted === '?' || wanted === text[textIndex])) {
      patternIndex += 1
      textIndex += 1
    } else if (starIndex !== -1) {
      starTextIndex += 1
      textIndex = starTextIndex
      patternIndex = starIndex + 1
    } else {
      return false
    }
  }
  return pattern.slice(patternIndex).every((rest) => rest === '*')
}
