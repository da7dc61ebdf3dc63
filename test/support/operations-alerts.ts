/** What docs/OPERATIONS.md says of alerts, out of the chart's rules, of exit codes and of what /readyz says. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import { exitMeanings } from '../../src/cli/exit-codes.ts'
import { table } from './markdown.ts'

type Rule = {
  readonly alert: string
  readonly expr: string
  readonly for?: string
  readonly labels: { readonly severity: string }
  readonly annotations: { readonly description: string }
}

const path = join(import.meta.dirname, '../../charts/holdfast/files/rules.yaml')
const { groups } = parse(readFileSync(path, 'utf8')) as {
  readonly groups: readonly { readonly rules: readonly Rule[] }[]
}

/** Those that a rule looks at, each once. */
function seriesOf({ expr }: Rule): string {
  const names = new Set(expr.match(/\b(?:holdfast|leader_election|controller_runtime)_\w+/g))
  return [...names].map((name) => `\`${name}\``).join(', ')
}

const rows = groups
  .flatMap(({ rules }) => rules)
  .map((rule) => [
    `\`${rule.alert}\``,
    rule.labels.severity,
    seriesOf(rule),
    rule.for ?? 'at once',
    rule.annotations.description,
  ])

const codes = [0, 1, 2, 3] as const

const exitCodes = table(
  ['Command', ...codes.map(String)],
  Object.entries(exitMeanings).map(([command, meanings]: [string, Partial<Record<number, string>>]) => [
    `\`${command}\``,
    ...codes.map((code) => meanings[code] ?? ''),
  ]),
)

export const alerts = `## Alerts

The chart's rules (\`monitoring.prometheusRule.enabled\`), each with the time that it must be so before it fires.

${table(['Alert', 'Severity', 'Series', 'After', 'What it means, and what to do'], rows)}

\`holdfast_ready\` is 0 where \`/readyz\` answers 503; its body has a reason in each line. They are: the volume is full, read-only, gone, or has too few
files; the clock's record is damaged; no record can follow in the audit log; so many of so many workers listen.

## Exit codes

${exitCodes}

\`backup\`, \`restore\` and \`verify\` that are stopped by Ctrl-C or SIGTERM end with 130 or 143.`
