import { makeCrdFiles } from '../api/crd-yaml.ts'

/** `holdfast print-crds`: for `kubectl apply -f -`. */
export async function printCrdsCommand(argv: readonly string[]): Promise<number> {
  if (argv.length > 0) {
    process.stdout.write(
      'Usage: holdfast print-crds\n\nThe CustomResourceDefinitions as YAML, for kubectl apply -f -\n',
    )
    return argv.includes('--help') || argv.includes('-h') ? 0 : 2
  }
  process.stdout.write(
    makeCrdFiles()
      .map(({ text }) => text)
      .join('---\n'),
  )
  return 0
}
