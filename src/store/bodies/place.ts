import { stat } from 'node:fs/promises'
import { errorCode } from '../../platform/files.ts'

/** Tells later whether the folder at `path` is still the one that is there now, if one is. */
export async function placeOf(path: string): Promise<() => Promise<boolean>> {
  const first = await identityOf(path)
  return async () => (await identityOf(path)) === first
}

/** null: nothing is there that can be looked at. */
async function identityOf(path: string): Promise<string | null> {
  try {
    const { dev, ino } = await stat(path, { bigint: true })
    return `${dev} ${ino}`
  } catch (error) {
    if (errorCode(error) === null) throw error
    return null
  }
}
