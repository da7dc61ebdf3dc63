import { assert } from '../lib/assert.ts'
import { makeAdmission } from '../operator/admission/policies.ts'
import { formatYaml } from '../operator/sources/yaml.ts'
import { commandSettings } from './command-settings.ts'

const names = ['operators'] as const
const initial = { operators: 'holdfast-system/holdfast-operator' }

/** `holdfast print-admission`: for `kubectl apply -f -`. */
export async function printAdmissionCommand(argv: readonly string[]): Promise<number> {
  const summary = 'Prints the ValidatingAdmissionPolicies and their bindings, for kubectl apply -f -'
  const settings = commandSettings({ command: 'holdfast print-admission', summary, names, initial }, argv)
  if (settings.kind === 'exit') return settings.code
  const { operators } = settings.values
  assert(operators !== null, 'the accounts have a default here')
  process.stdout.write(makeAdmission(operators).map(formatYaml).join('---\n'))
  return 0
}
