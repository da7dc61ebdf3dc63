/** What the documents point to is there: files, headings, scripts, commands, flags, values of the chart. */
import { existsSync, globSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { describe, expect, test } from 'vitest'
import { settings } from '../../src/config/settings.ts'
import { valueRows } from '../../tools/chart/values.ts'

const root = join(import.meta.dirname, '../..')
const read = (path: string) => readFileSync(join(root, path), 'utf8')
const documents = globSync(['*.md', '{docs,examples,charts,tools}/**/*.md'], {
  cwd: root,
  exclude: ['node_modules/**'],
}).map((path) => ({ path, text: read(path) }))

/** As a forge makes it of a heading. */
const anchorOf = (heading: string) =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-')

const anchorsOf = (text: string) =>
  [...text.matchAll(/^#{1,6} (.*)$/gm)].map(([, heading = '']) => anchorOf(heading))

/** Everything of the pattern's first group, with the document it is in. */
function found(pattern: RegExp): readonly { readonly path: string; readonly what: string }[] {
  return documents.flatMap(({ path, text }) =>
    [...text.matchAll(pattern)].map(([, what = '']) => ({ path, what })),
  )
}

describe('documents', () => {
  test('links: every file is there, and every heading in it', () => {
    const links = found(/\]\(([^)\s]+)\)/g).filter(({ what }) => !/^[a-z]+:/.test(what))
    expect(links.length).toBeGreaterThan(50)
    const broken = links.filter(({ path, what }) => {
      const [file = '', anchor] = what.split('#')
      const target = normalize(join(dirname(path), file === '' ? '.' : file))
      if (file !== '' && !existsSync(join(root, target))) return true
      if (anchor === undefined) return false
      const inside = file === '' ? path : target
      return !statSync(join(root, inside)).isFile() || !anchorsOf(read(inside)).includes(anchor)
    })
    expect(broken).toEqual([])
  })

  test('npm run: every script is in package.json', () => {
    const scripts = Object.keys(JSON.parse(read('package.json')).scripts)
    const named = found(/\bnpm run ([a-z0-9:]+)/g)
    expect(named.length).toBeGreaterThan(5)
    expect(named.filter(({ what }) => !scripts.includes(what))).toEqual([])
  })

  test('holdfast: every command is in the table of commands', () => {
    const commands = [...read('src/main.ts').matchAll(/^ {2}'?([a-z-]+)'?: \{$/gm)].map(([, name]) => name)
    expect(commands).toContain('print-crds')
    const named = found(/(?:`|^|node bin\/)holdfast ([a-z][a-z-]+)/gm)
    expect(named.length).toBeGreaterThan(20)
    expect(named.filter(({ what }) => !commands.includes(what))).toEqual([])
  })

  test('flags: every flag after a command of ours is a setting', () => {
    const flags = Object.values(settings).map(({ flag }) => flag)
    const lines = found(/(?:`|^|node bin\/)(holdfast [a-z-]+[^`\n]*)/gm)
    const named = lines.flatMap(({ path, what }) =>
      [...what.matchAll(/ (--[a-z][a-z0-9-]*)/g)].map(([, flag = '']) => ({ path, flag })),
    )
    expect(named.length).toBeGreaterThan(5)
    expect(named.filter(({ flag }) => flag !== '--help' && !flags.includes(flag))).toEqual([])
  })

  test('helm --set: every value is one of the chart', () => {
    const named = found(/--set ([\w.]+)=/g)
    expect(named.length).toBeGreaterThan(0)
    const paths = valueRows.map(({ path }) => path)
    expect(named.filter(({ what }) => !paths.includes(what))).toEqual([])
  })
})
