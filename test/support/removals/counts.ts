/** What watched servers removed, as each of them wrote it down: see watch.ts. Nothing of the product is imported here. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Bodies by why they went (`unused`: no commit ever referred to it), and versions: with bytes in the store, by the lifecycle. */
export const removalKinds = ['version', 'upload', 'replacedPart', 'unused', 'inline', 'lifecycle'] as const
export type Counts = Readonly<Record<(typeof removalKinds)[number], number>>

/** Of one server; `faults` are sentences. */
export type Counted = { readonly counts: Counts; readonly faults: readonly string[] }

/** Fewer that went in the whole tier: the watch has seen nothing. */
const removedMin: Counts = {
  version: 100,
  upload: 3,
  replacedPart: 3,
  unused: 10,
  inline: 500,
  // Whether a hold or the rules come first is a race in some files.
  lifecycle: 40,
}

/** Names what the watch of a tier, whose servers wrote into `folder`, has missed; empty: it saw enough. */
export function judgeWatch(folder: string): { readonly said: string; readonly faults: readonly string[] } {
  const counted = readdirSync(folder).map(
    (name) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as Counted,
  )
  const sum = countsOf(counted)
  const tooFew = removalKinds
    .filter((kind) => sum[kind] < removedMin[kind])
    .map((kind) => `${sum[kind]} removals of the kind ${kind}, and there are ${removedMin[kind]} at least`)
  const faults = [...counted.flatMap((each) => each.faults), ...tooFew]
  return { said: `${counted.length} servers removed ${JSON.stringify(sum)}`, faults }
}

export function countsOf(counted: readonly Pick<Counted, 'counts'>[]): Counts {
  const sum = (kind: keyof Counts) => counted.reduce((total, { counts }) => total + counts[kind], 0)
  return {
    version: sum('version'),
    upload: sum('upload'),
    replacedPart: sum('replacedPart'),
    unused: sum('unused'),
    inline: sum('inline'),
    lifecycle: sum('lifecycle'),
  }
}
