/**
 * What the source last saw of one kind. Tells whether a step changed anything, so that only changes are work.
 */

export type CachedObject = {
  readonly metadata: {
    readonly namespace: string
    readonly name: string
    readonly uid: string
    readonly resourceVersion: string
  }
}

/** An object that is there and says nothing that we understand: it is not gone. */
export class UnparsableObject implements CachedObject {
  readonly metadata: CachedObject['metadata']
  /** What cannot be understood of it. */
  readonly problem: string

  constructor(metadata: CachedObject['metadata'], problem: string) {
    this.metadata = metadata
    this.problem = problem
  }
}

export class ObjectCache<T extends CachedObject> {
  #objects = new Map<string, T | UnparsableObject>()
  #unparsable = new Map<string, UnparsableObject>()

  get(key: string): T | null {
    const held = this.#objects.get(key)
    return held === undefined || held instanceof UnparsableObject ? null : held
  }

  list(): readonly T[] {
    const objects: T[] = []
    for (const object of this.#objects.values())
      if (!(object instanceof UnparsableObject)) objects.push(object)
    return objects
  }

  /** Of neither `get` nor `list`. */
  get unparsable(): ReadonlyMap<string, UnparsableObject> {
    return this.#unparsable
  }

  /**
   * True if it is new or another version than the one held. An older version of the same object is dropped: the
   * answer to our own write may have come before the event of an earlier one.
   */
  put(object: T | UnparsableObject): boolean {
    const key = cacheKey(object)
    const held = this.#objects.get(key)
    if (held !== undefined && isOlder(object, held)) return false
    this.#objects.set(key, object)
    if (object instanceof UnparsableObject) this.#unparsable.set(key, object)
    else this.#unparsable.delete(key)
    return held?.metadata.resourceVersion !== object.metadata.resourceVersion
  }

  /**
   * Takes the answer to our own write: only over an older version of the same object, because a watch may
   * already have told of a later change or of the deletion.
   */
  putWritten(object: T): boolean {
    const held = this.#objects.get(cacheKey(object))
    if (held === undefined || held.metadata.uid !== object.metadata.uid) return false
    if (!isNewer(object.metadata.resourceVersion, held.metadata.resourceVersion)) return false
    return this.put(object)
  }

  delete(key: string): boolean {
    this.#unparsable.delete(key)
    return this.#objects.delete(key)
  }

  /**
   * Takes a whole list; returns the keys that appeared, changed or went. Of an object that is in it twice the
   * newer version counts, in whatever order; over what was held before the list always wins, because a restored
   * etcd goes back.
   */
  replace(list: readonly (T | UnparsableObject)[]): readonly string[] {
    const before = this.#objects
    this.#objects = new Map()
    for (const object of list) {
      const twin = this.#objects.get(cacheKey(object))
      if (twin === undefined || !isOlder(object, twin)) this.#objects.set(cacheKey(object), object)
    }
    this.#unparsable = new Map()
    for (const [key, object] of this.#objects)
      if (object instanceof UnparsableObject) this.#unparsable.set(key, object)
    const changed = [...this.#objects.values()]
      .filter(
        (object) =>
          before.get(cacheKey(object))?.metadata.resourceVersion !== object.metadata.resourceVersion,
      )
      .map(cacheKey)
    const gone = [...before.keys()].filter((key) => !this.#objects.has(key))
    return [...changed, ...gone]
  }
}

function isOlder(object: CachedObject, than: CachedObject): boolean {
  return (
    object.metadata.uid === than.metadata.uid &&
    isNewer(than.metadata.resourceVersion, object.metadata.resourceVersion)
  )
}

export function cacheKey(object: CachedObject): string {
  return `${object.metadata.namespace}/${object.metadata.name}`
}

/**
 * Resource versions of one resource are whole numbers that grow (KEP-5504); anything else is not comparable.
 */
export function isNewer(version: string, than: string): boolean {
  const digits = /^[1-9][0-9]*$/
  if (!digits.test(version) || !digits.test(than)) return false
  return BigInt(version) > BigInt(than)
}
