/** docs/S3.md: what the S3 surface does, printed from THE TABLE and from the table of rows. */
import type { Operation } from '../../src/s3/operation.ts'
import { operations } from '../../src/s3/operations/index.ts'
import { unbuiltOperations } from '../../src/s3/operations/not-implemented.ts'
import { type Row, rows } from '../conformance/rows.ts'
import { table } from './markdown.ts'
import { testsOfRows } from './row-tests.ts'
import { profilesSection } from './s3-document-vendors.ts'

const introduction = `# S3

Printed by \`npm run docs:s3\` out of the code and the tests; a test fails when it is older than they are. Every row below is
tested over HTTP against a real server with two workers (what no request starts, lifecycle: against the store), and CI is red where
one does not hold.

How well a rule is known is its grade: **A** recorded from AWS · **B** asserted by suites that were written against AWS
([ceph/s3-tests](https://github.com/ceph/s3-tests), [versitygw](https://github.com/versity/versitygw)) · **C** documented by the vendor ·
**D** read in other servers · **E** not known, decided here · **own** a rule of this server. What was decided and why is in
[decisions/0021](decisions/0021-what-s3-leaves-open.md).`

export function makeS3Document(): string {
  const tested = testsOfRows()
  const subjects = [...new Set(rows.map(({ subject }) => subject))]
  const sections = subjects.map((subject) => sectionOf(subject, tested))
  const parts = [introduction, operationTable(tested), '## Rows', ...sections]
  return `${[...parts, suiteTable(), profilesSection(), unbuilt()].join('\n\n')}\n`
}

type Tested = ReturnType<typeof testsOfRows>

function operationTable(tested: Tested): string {
  const lines = operations.map((operation) => {
    const own = rows.filter(({ subject }) => subject === operation.name)
    const link = own.length === 0 ? '' : `[${own.length}](#${operation.name.toLowerCase()})`
    const file = `test/conformance/${operation.name}.test.ts`
    const files = [...new Set([file, ...own.flatMap(({ id }) => tested.get(id) ?? [])])]
    return [operation.name, permissionsOf(operation), bodyOf(operation), link, files.map(testLink).join(' ')]
  })
  return [
    '## Operations',
    'Each asks for exactly its own permission; lock headers, tags and the bypass ask for theirs besides.',
    table(['Operation', 'Permission', 'Body', 'Rows', 'Tests'], lines),
  ].join('\n\n')
}

function permissionsOf({ permission, versionPermission, permissionScope }: Operation): string {
  const scope = permissionScope === 'key' ? ', for each key' : ''
  const version = versionPermission === undefined ? '' : `; by version id \`${versionPermission}\``
  return `\`${permission}\`${version}${scope}`
}

const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'] as const

function bodyOf({ body }: Operation): string {
  if (body.kind === 'none') return 'none'
  let size = body.bytesMax
  let unit = 0
  while (size >= 1024 && size % 1024 === 0 && unit < units.length - 1) {
    size /= 1024
    unit += 1
  }
  return `${body.kind}, ${size.toLocaleString('en-US')} ${units[unit]}`
}

const headings: Readonly<Record<string, string>> = {
  Choice: 'Where sources disagree',
  Format: 'Dates, periods and ids',
  Error: 'Errors',
  OtherHeaders: "Other systems' headers",
  Lifecycle: 'What lifecycle rules do',
}

function sectionOf(subject: string, tested: Tested): string {
  const lines = rows
    .filter((row) => row.subject === subject)
    .map((row) => [row.id, row.grade, row.given, row.expected, testLinks(row, tested)])
  return `### ${headings[subject] ?? subject}\n\n${table(['Row', 'Grade', 'Given', 'Then', 'Tested by'], lines)}`
}

function testLinks({ id }: Row, tested: Tested): string {
  return (tested.get(id) ?? []).map(testLink).join(' ')
}

function testLink(path: string): string {
  const name = path.replace(/^test\/(conformance\/)?/, '').replace(/\.test\.ts$/, '')
  return `[${name}](../${path})`
}

function suiteTable(): string {
  const names = [...new Set(rows.flatMap(({ s3tests }) => s3tests))].sort()
  const lines = names.map((name) => {
    const ids = rows.filter(({ s3tests }) => s3tests.includes(name)).map(({ id }) => id)
    return [`\`${name}\``, ids.join(', ')]
  })
  return [
    '## The lock tests of ceph/s3-tests',
    `Each of the ${names.length} \`test_object_lock_*\` tests says what a row here says. One difference: for Days and Years out of range the suite expects \`InvalidRetentionPeriod\`, AWS answers \`InvalidArgument\`, and so does this server.`,
    table(['Test', 'Rows'], lines),
  ].join('\n\n')
}

function unbuilt(): string {
  const names = unbuiltOperations.map(({ name }) => name).sort()
  return [
    '## Not built',
    `These ${names.length} operations of the S3 model are known by name and refused with 501 NotImplemented, so that none is taken for another:`,
    names.map((name) => `\`${name}\``).join(', '),
  ].join('\n\n')
}
