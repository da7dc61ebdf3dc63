/** How the text of a setting becomes its value. Each says what is wrong and what would be right. */
import { limits } from '../lib/limits.ts'
import { type ProfileName, profileNames } from '../lib/profile.ts'

export class SettingError extends Error {
  override readonly name = 'SettingError'
}

export type ListenAddress = { readonly host: string; readonly port: number }
export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

const logLevels: readonly LogLevel[] = ['debug', 'info', 'warn', 'error']
const textLengthMax = 4096

export function parseText(text: string): string {
  if (text === '') throw new SettingError('it is empty')
  if (text.length > textLengthMax) throw new SettingError(`at most ${textLengthMax} characters`)
  return text
}

export function parsePath(text: string): string {
  if (text.includes('\0')) throw new SettingError('a path has no NUL')
  return parseText(text)
}

/** `host:port`, `[::]:9000` or `:9000`. */
export function parseListenAddress(text: string): ListenAddress {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9.-]*)):(\d{1,5})$/.exec(text)
  const port = Number(match?.[3])
  if (match === null || port > 65_535)
    throw new SettingError(`'${text}' is not host:port, e.g. 127.0.0.1:9000`)
  const host = match[1] ?? match[2] ?? ''
  return { host: host === '' ? '::' : host, port }
}

/** As above, or `none`: null. */
export function parseListenAddressOrNone(text: string): ListenAddress | null {
  return text === 'none' ? null : parseListenAddress(text)
}

export function parseCount(text: string, { min, max }: { min: number; max: number }): number {
  const count = Number(text)
  if (!/^\d{1,9}$/.test(text) || count < min || count > max)
    throw new SettingError(`'${text}' is not a whole number from ${min} to ${max}`)
  return count
}

const durationUnitsMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }

/** `500ms`, `30s`, `10m`, `24h`, in milliseconds. */
export function parseDuration(text: string): number {
  const match = /^(\d{1,9})(ms|s|m|h)$/.exec(text)
  const unitMs = durationUnitsMs[match?.[2] ?? '']
  if (match === null || unitMs === undefined)
    throw new SettingError(`'${text}' is not a duration, e.g. 30s, 10m or 24h`)
  const durationMs = Number(match[1]) * unitMs
  // Timers overflow beyond 2^31 - 1 milliseconds, and fire at once.
  if (durationMs < 1 || durationMs > 2_147_483_647)
    throw new SettingError(`'${text}' is not within 1ms and 596h`)
  return durationMs
}

export function parseRegion(text: string): string {
  if (!/^[a-z0-9-]{1,64}$/.test(text))
    throw new SettingError(`'${text}' is not a region name, e.g. us-east-1`)
  return text
}

/** The id of a volume, as its server and its checkpoints say it. */
export function parseVolumeId(text: string): string {
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text))
    throw new SettingError(`'${text}' is not the id of a volume, e.g. 1b4e28ba-2fa1-41d2-883f-0016d3cca427`)
  return text
}

/** The name of a namespace or a ServiceAccount: an RFC 1123 label. */
function parseLabel(text: string): string {
  if (!/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(text))
    throw new SettingError(`'${text}' is not 1 to 63 lower-case letters, digits or dashes`)
  return text
}

/** http or https, without a trailing slash. */
export function parseUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null
  if (
    url === null ||
    !['http:', 'https:'].includes(url.protocol) ||
    url.pathname !== '/' ||
    url.search !== ''
  )
    throw new SettingError(`'${text}' is not a URL such as http://127.0.0.1:9000`)
  return url.origin
}

/** Names that travel in records and headers: printable, short. */
export function parseAccountText(text: string): string {
  if (!/^[\w.:-]{1,253}$/.test(text))
    throw new SettingError(`'${text}' is not 1 to 253 letters, digits, dots, colons, dashes or underscores`)
  return text
}

