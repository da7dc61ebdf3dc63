import { bannedTexts, type FolderRule, folderRules, packageDoors } from './rules.ts'

/** A source file: its path below src and its text. */
export type SourceFile = { readonly path: string; readonly text: string }

const importPattern =
  /(?:^|\n)\s*(?:import|export)\s[^'"\n]*?(?:\n[^'"]*?)?from\s+'([^']+)'|import\(\s*'([^']+)'\s*\)|(?:^|\n)import\s+'([^']+)'/g

export function importsOf(file: SourceFile): readonly string[] {
  return [...file.text.matchAll(importPattern)].map((match) => match[1] ?? match[2] ?? match[3] ?? '')
}

function ruleOf(path: string): FolderRule | null {
  return folderRules.find((rule) => path === rule.folder || path.startsWith(`${rule.folder}/`)) ?? null
}

function resolve(from: string, specifier: string): string {
  const parts = from.split('/').slice(0, -1)
  for (const part of specifier.split('/')) {
    if (part === '..') parts.pop()
    else if (part !== '.') parts.push(part)
  }
  return parts.join('/')
}

export function checkFolders(file: SourceFile): readonly string[] {
  const rule = ruleOf(file.path)
  if (rule === null) return [`${file.path}: this folder has no rule in test/support/tidy/rules.ts`]
  return importsOf(file).flatMap((specifier) => {
    if (specifier.startsWith('node:')) return checkNode(file, rule, specifier)
    if (!specifier.startsWith('.')) return []
    const target = resolve(file.path, specifier)
    const targetRule = ruleOf(target)
    if (targetRule === null) return []
    const targetFolder = targetRule.partOf ?? targetRule.folder
    const allowed = targetFolder === (rule.partOf ?? rule.folder) || rule.imports.includes(targetFolder)
    return allowed ? [] : [`${file.path}: ${rule.folder} may not import ${targetFolder} (${specifier})`]
  })
}

function checkNode(file: SourceFile, rule: FolderRule, specifier: string): readonly string[] {
  if (rule.node === 'any' || (rule.node === 'crypto' && specifier === 'node:crypto')) return []
  return [`${file.path}: ${rule.folder} is pure and may not import ${specifier}`]
}

export function checkDoors(file: SourceFile): readonly string[] {
  return importsOf(file).flatMap((specifier) => {
    if (specifier.startsWith('.') || specifier.startsWith('node:')) return []
    const name = specifier
      .split('/')
      .slice(0, specifier.startsWith('@') ? 2 : 1)
      .join('/')
    const doors = packageDoors[name]
    if (doors === undefined) return [`${file.path}: the package ${name} has no door`]
    const allowed = doors.some(
      (door) => file.path === door || (door.endsWith('/') && file.path.startsWith(door)),
    )
    return allowed ? [] : [`${file.path}: ${name} is imported only by ${doors.join(', ')}`]
  })
}

export function checkBanned(file: SourceFile): readonly string[] {
  return file.text.split('\n').flatMap((line, index) => {
    if (/^\s*(\/\/|\*|\/\*)/.test(line)) return []
    return bannedTexts
      .filter(
        (banned) => banned.pattern.test(line) && !banned.except.some((path) => file.path.startsWith(path)),
      )
      .map((banned) => `${file.path}:${index + 1}: use ${banned.instead}`)
  })
}

export const fileLinesMax = 400

export function checkLength(file: SourceFile): readonly string[] {
  const lines = file.text.split('\n').length - 1
  return lines > fileLinesMax ? [`${file.path}: ${lines} lines, at most ${fileLinesMax}`] : []
}

const fileName = /^([a-z0-9]+(-[a-z0-9]+)*|[A-Z][A-Za-z0-9]*)\.ts$/
const vagueFolder = /(^|\/)(utils|helpers|common|misc)(\/|\.ts$)/

export function checkName(file: SourceFile): readonly string[] {
  const name = file.path.split('/').at(-1) ?? ''
  const problems: string[] = []
  if (!fileName.test(name)) problems.push(`${file.path}: names are kebab-case or the outside world's own`)
  if (vagueFolder.test(file.path)) problems.push(`${file.path}: say what is in it`)
  return problems
}

/** An operation's file, its export and its `name` agree, it is in the table and has a conformance test. */
export function checkOperation(
  file: SourceFile,
  table: string,
  conformanceTests: ReadonlySet<string>,
): readonly string[] {
  const name = (file.path.split('/').at(-1) ?? '').replace(/\.ts$/, '')
  if (!/^[A-Z]/.test(name)) return []
  const problems: string[] = []
  if (!new RegExp(`export const ${name}\\b`).test(file.text))
    problems.push(`${file.path}: exports no ${name}`)
  if (!new RegExp(`name: '${name}'`).test(file.text)) problems.push(`${file.path}: its name is not '${name}'`)
  if (!new RegExp(`\\b${name}\\b`).test(table)) problems.push(`${file.path}: is not in operations/index.ts`)
  if (!conformanceTests.has(name)) problems.push(`${file.path}: test/conformance/${name}.test.ts is missing`)
  return problems
}

/** Fields of `limits` that nothing reads. */
export function unusedLimits(limitsText: string, others: readonly SourceFile[]): readonly string[] {
  const names = [...limitsText.matchAll(/^ {2}([a-zA-Z0-9]+):/gm)].map((match) => match[1] ?? '')
  return names.filter((name) => !others.some((file) => file.text.includes(`limits.${name}`)))
}

/** Codes of the error table that nothing throws. */
export function unusedErrorCodes(codes: readonly string[], others: readonly SourceFile[]): readonly string[] {
  return codes.filter((code) => !others.some((file) => file.text.includes(`'${code}'`)))
}

const changelogHeadings = new Set(['### Safety', '### Features', '### Internals'])

export function checkChangelog(text: string): readonly string[] {
  const problems: string[] = []
  if (!/^## \d+\.\d+\.\d+|^## Unreleased/m.test(text)) problems.push('CHANGELOG.md: no release heading')
  for (const line of text.split('\n'))
    if (line.startsWith('### ') && !changelogHeadings.has(line))
      problems.push(`CHANGELOG.md: "${line}" is none of ${[...changelogHeadings].join(', ')}`)
  return problems
}

/** Paths of one machine, in documents and sources. */
export function checkMachinePaths(path: string, text: string): readonly string[] {
  return text
    .split('\n')
    .flatMap((line, index) =>
      /(^|[^A-Za-z0-9.])\/(work|root|home\/[a-z]+)\//.test(line)
        ? [`${path}:${index + 1}: a path of one machine`]
        : [],
    )
}
