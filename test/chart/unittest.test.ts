/** The suites of helm-unittest in charts/holdfast/tests, a test each; and what a package of the chart holds. */
import { spawnSync } from 'node:child_process'
import { cpSync, globSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, matchesGlob } from 'node:path'
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { parse } from 'yaml'
import { chartFolder, helm } from '../support/chart.ts'
import { toolPath } from '../support/cluster/binaries.ts'
import { unescapedXml } from '../support/xml-text.ts'

type Suite = {
  readonly suite: string
  readonly templates: readonly string[]
  readonly tests: readonly { readonly it: string; readonly asserts: readonly object[] }[]
}

const suites = readdirSync(join(chartFolder, 'tests')).map(
  (name) => parse(readFileSync(join(chartFolder, 'tests', name), 'utf8')) as Suite,
)
const titles = suites.flatMap(({ suite, tests }) => tests.map(({ it }) => `${suite}: ${it}`))
/** What helm-unittest says of each title: nothing, or what failed. */
const outcomes = new Map<string, string>()

function temporaryFolder(): string {
  return mkdtempSync(join(tmpdir(), 'holdfast-unittest-'))
}

beforeAll(() => {
  const folder = temporaryFolder()
  const report = join(folder, 'report.xml')
  // Of a copy: it makes a folder for snapshots beside the suites, also when there are none.
  cpSync(chartFolder, join(folder, 'chart'), { recursive: true })
  const args = ['--strict', '--output-type', 'JUnit', '--output-file', report, join(folder, 'chart')]
  spawnSync(toolPath('chart-tools', 'helm-unittest'), args)
  const cases = /<testcase classname="([^"]*)" name="([^"]*)"[^>]*>([\s\S]*?)<\/testcase>/g
  for (const [, suite = '', name = '', said = ''] of readFileSync(report, 'utf8').matchAll(cases)) {
    outcomes.set(unescapedXml(`${suite}: ${name}`), unescapedXml(said))
  }
  rmSync(folder, { recursive: true })
})

describe('helm-unittest', () => {
  test.each(titles)('%s', (title) => {
    expect(outcomes.get(title)).toBe('')
  })

  test('suites: every one ran, with titles of its own and something asserted', () => {
    expect(new Set(titles).size).toBe(titles.length)
    expect([...outcomes.keys()].sort()).toEqual([...titles].sort())
    for (const { it, asserts } of suites.flatMap(({ tests }) => tests)) expect(asserts, it).not.toEqual([])
  })

  test('suites: every template has one', () => {
    const templates = globSync('templates/**/*.{yaml,txt}', { cwd: chartFolder })
    expect(templates.length).toBeGreaterThan(15)
    const patterns = suites.flatMap((suite) => suite.templates)
    const without = templates.filter((path) => !patterns.some((pattern) => matchesGlob(path, pattern)))
    expect(without).toEqual([])
  })
})

test('helm package: the suites are left out, the pod of helm test is not', () => {
  const folder = temporaryFolder()
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const { code, stderr } = helm(['package', chartFolder, '--destination', folder])
  expect(code, stderr).toBe(0)
  const [name = ''] = readdirSync(folder)
  const { stdout } = spawnSync('tar', ['-tzf', join(folder, name)], { encoding: 'utf8' })
  const files = stdout.trim().split('\n')
  expect(files).toContain('holdfast/templates/tests/self-test.yaml')
  expect(files.filter((file) => file.startsWith('holdfast/tests/'))).toEqual([])
  expect(files.filter((file) => file.startsWith('holdfast/templates/crds/'))).toHaveLength(4)
})