export function parseSwitch(text: string): boolean {
  if (text !== 'on' && text !== 'off') throw new SettingError(`'${text}' is neither on nor off`)
  return text === 'on'
}

export function parseLostClock(text: string): 'refuse' | 'take' {
  if (text !== 'refuse' && text !== 'take') throw new SettingError(`'${text}' is neither refuse nor take`)
  return text
}

export function parseAuditBreaks(text: string): 'refuse' | 'accept' {
  if (text !== 'refuse' && text !== 'accept') throw new SettingError(`'${text}' is neither refuse nor accept`)
  return text
}

export function parseProfile(text: string): ProfileName {
  const profile = profileNames.find((each) => each === text)
  if (profile === undefined) throw new SettingError(`'${text}' is none of ${profileNames.join(', ')}`)
  return profile
}

/** DNS names and IP addresses by commas, at least one. */
export function parseNames(text: string): readonly string[] {
  const names = text.split(',').map((name) => name.trim())
  const wrong = names.find((name) => !/^[A-Za-z0-9.:-]{1,253}$/.test(name))
  if (wrong !== undefined) throw new SettingError(`'${wrong}' is neither a DNS name nor an IP address`)
  return names
}

/** Names of namespaces by commas, each once. */
export function parseNamespaces(text: string): readonly string[] {
  const names = text.split(',').map((name) => name.trim())
  const wrong = names.find((name) => !/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(name))
  if (wrong !== undefined) throw new SettingError(`'${wrong}' is not the name of a namespace`)
  if (new Set(names).size < names.length) throw new SettingError('a namespace is named twice')
  if (names.length > limits.watchNamespacesMax)
    throw new SettingError(
      `at most ${limits.watchNamespacesMax} namespaces; without the flag all are watched`,
    )
  return names
}

/** The ServiceAccount of an operator; `namespaces`: the only ones that it watches, null: all. */
export type OperatorAccount = {
  readonly namespace: string
  readonly serviceAccount: string
  readonly namespaces: readonly string[] | null
}

/** Accounts by commas, each once: `namespace/name`, or of an operator of some namespaces `namespace/name=a+b`. */
export function parseOperators(text: string): readonly OperatorAccount[] {
  const accounts = text.split(',').map((each) => parseOperator(each.trim()))
  const names = accounts.map(({ namespace, serviceAccount }) => `${namespace}/${serviceAccount}`)
  if (new Set(names).size < names.length) throw new SettingError('an account is named twice')
  if (accounts.length > limits.operatorAccountsMax)
    throw new SettingError(`at most ${limits.operatorAccountsMax} accounts`)
  return accounts
}

function parseOperator(text: string): OperatorAccount {
  const [, namespace = '', serviceAccount = '', watched] = /^([^/=]*)\/([^/=]*)(?:=(.*))?$/.exec(text) ?? []
  if (namespace === '' || serviceAccount === '')
    throw new SettingError(`'${text}' is not an account such as holdfast-system/holdfast-operator`)
  return {
    namespace: parseLabel(namespace),
    serviceAccount: parseLabel(serviceAccount),
    namespaces: watched === undefined ? null : parseNamespaces(watched.replaceAll('+', ',')),
  }
}

/** Names of PersistentVolumeClaims by commas, each once. */
export function parseClaims(text: string): readonly string[] {
  const names = text.split(',').map((name) => name.trim())
  const wrong = names.find((name) => name.length > 253 || !/^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/.test(name))
  if (wrong !== undefined) throw new SettingError(`'${wrong}' is not the name of a PersistentVolumeClaim`)
  if (new Set(names).size < names.length) throw new SettingError('a claim is named twice')
  if (names.length > limits.storageClaimsMax)
    throw new SettingError(`at most ${limits.storageClaimsMax} claims`)
  return names
}

export function parseLogLevel(text: string): LogLevel {
  const level = logLevels.find((each) => each === text)
  if (level === undefined) throw new SettingError(`'${text}' is none of ${logLevels.join(', ')}`)
  return level
}
