import { type CommandLine, readSettings } from '../config/read-settings.ts'
import type { SettingName, SettingValues } from '../config/settings.ts'

export type CommandSettings<Name extends SettingName> =
  | { readonly kind: 'run'; readonly values: SettingValues<Name>; readonly positionals: readonly string[] }
  /** Everything is said already. */
  | { readonly kind: 'exit'; readonly code: number }

/** Prints the help (exit 0) or what is wrong (exit 2), or gives the settings to run with. */
export function commandSettings<Name extends SettingName>(
  line: CommandLine<Name>,
  argv: readonly string[],
): CommandSettings<Name> {
  const settings = readSettings(line, argv)
  switch (settings.kind) {
    case 'help':
      process.stdout.write(settings.text)
      return { kind: 'exit', code: 0 }
    case 'bad':
      process.stderr.write(`${settings.message}\n`)
      return { kind: 'exit', code: 2 }
    case 'ok':
      return { kind: 'run', values: settings.values, positionals: settings.positionals }
  }
}
