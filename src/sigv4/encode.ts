/**
 * AWS's UriEncode (SigV4 "Create a canonical request"): every byte of the UTF-8 text but `A-Z a-z 0-9 - . _
 * ~` becomes `%XX` in upper case. `text` holds no lone surrogate: the edge decodes strictly.
 */
export function uriEncode(text: string): string {
  // encodeURIComponent leaves five characters more than AWS does.
  return encodeURIComponent(text).replace(/[!'()*]/g, percentOf)
}

function percentOf(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase()}`
}

/** The same with `/` kept: S3 encodes a path once and never normalises it. */
export function uriEncodePath(path: string): string {
  return path.split('/').map(uriEncode).join('/')
}
