import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type AdmissionObject, makeAdmission, userNameOf } from '../../../src/operator/admission/policies.ts'
import { formatYaml, parseYaml } from '../../../src/operator/sources/yaml.ts'

const path = join(import.meta.dirname, '../../../examples/kubernetes/admission.yaml')
const operator = { namespace: 'holdfast-system', serviceAccount: 'holdfast-operator', namespaces: null }
const objects = makeAdmission([operator])
const ofKind = (kind: AdmissionObject['kind']) => objects.filter((object) => object.kind === kind)

describe('admission policies', () => {
  test('examples/kubernetes/admission.yaml: what `npm run admission` writes, object by object', () => {
    const text = readFileSync(path, 'utf8')
    expect(text, 'run npm run admission').toBe(objects.map(formatYaml).join('---\n'))
    expect(parseYaml(text)).toEqual({ kind: 'ok', documents: objects })
  })

  test('makeAdmission: every policy fails closed and has one binding, which denies unless it is the warning', () => {
    const policies = ofKind('ValidatingAdmissionPolicy')
    const bindings = ofKind('ValidatingAdmissionPolicyBinding')
    expect(policies).toHaveLength(10)
    expect(bindings.map(({ metadata }) => metadata)).toEqual(policies.map(({ metadata }) => metadata))
    for (const { spec } of policies) expect(spec).toMatchObject({ failurePolicy: 'Fail' })
    for (const { metadata, spec } of bindings) {
      const actions = metadata.name === 'long-compliance.holdfast.dev' ? ['Warn', 'Audit'] : ['Deny', 'Audit']
      expect(spec).toEqual({ policyName: metadata.name, validationActions: actions })
    }
  })

  test('makeAdmission: another ServiceAccount, named by status, finalizer, label and what it is kept to, and nobody else', () => {
    const keeper = { namespace: 'lock', serviceAccount: 'keeper', namespaces: null }
    const other = JSON.stringify(makeAdmission([keeper]))
    expect(other.match(/system:serviceaccount:[a-z-]+:[a-z-]+/g)).toEqual(
      Array.from({ length: 4 }, () => 'system:serviceaccount:lock:keeper'),
    )
    expect(userNameOf(operator)).toBe('system:serviceaccount:holdfast-system:holdfast-operator')
  })

  test('makeAdmission: several operators, each wherever one is named, in any order the same; those of some namespaces with these', () => {
    const tenant = { namespace: 'tenant', serviceAccount: 'keeper', namespaces: ['team-b', 'team-a'] }
    const both = makeAdmission([operator, tenant])
    expect(makeAdmission([tenant, operator])).toEqual(both)
    const text = JSON.stringify(both)
    const list = `['${userNameOf(operator)}', '${userNameOf(tenant)}']`
    expect(text.split(list)).toHaveLength(5)
    expect(text).toContain(`['${userNameOf(tenant)} team-a', '${userNameOf(tenant)} team-b']`)
    expect(text.match(/serviceaccount/g)).toHaveLength(10)
  })
})
