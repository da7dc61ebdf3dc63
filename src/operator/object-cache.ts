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

export class ObjectCache<T extends CachedObject> {
  #objects = new Map<string, T>()

  get(key: string): T | null {
    return this.#objects.get(key) ?? null
  }

  list(): readonly T[] {
    return [...this.#objects.values()]
  }

  /**
   * True if it is new or another version than the one held. An older version of the same object is dropped: the
   * answer to our own write may have come before the event of an earlier one.
   */
  put(object: T): boolean {
    const key = cacheKey(object)
    const held = this.#objects.get(key)
    if (held !== undefined && isOlder(object, held)) return false
    this.#objects.set(key, object)
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
    return this.#objects.delete(key)
  }

  /**
   * Takes a whole list; returns the keys that appeared, changed or went. Of an object that is in it twice the
   * newer version counts, in whatever order; over what was held before the list always wins, because a restored
   * etcd goes back.
   */
  replace(list: readonly T[]): readonly string[] {
    const before = this.#objects
    this.#objects = new Map()
    for (const object of list) {
      const twin = this.#objects.get(cacheKey(object))
      if (twin === undefined || !isOlder(object, twin)) this.#objects.set(cacheKey(object), object)
    }
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
