/**
 * S3's CORS rules against a request: pure. They say only what a browser may show to a script; who may do what is
 * authorization's business and does not change by them.
 */
import { count, listOf, nullable, oneOf, shape, text } from '../store/fields.ts'
import { type TextCodec, textCodec } from '../store/text-codec.ts'

export const corsMethods = ['GET', 'PUT', 'HEAD', 'POST', 'DELETE'] as const

export type CorsRule = {
  readonly id: string | null
  /** At most one `*` each; compared without regard to case. */
  readonly allowedHeaders: readonly string[]
  readonly allowedMethods: readonly (typeof corsMethods)[number][]
  /** At most one `*` each; compared letter by letter, as a browser writes its Origin. */
  readonly allowedOrigins: readonly string[]
  readonly exposeHeaders: readonly string[]
  readonly maxAgeSeconds: number | null
}

export type CorsRequest = {
  readonly origin: string
  /** Of the request that is asked about. */
  readonly method: string
  /** Names of its headers, lower case. */
  readonly headers: readonly string[]
}

export const corsCodec: TextCodec<{ readonly rules: readonly CorsRule[] }> = textCodec(
  'cors',
  shape({
    rules: listOf(
      shape({
        id: nullable(text),
        allowedHeaders: listOf(text),
        allowedMethods: listOf(oneOf(...corsMethods)),
        allowedOrigins: listOf(text),
        exposeHeaders: listOf(text),
        maxAgeSeconds: nullable(count),
      }),
    ),
  }),
)

/** What the request says about itself; null: no browser asks on behalf of another origin. */
export function corsRequest(method: string, headers: Readonly<Record<string, string>>): CorsRequest | null {
  const origin = headers['origin']
  if (origin === undefined) return null
  const names = (headers['access-control-request-headers'] ?? '').split(',').map((name) => name.trim())
  return {
    origin,
    method: headers['access-control-request-method'] ?? method,
    headers: names.filter((name) => name !== '').map((name) => name.toLowerCase()),
  }
}

/** The headers of the first rule that fits; null: no rule does, and a browser keeps the answer from the script. */
export function corsHeaders(
  rules: readonly CorsRule[],
  request: CorsRequest,
): Readonly<Record<string, string>> | null {
  for (const rule of rules) {
    const pattern = rule.allowedOrigins.find((each) => matchesPattern(each, request.origin))
    const isMethod = rule.allowedMethods.some((method) => method === request.method)
    if (pattern === undefined || !isMethod || !request.headers.every((name) => allowsHeader(rule, name)))
      continue
    return headersOf(rule, pattern, request)
  }
  return null
}

/** `*` for all of them tells browsers to leave credentials out, as S3 does. */
function headersOf(
  rule: CorsRule,
  pattern: string,
  { origin, headers }: CorsRequest,
): Readonly<Record<string, string>> {
  return {
    'access-control-allow-origin': pattern === '*' ? '*' : origin,
    'access-control-allow-methods': rule.allowedMethods.join(', '),
    ...(headers.length === 0 ? {} : { 'access-control-allow-headers': headers.join(', ') }),
    ...(rule.exposeHeaders.length === 0
      ? {}
      : { 'access-control-expose-headers': rule.exposeHeaders.join(', ') }),
    ...(rule.maxAgeSeconds === null ? {} : { 'access-control-max-age': String(rule.maxAgeSeconds) }),
    ...(pattern === '*' ? {} : { 'access-control-allow-credentials': 'true' }),
    vary: 'Origin, Access-Control-Request-Headers, Access-Control-Request-Method',
  }
}

function allowsHeader({ allowedHeaders }: CorsRule, name: string): boolean {
  return allowedHeaders.some((pattern) => matchesPattern(pattern.toLowerCase(), name))
}

/** `*` stands for any text, also none. */
function matchesPattern(pattern: string, value: string): boolean {
  const star = pattern.indexOf('*')
  if (star === -1) return pattern === value
  const before = pattern.slice(0, star)
  const after = pattern.slice(star + 1)
  return value.length >= before.length + after.length && value.startsWith(before) && value.endsWith(after)
}
