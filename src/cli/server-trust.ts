import { readFileSync } from 'node:fs'
import type { ServerTrust } from '../client/trust.ts'
import { SettingError } from '../config/values.ts'

/** `--server-ca` as trust. Errors: SettingError, naming the file. */
export function serverTrust(serverCa: string | null): ServerTrust {
  if (serverCa === null) return { kind: 'system' }
  try {
    const pem = readFileSync(serverCa, 'utf8')
    return { kind: 'authorities', pem: () => pem }
  } catch (error) {
    const reason = error instanceof Error ? error.message : 'unreadable'
    throw new SettingError(`--server-ca ${serverCa} cannot be read: ${reason}`)
  }
}
