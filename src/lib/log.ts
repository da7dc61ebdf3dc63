/** Structured log lines; `src/platform/log.ts` writes them with pino. Never give it a secret or a header map. */
export interface Log {
  debug(fields: Readonly<Record<string, unknown>>, message: string): void
  info(fields: Readonly<Record<string, unknown>>, message: string): void
  warn(fields: Readonly<Record<string, unknown>>, message: string): void
  error(fields: Readonly<Record<string, unknown>>, message: string): void
}

/** Drops every line: for code paths that must not depend on a log. */
export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} }
