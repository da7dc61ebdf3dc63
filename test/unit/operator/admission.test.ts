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

  test('makeAdmission: every policy fails closed but that with parameters, and has one binding, which denies unless it is a warning', () => {
    const policies = ofKind('ValidatingAdmissionPolicy')
    const bindings = ofKind('ValidatingAdmissionPolicyBinding')
    expect(policies).toHaveLength(12)
    expect(bindings.map(({ metadata }) => metadata)).toEqual(policies.map(({ metadata }) => metadata))
    for (const { metadata, spec } of policies) {
      const isCeiling = metadata.name === 'ceiling.holdfast.dev'
      expect(spec).toMatchObject({ failurePolicy: isCeiling ? 'Ignore' : 'Fail' })
      const parameters = { apiVersion: 'holdfast.dev/v1', kind: 'ClusterRetentionPolicy' }
      expect(spec).toEqual(
        isCeiling
          ? expect.objectContaining({ paramKind: parameters })
          : expect.not.objectContaining({ paramKind: parameters }),
      )
    }
    for (const { metadata, spec } of bindings) {
      const isWarning = metadata.name.startsWith('long-')
      const validationActions = isWarning ? ['Warn', 'Audit'] : ['Deny', 'Audit']
      const paramRef = { selector: {}, parameterNotFoundAction: 'Allow' }
      const more = metadata.name === 'ceiling.holdfast.dev' ? { paramRef } : {}
      expect(spec).toEqual({ policyName: metadata.name, validationActions, ...more })
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
