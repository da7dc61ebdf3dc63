/** Server-side apply, whose content type is YAML. JSON is YAML, but for a few characters. */

export const applyPatch = 'application/apply-patch+yaml'

/**
 * As it is put raw into JSON: what the API server's YAML refuses anywhere (the controls after ASCII, the byte order mark, what is no
 * character), and what it folds into a blank (U+0085, U+2028, U+2029). As an escape in quotes it takes and keeps each.
 */
const notYaml = /[\u007f-\u009f\u2028\u2029\ufeff\ufffe\uffff]/g

/**
 * One refused character would be a 400 for the whole document, so that whoever chooses the name of a key would decide
 * whether a status is written. Half a pair of surrogates, which no escape can carry, becomes U+FFFD.
 */
export function formatApplyBody(body: unknown): string {
  const json = JSON.stringify(body, (_name, value: unknown) =>
    typeof value === 'string' ? value.toWellFormed() : value,
  )
  return json.replace(notYaml, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
