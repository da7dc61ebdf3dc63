/**
 * The pino door: one JSON object a line on stderr, fast enough to stay on. Any structured logger would
 * do.
 */
import { destination, pino } from 'pino'
import type { Log } from '../lib/log.ts'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent'

export type LogOptions = {
  readonly level: LogLevel
  /** In every line: which part of Holdfast speaks (`server`, `worker-2`, `operator`). */
  readonly component: string
  /** File descriptor; 2 (stderr) unless told. */
  readonly descriptor?: number
}

/** Lines that wait for a descriptor that takes none; beyond that they are dropped. */
const unwrittenBytesMax = 1024 ** 2

/**
 * Lines are written at once, so that the last ones before a crash are there. Nothing is redacted here: what
 * may be
 * secret is never handed over (lib/log.ts).
 */
export function createLog(options: LogOptions): Log {
  const sink = destination({ dest: options.descriptor ?? 2, sync: true, maxLength: unwrittenBytesMax })
  // A disk that takes no lines must not end whoever writes one: without a listener each line would throw. They wait for the next.
  sink.on('error', () => {})
  const logger = pino(
    {
      level: options.level,
      base: { pid: process.pid, component: options.component },
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      messageKey: 'message',
      errorKey: 'error',
    },
    sink,
  )
  return {
    debug: (fields, message) => logger.debug(fields, message),
    info: (fields, message) => logger.info(fields, message),
    warn: (fields, message) => logger.warn(fields, message),
    error: (fields, message) => logger.error(fields, message),
  }
}
