import { spawnSync } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { OperatorMetrics } from '../../src/operator/metrics.ts'
import { dashboard } from '../../tools/chart/dashboard.ts'
import { at, chartFolder, parseObjects, renderSet, root } from '../support/chart.ts'

const rulesPath = join(chartFolder, 'files/rules.yaml')

/** Names as the server's sources register them, and as an operator writes them. */
function knownMetrics(): ReadonlySet<string> {
  const names = new Set<string>()
  for (const path of globSync('src/server/*.ts', { cwd: root })) {
    const text = readFileSync(join(root, path), 'utf8')
    for (const [, kind, name = ''] of text.matchAll(/\.(counter|gauge|histogram)\(\s*'([a-z0-9_]+)'/g)) {
      names.add(name)
      if (kind === 'histogram') for (const end of ['bucket', 'sum', 'count']) names.add(`${name}_${end}`)
    }
  }
  const operator = new OperatorMetrics('lease')
  operator.leading(1)
  operator.storageRetained('True')
  operator.checkpointKept({ sequence: 1, wallMs: 1 })
  operator.unparsableObjects('LockedBucket', 1)
  const controller = operator.controller('one', 1)
  controller.workerBegan()
  controller.workerEnded(1)
  operator.queue('one')
  operator.watchQueue('one', { depth: 0, unfinishedMs: () => 0, longestRunningMs: () => 0 })
  for (const [, name = ''] of operator.render().matchAll(/^([a-z0-9_]+)[{ ]/gm)) names.add(name)
  return names
}

/** What stands before a selector is a metric. */
const metricsIn = (expression: string) =>
  [...expression.matchAll(/([a-z][a-z0-9_]*)\{/g)].map(([, name = '']) => name)

type Rule = {
  readonly alert: string
  readonly expr: string
  readonly annotations: Readonly<Record<string, string>>
}
const rules = parseObjects(readFileSync(rulesPath, 'utf8')).flatMap(
  (file) => at(file, 'groups', 0, 'rules') as readonly Rule[],
)

describe('metrics that are named', () => {
  test('alerts: every metric exists', () => {
    const known = knownMetrics()
    expect(known.size).toBeGreaterThan(30)
    expect(rules.length).toBeGreaterThan(5)
    for (const { alert, expr } of rules) {
      expect(metricsIn(expr).length, alert).toBeGreaterThan(0)
      for (const name of metricsIn(expr)) expect(known, alert).toContain(name)
    }
  })

  test('dashboard: every metric exists, every panel has a place of its own', () => {
    const known = knownMetrics()
    const expressions = dashboard.panels.flatMap(({ targets }) => targets.map(({ expr }) => expr))
    expect(expressions.length).toBeGreaterThan(15)
    for (const name of expressions.flatMap(metricsIn)) expect(known).toContain(name)
    for (const expression of expressions) expect(metricsIn(expression).length, expression).toBeGreaterThan(0)
    expect(known).toContain('holdfast_build_info')
    const places = dashboard.panels.map(({ gridPos: { x, y } }) => `${x} ${y}`)
    expect(new Set(places).size).toBe(dashboard.panels.length)
  })

  test('dashboard: the ConfigMap holds it as JSON, where Grafana looks', () => {
    const found = renderSet('full').one('ConfigMap', '-dashboard')
    expect(found.metadata.labels).toMatchObject({ grafana_dashboard: '1' })
    expect(JSON.parse(String(at(found, 'data', 'holdfast.json')))).toEqual(
      JSON.parse(JSON.stringify(dashboard)),
    )
  })
})

describe('monitoring objects', () => {
  test('ServiceMonitors: each selects the one Service of metrics of its component', () => {
    const rendering = renderSet('full')
    for (const component of ['server', 'operator']) {
      const monitor = rendering.one('ServiceMonitor', `-${component}`)
      expect(monitor.metadata.labels).toMatchObject({ prometheus: 'main' })
      expect(at(monitor, 'spec', 'endpoints')).toEqual([{ port: 'metrics', interval: '15s' }])
      const wanted = Object.entries(at(monitor, 'spec', 'selector', 'matchLabels') as object)
      const selected = rendering
        .all('Service')
        .filter(({ metadata: { labels = {} } }) => wanted.every(([label, value]) => labels[label] === value))
      expect(selected.map(({ metadata }) => metadata.name)).toEqual([`vault-${component}-metrics`])
    }
    expect(renderSet('default').all('ServiceMonitor')).toEqual([])
  })

  test('PrometheusRule: the rules, for the Services of this release alone', () => {
    const rule = renderSet('full').one('PrometheusRule')
    const rendered = at(rule, 'spec', 'groups', 0, 'rules') as readonly Rule[]
    expect(rendered.map(({ alert }) => alert)).toEqual(rules.map(({ alert }) => alert))
    const text = JSON.stringify(rendered)
    expect(text).not.toContain('RELEASE-')
    const services = new Set(
      renderSet('full')
        .all('Service')
        .map(({ metadata }) => metadata.name),
    )
    for (const [, job = ''] of text.matchAll(/job=\\"([^"\\]+)\\"/g)) expect(services).toContain(job)
    expect(text).toContain('namespace=\\"holdfast-system\\"')
    expect(renderSet('default').all('PrometheusRule')).toEqual([])
  })

  test('promtool: the rules are right, and fire when they should and only then', () => {
    const checked = spawnSync('promtool', ['check', 'rules', rulesPath], { encoding: 'utf8' })
    expect(checked.status, checked.stderr).toBe(0)
    const tested = spawnSync('promtool', ['test', 'rules', join(root, 'test/chart/alerts.yaml')], {
      encoding: 'utf8',
    })
    expect(tested.status, tested.stdout + tested.stderr).toBe(0)
    const fired = readFileSync(join(root, 'test/chart/alerts.yaml'), 'utf8')
    for (const { alert } of rules)
      expect(fired.split(`alertname: ${alert}`).length - 1, alert).toBeGreaterThan(1)
  })
})
