import { readFileSync } from 'node:fs'

/** `holdfast version`. */
export async function versionCommand(): Promise<number> {
  process.stdout.write(`holdfast ${packageVersion()}\n`)
  return 0
}

export function packageVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  const manifest: unknown = JSON.parse(text)
  const version =
    typeof manifest === 'object' && manifest !== null && 'version' in manifest ? manifest.version : null
  return typeof version === 'string' ? version : 'unknown'
}
