/** The CRDs as text. The door to `yaml` for writing: js-yaml would do as well. */
import { stringify } from 'yaml'
import { type CrdFile, makeCrds } from './crd.ts'

export type YamlFile = { readonly fileName: string; readonly text: string }

const header = '# Generated from src/api by `npm run crds`: edit the schema there.\n'

/** Every file of crds/, byte for byte. */
export function makeCrdFiles(): readonly YamlFile[] {
  return makeCrds().map(({ fileName, crd }: CrdFile) => ({
    fileName,
    text: header + stringify(crd, { lineWidth: 110, aliasDuplicateObjects: false, version: '1.1' }),
  }))
}

/** Every CRD as one stream, for `holdfast print-crds | kubectl apply -f -`. */
export function makeCrdStream(): string {
  return makeCrdFiles()
    .map(({ text }) => text)
    .join('---\n')
}
