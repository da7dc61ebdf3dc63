/** The shape of a value: its place, its default, what it means, and the JSON schema that it must meet. */

export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json }

export type ValueRow = {
  /** With dots: `server.http.port`. */
  readonly path: string
  readonly initial: Json
  readonly description: string
  readonly schema: { readonly [key: string]: Json }
  /** In the README's table. */
  readonly type: string
}

type TextLimits = { readonly pattern?: string; readonly minLength?: number; readonly maxLength?: number }

/** `initial` null: null is allowed too. */
export function text(
  path: string,
  initial: string | null,
  description: string,
  limits: TextLimits = {},
): ValueRow {
  const type = initial === null ? ['string', 'null'] : 'string'
  return { path, initial, description, type: 'string', schema: { type, ...limits } }
}

/** `initial` null: null is allowed too. */
export function number(
  path: string,
  initial: number | null,
  description: string,
  { min, max }: { readonly min: number; readonly max: number },
): ValueRow {
  const type = initial === null ? ['integer', 'null'] : 'integer'
  return { path, initial, description, type: 'integer', schema: { type, minimum: min, maximum: max } }
}

export function flag(path: string, initial: boolean, description: string): ValueRow {
  return { path, initial, description, type: 'boolean', schema: { type: 'boolean' } }
}

/** The default is the first choice if none is given. */
export function choice(
  path: string,
  choices: readonly (string | number)[],
  description: string,
  initial: string | number = choices[0] ?? '',
): ValueRow {
  const type = choices.map((one) => `\`${one}\``).join(', ')
  return { path, initial, description, type, schema: { enum: choices } }
}

/** From any name to text. */
export function map(
  path: string,
  description: string,
  initial: { readonly [key: string]: string } = {},
): ValueRow {
  const schema = { type: 'object', additionalProperties: { type: 'string' } }
  return { path, initial, description, type: 'map', schema }
}

const listItems = { objects: 'object', strings: 'string', integers: 'integer' } as const

/** Objects in lists are Kubernetes' own and checked by the API server: the chart hands them on as they are. */
export function list(
  path: string,
  description: string,
  {
    of = 'objects',
    initial = [],
  }: { readonly of?: keyof typeof listItems; readonly initial?: readonly Json[] } = {},
): ValueRow {
  return {
    path,
    initial,
    description,
    type: `list of ${of}`,
    schema: { type: 'array', items: { type: listItems[of] } },
  }
}

/** Kubernetes' own object, checked by the API server. */
export function object(
  path: string,
  description: string,
  initial: { readonly [key: string]: Json } = {},
): ValueRow {
  return { path, initial, description, type: 'object', schema: { type: 'object' } }
}
