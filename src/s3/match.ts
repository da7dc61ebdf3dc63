import type { Match, Method } from './operation.ts'
import { S3Error } from './s3-error.ts'

/** What of a request chooses its operation. */
export type MatchInput = {
  readonly method: Method
  readonly bucket: string | null
  readonly key: string | null
  readonly query: URLSearchParams
  readonly headers: Readonly<Record<string, string>>
}

/** An operation of the table, or the name of one that is not there yet. */
export type Matchable = { readonly name: string; readonly match: Match }

/**
 * A chooser over the whole table. The operation with the most required names wins, whatever the order. A
 * sub-resource that the winner does not ask for is refused: `DELETE /bucket?object-lock` is not DeleteBucket.
 * Errors: MethodNotAllowed.
 */
export function operationChooser<Entry extends Matchable>(
  table: readonly Entry[],
): (input: MatchInput) => Entry {
  return (input) => {
    const level = levelOf(input)
    let winner: Entry | null = null
    for (const entry of table) {
      if (!fits(entry.match, input, level)) continue
      if (winner === null || weight(entry.match) > weight(winner.match)) winner = entry
    }
    if (winner === null) throw notAllowed(input, level)
    return winner
  }
}

function levelOf(input: MatchInput): Match['level'] {
  if (input.bucket === null) return 'service'
  return input.key === null ? 'bucket' : 'object'
}

function fits(match: Match, input: MatchInput, level: Match['level']): boolean {
  return (
    match.method === input.method &&
    match.level === level &&
    (match.query ?? []).every((name) => input.query.has(name)) &&
    Object.entries(match.queryValues ?? {}).every(([name, value]) => input.query.get(name) === value) &&
    (match.headers ?? []).every((name) => input.headers[name] !== undefined)
  )
}

/** How many names a match requires: the measure of "more special". */
export function weight(match: Match): number {
  return (
    (match.query?.length ?? 0) + Object.keys(match.queryValues ?? {}).length + (match.headers?.length ?? 0)
  )
}

function notAllowed(input: MatchInput, level: Match['level']): S3Error {
  const extra = { Method: input.method, ResourceType: level.toUpperCase() }
  return new S3Error('MethodNotAllowed', { extra })
}
