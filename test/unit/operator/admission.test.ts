import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type AdmissionObject, makeAdmission, userNameOf } from '../../../src/operator/admission/policies.ts'
import { formatYaml, parseYaml } from '../../../src/operator/sources/yaml.ts'

const path = join(import.meta.dirname, '../../../examples/kubernetes/admission.yaml')
const operator = { namespace: 'holdfast-system', serviceAccount: 'holdfast-operator' }
const objects = makeAdmission(operator)
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
    const other = JSON.stringify(makeAdmission({ namespace: 'lock', serviceAccount: 'keeper' }))
    expect(other.match(/system:serviceaccount:[a-z-]+:[a-z-]+/g)).toEqual(
      Array.from({ length: 4 }, () => 'system:serviceaccount:lock:keeper'),
    )
    expect(userNameOf(operator)).toBe('system:serviceaccount:holdfast-system:holdfast-operator')
  })
})
