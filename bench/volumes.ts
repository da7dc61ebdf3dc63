/** Where a run has its results, and its volumes. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'

export const results = join(import.meta.dirname, 'results')

/**
 * A new folder for `work`, beside the results: on the disk of the checkout, and no memory file system. It goes with `work`, and
 * with the process where that ends first: a run that is broken off would leave gigabytes.
 */
export async function withVolumes(prefix: string, work: (directory: string) => Promise<void>): Promise<void> {
  mkdirSync(results, { recursive: true })
  const directory = mkdtempSync(join(results, prefix))
  // Processes that were ended a moment ago may still write.
  const remove = (): void => rmSync(directory, { recursive: true, force: true, maxRetries: 5 })
  process.once('exit', remove)
  try {
    await work(directory)
  } finally {
    remove()
    process.off('exit', remove)
  }
}
