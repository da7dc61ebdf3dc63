/** What a locked version takes on the disk, about: test/standalone/footprint.test.ts measures it, docs/OPERATIONS.md says it. */
export type Footprint = {
  readonly bodyBytes: number
  /** With its body, where that lies there, its entries in indexes and its audit record. */
  readonly metadataKibibytes: number
  readonly fileKibibytes: number
  /** How many are measured. */
  readonly count: number
}

export const footprints: readonly Footprint[] = [
  { bodyBytes: 0, metadataKibibytes: 4, fileKibibytes: 0, count: 600 },
  { bodyBytes: 4096, metadataKibibytes: 12, fileKibibytes: 0, count: 600 },
  { bodyBytes: 65_536, metadataKibibytes: 72, fileKibibytes: 0, count: 100 },
  { bodyBytes: 1_048_576, metadataKibibytes: 4, fileKibibytes: 1024, count: 50 },
]
