/** What a verification tells, and what its parts share. */
import type { Clock } from '../lib/clock.ts'
import type { BodyInspector } from './bodies/inspect.ts'
import type { FormatStep } from './format-steps.ts'
import type { KeyValueReader } from './kv/contract.ts'

/** `key` and `versionId` are null where the problem is not one version's. */
export type Finding = {
  readonly bucket: string | null
  readonly key: string | null
  readonly versionId: string | null
  readonly problem: string
}

export type VerifyCounts = {
  rowCount: number
  versionCount: number
  /** Bytes of objects and parts that were read. */
  readBytes: number
  auditRecordCount: number
  findingCount: number
}

export type VerifySource = {
  readonly reader: KeyValueReader
  readonly bodies: BodyInspector
  readonly clock: Clock
  /** Of formats; left out: this release's. */
  readonly steps?: readonly FormatStep[]
}

/** What the parts of a run share. */
export type Verification = VerifySource & {
  readonly counts: VerifyCounts
  /** Names by id. */
  readonly buckets: ReadonlyMap<string, string>
  readonly report: (finding: Partial<Finding> & Pick<Finding, 'problem'>) => void
}
