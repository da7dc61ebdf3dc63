import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { settings } from '../../src/config/settings.ts'
import { chartFiles, crdTemplate } from '../../tools/chart/chart-files.ts'
import { renderReadme, renderSchema, renderValues } from '../../tools/chart/render.ts'
import { text } from '../../tools/chart/value-row.ts'
import { valueRows } from '../../tools/chart/values.ts'
import { at, chartFolder, helm, root, valueSets, valuesFolder } from '../support/chart.ts'

const read = (path: string) => readFileSync(join(root, path), 'utf8')

describe('what is generated of the chart', () => {
  test('charts/holdfast: every generated file is what `npm run chart` makes', () => {
    const files = chartFiles(root)
    expect(files.size).toBeGreaterThan(6)
    for (const [path, content] of files) expect(read(path), `${path}: run npm run chart`).toBe(content)
  })

  test('charts/holdfast: no CRD is left out, none is there that is not in crds/', () => {
    const names = readdirSync(join(root, 'crds')).sort()
    expect(readdirSync(join(chartFolder, 'templates/crds')).sort()).toEqual(names)
    for (const name of names) {
      expect(read('charts/holdfast/Chart.yaml')).toContain(
        `name: ${name.replace(/(.*)_(.*)\.yaml/, '$2.$1')}\n`,
      )
    }
  })

  test('values.schema.json: no group takes a name that it does not know', () => {
    const visit = (schema: Record<string, unknown>): number => {
      const properties = schema['properties'] as Record<string, Record<string, unknown>> | undefined
      if (properties === undefined) return 0
      expect(schema['additionalProperties']).toBe(false)
      return Object.values(properties).reduce((sum, child) => sum + visit(child), 1)
    }
    expect(visit(JSON.parse(renderSchema(valueRows)))).toBeGreaterThan(25)
  })

  test('values: every row is described, and in the README', () => {
    const readme = read('charts/holdfast/README.md')
    for (const { path, description } of valueRows) {
      expect(description, path).toMatch(/^.{5,}[.:]$/s)
      expect(readme).toContain(`| \`${path}\` |`)
    }
  })

  test('values: a row twice, or a value that is a group too, is refused', () => {
    const row = (path: string) => text(path, '', 'A row.')
    expect(() => renderValues([row('a.b'), row('a.b')])).toThrow('a.b is there twice')
    expect(() => renderValues([row('a'), row('a.b')])).toThrow('a is a value and a group')
    expect(() => renderReadme('no markers', [])).toThrow('has lost')
  })

  test('crdTemplate: what Helm would run is refused, and so is an object without a name', () => {
    expect(() => crdTemplate('metadata:\n  name: a\ntext: "{{ b }}"\n')).toThrow('quoting')
    expect(() => crdTemplate('kind: CustomResourceDefinition\n')).toThrow('without metadata.name')
  })

  test('values: what Holdfast itself judges has its defaults', () => {
    const initial = (path: string) => valueRows.find((row) => row.path === path)?.initial
    expect(initial('server.region')).toBe(settings.region.initial)
    expect(initial('server.defaultProfile')).toBe(settings.defaultProfile.initial)
    expect(initial('server.lifecycleInterval')).toBe(settings.lifecycleIntervalMs.initial)
    expect(`${initial('server.shutdownGraceSeconds')}s`).toBe(settings.shutdownGraceMs.initial)
    expect(initial('operator.verifyInterval')).toBe(settings.verifyIntervalMs.initial)
  })

  test('Chart.yaml: the version of the program, from Kubernetes 1.30', () => {
    const { stdout } = helm(['show', 'chart', chartFolder])
    expect(stdout).toContain(`appVersion: ${at(JSON.parse(read('package.json')), 'version')}\n`)
    expect(stdout).toContain("kubeVersion: '>=1.30.0-0'\n")
  })

  test('Chart.yaml: its icon is icon.svg', () => {
    const icon = Buffer.from(read('charts/holdfast/icon.svg')).toString('base64')
    expect(read('charts/holdfast/Chart.yaml')).toContain(`\nicon: data:image/svg+xml;base64,${icon}\n`)
  })

  test.each(valueSets)('helm lint --strict: nothing to say with the values %s', (name) => {
    const { code, stdout, stderr } = helm([
      'lint',
      '--strict',
      chartFolder,
      '--values',
      join(valuesFolder, `${name}.yaml`),
    ])
    expect(code, stdout + stderr).toBe(0)
    expect(stdout).not.toMatch(/\[(WARNING|INFO)\]/)
  })
})
