import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseAllDocuments } from 'yaml'
import { makeAdmission, userNameOf } from '../../src/operator/admission/policies.ts'
import { formatYaml } from '../../src/operator/sources/yaml.ts'
import { dashboard } from './dashboard.ts'
import { renderReadme, renderSchema, renderValues } from './render.ts'
import { valueRows } from './values.ts'

const chart = 'charts/holdfast'
const kustomize = 'examples/kustomize/base'

/** Path below `root` and content of every generated file of the chart, and of the Kustomize base what takes no Helm. */
export function chartFiles(root: string): ReadonlyMap<string, string> {
  const readme = readFileSync(join(root, chart, 'README.md'), 'utf8')
  const names = readdirSync(join(root, 'crds')).filter((name) => name.endsWith('.yaml'))
  const crds = names.map((name) => ({ name, text: readFileSync(join(root, 'crds', name), 'utf8') }))
  const operators = [{ namespace: 'holdfast-system', serviceAccount: 'holdfast-operator', namespaces: null }]
  const admission = makeAdmission(operators)
  return new Map([
    [`${chart}/values.yaml`, renderValues(valueRows)],
    [`${chart}/values.schema.json`, renderSchema(valueRows)],
    [`${chart}/README.md`, renderReadme(readme, valueRows)],
    [`${chart}/files/dashboard.json`, `${JSON.stringify(dashboard, null, 2)}\n`],
    [`${chart}/templates/admission.yaml`, admissionTemplate()],
    [`${chart}/templates/_rules.tpl`, rulesTemplate(root)],
    ...crds.map(({ name, text }): [string, string] => [`${chart}/templates/crds/${name}`, crdTemplate(text)]),
    [`${kustomize}/crds.yaml`, crds.map(({ text }) => text).join('---\n')],
    [`${kustomize}/admission.yaml`, admission.map((object) => formatYaml(object)).join('---\n')],
  ])
}

/** The CRD as it is, under its two switches. As text: through YAML and back, Helm writes large numbers as 1e+06. */
export function crdTemplate(crd: string): string {
  return `{{- if .Values.crds.enabled }}\n${withMetadata(crd, 'crds').trimEnd()}\n{{- end }}\n`
}

/** What `holdfast print-admission` prints for the operators of the cluster, that of the release among them, under two switches. */
function admissionTemplate(): string {
  const operator = { namespace: 'NAMESPACE', serviceAccount: 'ACCOUNT', namespaces: ['WATCHED'] }
  const name = userNameOf(operator)
  const objects = makeAdmission([operator]).map((object) => withMetadata(formatYaml(object), 'admission'))
  const text = objects
    .join('---\n')
    .replaceAll(`'${name} WATCHED'`, '{{ $scopes }}')
    .replaceAll(`'${name}'`, '{{ $users }}')
    .replaceAll(`'${operator.namespace}'`, '{{ $homes }}')
  if (text.includes(operator.namespace)) throw new Error('a policy names an operator outside of a list')
  const head =
    '{{- $users := include "holdfast.admissionUsers" . }}\n{{- $scopes := include "holdfast.admissionScopes" . }}\n' +
    '{{- $homes := include "holdfast.admissionHomes" . }}\n'
  return `{{- if .Values.admission.enabled }}\n${head}${text.trimEnd()}\n{{- end }}\n`
}

/** The rules of the roles of the examples as `holdfast.rules.<name>`: who uses no Helm has the same. */
function rulesTemplate(root: string): string {
  const files = ['operator-rbac.yaml', 'user-roles.yaml'].map((file) => rolesOf(root, file, 'ClusterRole'))
  // Of the operator of some namespaces, the Role in the first of them is like those in the others.
  const [objects] = rolesOf(root, 'operator-namespaced-rbac.yaml', 'Role')
  if (objects === undefined) throw new Error('the operator of some namespaces has no Role')
  const roles = [...files.flat(), { ...objects, name: 'holdfast-objects' }]
  const defines = roles.map(
    ({ name, rules }) => `{{- define "holdfast.rules.${name}" -}}\n${rules}\n{{- end }}\n`,
  )
  return `{{/* Generated from examples/kubernetes by npm run chart: edit there. */}}\n${defines.join('\n')}`
}

type NamedRules = { readonly name: string; readonly rules: string }

function rolesOf(root: string, file: string, kind: 'ClusterRole' | 'Role'): readonly NamedRules[] {
  const text = readFileSync(join(root, 'examples/kubernetes', file), 'utf8')
  return [...parseAllDocuments(text)].flatMap((document) => {
    if (document.get('kind') !== kind) return []
    const rules = formatYaml(document.toJS().rules).trimEnd()
    return [{ name: String(document.getIn(['metadata', 'name'])), rules }]
  })
}

/** The chart's labels in place of its own, and whether it stays after an uninstall. Errors: the object would be run by Helm. */
function withMetadata(object: string, group: 'crds' | 'admission'): string {
  if (object.includes('{{'))
    throw new Error('an object holds {{, which Helm would run: it needs quoting here')
  const named = object.replace(
    /^metadata:\n {2}name: .*(\n {2}labels:(\n {4}.*)*)?$/m,
    (metadata) => `${metadata.replace(/\n {2}labels:[\s\S]*$/, '')}
  labels:
    {{- include "holdfast.labels" . | nindent 4 }}
  {{- if .Values.${group}.keep }}
  annotations:
    helm.sh/resource-policy: keep
  {{- end }}`,
  )
  if (named === object) throw new Error('an object without metadata.name')
  return named
}
