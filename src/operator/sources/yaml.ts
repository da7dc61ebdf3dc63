/** The door to `yaml`: manifests in and state out. What would replace it: js-yaml. */
import { parseAllDocuments, stringify } from 'yaml'

export type YamlResult =
  | { readonly kind: 'ok'; readonly documents: readonly unknown[] }
  | { readonly kind: 'bad'; readonly message: string }

/** Every document of a text of YAML (JSON is YAML); empty documents are left out. Never throws. */
export function parseYaml(text: string): YamlResult {
  const parsed = parseAllDocuments(text, { version: '1.2', schema: 'core', uniqueKeys: true, merge: false })
  // An empty text gives an empty stream object instead of a list.
  const documents = Array.isArray(parsed) ? parsed : []
  for (const document of documents) {
    const error = document.errors[0]
    if (error !== undefined) return { kind: 'bad', message: firstLine(error.message) }
  }
  try {
    // No aliases: a few lines of them grow without bound.
    const values = documents.map((document): unknown => document.toJS({ maxAliasCount: 0 }))
    return { kind: 'ok', documents: values.filter((value) => value !== null) }
  } catch (error) {
    return { kind: 'bad', message: error instanceof Error ? firstLine(error.message) : 'unreadable' }
  }
}

export function formatYaml(value: unknown): string {
  return stringify(value, { aliasDuplicateObjects: false, lineWidth: 0 })
}

function firstLine(message: string): string {
  return (message.split('\n', 1)[0] ?? message).replace(/:$/, '')
}
