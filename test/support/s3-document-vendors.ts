/** The part of docs/S3.md about profiles: the vendors' matrix and their pages, printed from what is replayed. */
import { type ProfileName, profileNames } from '../../src/lib/profile.ts'
import { configurationRows } from '../profiles/matrix/configuration.ts'
import { versionRows } from '../profiles/matrix/versions.ts'
import type { Answers, Expected } from '../profiles/matrix/world.ts'
import { writeRows } from '../profiles/matrix/writes.ts'
import { allPages, type Pages } from '../profiles/pages/fixture.ts'
import { table } from './markdown.ts'

export function profilesSection(): string {
  return [
    '## Profiles',
    `A bucket speaks one of ${profileNames.length} dialects: ${profileNames.map((name) => `\`${name}\``).join(', ')}. A profile words things differently or is stricter; none weakens a lock. Each row below is one request, sent to a bucket of every profile; after it the stored lock is compared and a locked version must outlast every way of deleting it ([configuration](../test/profiles/matrix-configuration.test.ts), [versions](../test/profiles/matrix-versions.test.ts)). Behind the answer: what is stored then.`,
    table(
      ['Row', 'Request', 'Answer'],
      [...configurationRows, ...versionRows, ...writeRows].map(matrixCells),
    ),
    ...[...allPages().values()].map(pageSection),
  ].join('\n\n')
}

function matrixCells({ row, title, answers }: MatrixRow): readonly string[] {
  return [row, title, answersText(answers)]
}

type MatrixRow = { readonly row: string; readonly title: string; readonly answers: Answers }

/** Profiles with the same answer together; those that are not named at last. */
function answersText(answers: Answers): string {
  const named = new Map<string, ProfileName[]>()
  for (const profile of profileNames) {
    const answer = answers[profile]
    if (answer === undefined) continue
    const text = answerText(answer)
    named.set(text, [...(named.get(text) ?? []), profile])
  }
  const groups = [...named].map(([text, profiles]) => `${profiles.join(', ')}: ${text}`)
  const others = answerText(answers.others)
  return groups.length === 0 ? others : [...groups, `others: ${others}`].join('; ')
}

function answerText([status, code, after]: Expected): string {
  return `${status}${code === null ? '' : ` ${code}`} → ${after}`
}

function pageSection({ vendor, page, profiles, statements }: Pages): string {
  const cells = statements.map(({ id, sentence, reading, entries, notReplayed }) => [
    id,
    sentence,
    reading ?? '',
    notReplayed === undefined ? `${entries.length}` : `not replayed: ${notReplayed}`,
  ])
  return [
    `### ${vendor}: ${page}`,
    `What the page says, how it is read where it leaves something open, and the exchanges that show it in ${profiles.map((name) => `\`${name}\``).join(' and ')} ([replayed](../test/profiles/pages/pages.test.ts)).`,
    table(['Statement', 'Sentence', 'Read as', 'Exchanges'], cells),
  ].join('\n\n')
}
