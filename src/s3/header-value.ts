import { invalidArgument } from './s3-error.ts'

/**
 * Text of a query or a form as the header that it stands for. A header arrives as one character per byte, and so does this.
 * What no header could bring must not be stored: nobody could ever read that object again, since its answer needs headers,
 * too. Errors: InvalidArgument.
 */
export function headerValue(name: string, text: string): string {
  const value = Buffer.from(text, 'utf8').toString('latin1')
  const isName = /^[a-z0-9!#$%&'*+.^_`|~-]+$/.test(name)
  if (isName && /^[\t\x20-\x7e\x80-\xff]*$/.test(value)) return value
  throw invalidArgument('Header value cannot be represented.', name, text)
}
