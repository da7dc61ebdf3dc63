/** Sends a request as a page prints it: its target, its header names, its Date, signed with AWS Signature Version 4. */
import { expect } from 'vitest'
import { epochMs } from '../../../src/lib/units.ts'
import {
  algorithm,
  canonicalRequest,
  type Scope,
  scopeText,
  sha256Hex,
  stringToSign,
} from '../../../src/sigv4/canonical.ts'
import { signature, signingKeys } from '../../../src/sigv4/keys.ts'
import { amzDateOf, type SigningCredentials } from '../../../src/sigv4/sign.ts'
import { type Answer, sendWire, type Wire } from '../../support/s3-client.ts'
import type { TestServer } from '../../support/server.ts'
import type { PageAnswer, PageRequest } from './fixture.ts'
import { filled, ofBody, type Values } from './placeholders.ts'

const keys = signingKeys(64)

export type PageClient = {
  /** Fills, signs, sends; what the answer tells for later goes into `values`. */
  readonly send: (request: PageRequest, values: Values) => Promise<Answer>
}

/** `credentialsOf` names the key of a signer; null signs nothing. */
export function pageClient(
  server: () => TestServer,
  credentialsOf: (signer: PageRequest['signer']) => SigningCredentials | null,
): PageClient {
  return {
    send: async (request, values) => {
      const credentials = credentialsOf(request.signer)
      const wire = pageWire(request, values, { server: server(), credentials })
      const answer = await sendWire(server().endpoint, wire)
      for (const [name, from] of answer.status < 300 ? Object.entries(request.capture) : []) {
        values.texts.set(name, capturedFrom(answer, from))
      }
      return answer
    },
  }
}

function capturedFrom(answer: Answer, from: string): string {
  const [kind, name = ''] = from.split(':')
  const value = kind === 'header' ? answer.headers[name] : answer.element(name)
  if (typeof value !== 'string') throw new Error(`the answer ${answer.status} has no ${from}: ${answer.text}`)
  return value
}

type Context = { readonly server: TestServer; readonly credentials: SigningCredentials | null }

/** Errors: a placeholder that means nothing. */
export function pageWire(request: PageRequest, values: Values, { server, credentials }: Context): Wire {
  const body = filled(request.body ?? '', values)
  const own: Values = { ...values, texts: new Map([...values.texts, ...ofBody(body)]) }
  // Where the page prints "Authorization: authorization", a real one takes its place.
  const printed = Object.entries(request.headers)
    .filter(([name]) => credentials === null || name !== 'Authorization')
    .map(([name, value]) => [name, filled(value, own)] as const)
  const target = filled(request.target, own)
  const unsigned: Record<string, string> = {
    ...(printed.some(([name]) => name.toLowerCase() === 'host') ? {} : { host: hostOf(target, server) }),
    ...Object.fromEntries(printed),
  }
  const headers =
    credentials === null ? unsigned : signed({ ...request, target, body }, unsigned, { server, credentials })
  const sendsBody = request.method === 'PUT' || request.method === 'POST'
  const hasLength = Object.keys(headers).some((name) => name.toLowerCase() === 'content-length')
  const length = sendsBody && !hasLength ? { 'Content-Length': String(Buffer.byteLength(body)) } : {}
  return { method: request.method, target, headers: { ...headers, ...length }, body: Buffer.from(body) }
}

/** An absolute-form target names its host; HTTP/1.1 has it in the Host header too. */
function hostOf(target: string, server: TestServer): string {
  return new URL(target, server.endpoint).host
}

type Filled = { readonly method: string; readonly target: string; readonly body: string }

/**
 * The headers with Authorization, in the letter case of the page. A printed Date is the time of the signature, as the pages
 * of its age sign; without one it is x-amz-date. x-amz-content-sha256, which every client of S3 sends and no page prints, is
 * added.
 */
function signed(
  { method, target, body }: Filled,
  printed: Readonly<Record<string, string>>,
  { server, credentials }: { readonly server: TestServer; readonly credentials: SigningCredentials },
): Record<string, string> {
  const url = new URL(target, server.endpoint)
  const payloadHash = sha256Hex(Buffer.from(body))
  const headers: Record<string, string> = Object.fromEntries(
    Object.entries(printed).map(([name, value]) => [name.toLowerCase(), value]),
  )
  const date = headers['date']
  const amzDate = amzDateOf(epochMs(date === undefined ? server.nowMs() : Date.parse(date)))
  const added = {
    'x-amz-content-sha256': payloadHash,
    ...(date === undefined ? { 'x-amz-date': amzDate } : {}),
  }
  const all = { ...headers, ...added }
  const signedHeaders = Object.keys(all)
    .filter((name) => name !== 'content-length')
    .sort()
  const canonical = canonicalRequest({
    method,
    path: decodeURIComponent(url.pathname),
    query: [...url.searchParams],
    headers: all,
    signedHeaders,
    payloadHash,
  })
  const scope: Scope = { date: amzDate.slice(0, 8), region: server.region, service: 's3' }
  const value = signature(
    keys.of(credentials.secretAccessKey, scope),
    stringToSign(amzDate, scope, canonical),
  )
  const authorization =
    `${algorithm} Credential=${credentials.accessKeyId}/${scopeText(scope)}, ` +
    `SignedHeaders=${signedHeaders.join(';')}, Signature=${value}`
  return { ...printed, ...added, Authorization: authorization }
}

/** Asserts that an answer is what the page says. */
export function expectAnswer(answer: Answer, page: PageAnswer, values: Values): void {
  const told = `${answer.status} ${answer.text}`
  expect(page.status, told).toContain(answer.status)
  if (page.code !== undefined) expect([answer.code, told]).toEqual([page.code, told])
  if (page.message !== undefined) expectText('Message', answer.element('Message'), page.message)
  if (page.body === 'empty') expect(answer.text).toBe('')
  for (const [name, value] of Object.entries(page.headers)) {
    expectHeader(answer, name, value === null ? null : filled(value, values))
  }
  for (const [name, value] of Object.entries(page.elements)) {
    expect([name, elementText(answer, name)]).toEqual([name, value === null ? null : filled(value, values)])
  }
  if (page.document !== undefined) expect(compact(answer.text)).toBe(compact(filled(page.document, values)))
}

function expectHeader(answer: Answer, name: string, value: string | null): void {
  const found = answer.headers[name.toLowerCase()]
  if (value === null) expect([name, found]).toEqual([name, undefined])
  else expectText(name, found, value)
}

/** `/…/` is a regular expression for the whole, anything else the exact text. */
function expectText(name: string, found: unknown, page: string): void {
  const pattern = /^\/(.*)\/$/.exec(page)?.[1]
  if (pattern === undefined) expect([name, found]).toEqual([name, page])
  else expect(`${name}: ${found}`).toMatch(new RegExp(`^${name}: (?:${pattern})$`))
}

/** As `element`, and '' for an element that closes itself. */
function elementText(answer: Answer, name: string): string | null {
  return new RegExp(`<${name}(?: [^>]*)?/>`).test(answer.text) ? '' : answer.element(name)
}

/** Without the white space between elements. */
function compact(document: string): string {
  return document.replace(/>\s+</g, '><').trim()
}
