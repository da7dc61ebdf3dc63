/** Reads settings from a command line and the environment. The only place that reads process.env. */
import type { Setting } from './setting.ts'
import { type SettingName, type SettingValues, settings } from './settings.ts'
import { SettingError } from './values.ts'

export type CommandLine<Name extends SettingName> = {
  /** e.g. `holdfast server` */
  readonly command: string
  readonly summary: string
  readonly names: readonly Name[]
  /** Names of the arguments that are no flags, for the usage line. */
  readonly positionals?: readonly string[]
  /** Defaults of this command that differ from the table's. */
  readonly initial?: Readonly<Partial<Record<Name, string>>>
}

export type SettingsResult<Name extends SettingName> =
  | { readonly kind: 'ok'; readonly values: SettingValues<Name>; readonly positionals: readonly string[] }
  | { readonly kind: 'help'; readonly text: string }
  | { readonly kind: 'bad'; readonly message: string }

export type Environment = Readonly<Record<string, string | undefined>>

/** A flag wins over its environment variable, which wins over the default; an empty variable counts as not set. */
export function readSettings<Name extends SettingName>(
  commandLine: CommandLine<Name>,
  argv: readonly string[],
  environment: Environment = process.env,
): SettingsResult<Name> {
  if (argv.includes('--help') || argv.includes('-h')) return { kind: 'help', text: helpText(commandLine) }
  try {
    const { flags, positionals } = splitArguments(commandLine, argv)
    const entries = commandLine.names.map((name) => [name, readValue(commandLine, name, flags, environment)])
    return { kind: 'ok', values: Object.fromEntries(entries) as SettingValues<Name>, positionals }
  } catch (error) {
    if (!(error instanceof SettingError)) throw error
    return { kind: 'bad', message: `${commandLine.command}: ${error.message}` }
  }
}

function splitArguments<Name extends SettingName>(
  { command, names, positionals: positionalNames = [] }: CommandLine<Name>,
  argv: readonly string[],
): { flags: ReadonlyMap<string, string>; positionals: readonly string[] } {
  const known = new Set(names.map((name) => settings[name].flag))
  const flags = new Map<string, string>()
  const positionals: string[] = []
  for (let index = 0; index < argv.length; index += 1) {
    const argument = argv[index] ?? ''
    if (!argument.startsWith('-')) {
      positionals.push(argument)
      continue
    }
    const [flag = '', inline] = splitFlag(argument)
    if (!known.has(flag)) throw new SettingError(`there is no flag ${flag}; see ${command} --help`)
    if (flags.has(flag)) throw new SettingError(`${flag} is given twice`)
    if (inline === undefined) index += 1
    const value = inline ?? argv[index]
    if (value === undefined) throw new SettingError(`${flag} needs a value`)
    flags.set(flag, value)
  }
  if (positionals.length > positionalNames.length)
    throw new SettingError(
      `'${positionals[positionalNames.length]}' is one argument too many; see ${command} --help`,
    )
  return { flags, positionals }
}

function splitFlag(argument: string): readonly [string, string | undefined] {
  const at = argument.indexOf('=')
  return at < 0 ? [argument, undefined] : [argument.slice(0, at), argument.slice(at + 1)]
}

function readValue<Name extends SettingName>(
  commandLine: CommandLine<Name>,
  name: Name,
  flags: ReadonlyMap<string, string>,
  environment: Environment,
): unknown {
  const { flag, env, initial, parse } = settings[name] as Setting<unknown>
  const given = flag === null ? undefined : flags.get(flag)
  const fromEnvironment = environment[env] === '' ? undefined : environment[env]
  const text = given ?? fromEnvironment ?? commandLine.initial?.[name] ?? initial
  if (text === null) return null
  try {
    return parse(text)
  } catch (error) {
    if (!(error instanceof SettingError)) throw error
    const source = given === undefined && fromEnvironment !== undefined ? env : (flag ?? env)
    throw new SettingError(`${source}: ${error.message}`)
  }
}

function helpText<Name extends SettingName>(commandLine: CommandLine<Name>): string {
  const rows = commandLine.names.map((name) => {
    const { flag, env, initial, help } = settings[name] as Setting<unknown>
    const fallback = commandLine.initial?.[name] ?? initial
    return {
      left: flag === null ? env : `${flag} VALUE`,
      right: [help, fallback === null ? '' : `(default ${fallback})`, flag === null ? '' : `[${env}]`]
        .filter((part) => part !== '')
        .join(' '),
    }
  })
  const width = Math.max(...rows.map(({ left }) => left.length))
  const lines = rows.map(({ left, right }) => `  ${left.padEnd(width)}  ${right}`)
  const positionals = (commandLine.positionals ?? []).map((name) => ` ${name}`).join('')
  return `Usage: ${commandLine.command}${positionals} [flags]\n\n${commandLine.summary}\n\n${lines.join('\n')}\n`
}
