/** The shape of a row of the table of settings. */
export type Setting<Value> = {
  /** null: only by environment, because a flag would show a secret to everybody on the machine. */
  readonly flag: string | null
  readonly env: string
  /** The default as a user would write it; null: absent unless given. */
  readonly initial: string | null
  /** Throws SettingError with what is wrong and what is expected. */
  readonly parse: (text: string) => Value
  readonly help: string
}

/** Keeps whether the row has a default: a setting with one is never null. */
export function setting<Value, Initial extends string | null>(
  row: Setting<Value> & { readonly initial: Initial },
): Setting<Value> & { readonly initial: Initial } {
  return row
}
