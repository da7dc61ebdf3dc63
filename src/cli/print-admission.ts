import { makeAdmission } from '../operator/admission/policies.ts'
import { formatYaml } from '../operator/sources/yaml.ts'
import { commandSettings } from './command-settings.ts'

const names = ['operatorNamespace', 'operatorServiceAccount'] as const

/** `holdfast print-admission`: for `kubectl apply -f -`. */
export async function printAdmissionCommand(argv: readonly string[]): Promise<number> {
  const summary = 'Prints the ValidatingAdmissionPolicies and their bindings, for kubectl apply -f -'
  const settings = commandSettings({ command: 'holdfast print-admission', summary, names }, argv)
  if (settings.kind === 'exit') return settings.code
  const { operatorNamespace: namespace, operatorServiceAccount: serviceAccount } = settings.values
  process.stdout.write(makeAdmission({ namespace, serviceAccount }).map(formatYaml).join('---\n'))
  return 0
}
