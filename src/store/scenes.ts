/**
 * Saves a round of reads: a bucket's id hardly ever changes, so what lies under the id seen last is read
 * together with the bucket's record. The record decides; a remembered id only says where to look, never what
 * holds there.
 */
import type { Clock } from '../lib/clock.ts'
import { limits } from '../lib/limits.ts'
import type { KeyValueTransaction } from './kv/contract.ts'
import type { BucketRecord } from './records.ts'
import type { Actor } from './requests.ts'
import { type BucketAddress, openScene, type Scene } from './version-rows.ts'

/** What decides where the rows of a key are looked for. */
export type BucketPlace = Pick<BucketRecord, 'id' | 'versioning'>

export class BucketPlaces {
  readonly #places = new Map<string, BucketPlace>()

  get(bucketName: string): BucketPlace | null {
    return this.#places.get(bucketName) ?? null
  }

  set(bucketName: string, { id, versioning }: BucketPlace): void {
    if (this.#places.size >= limits.bucketPlacesMax) this.#places.clear()
    this.#places.set(bucketName, { id, versioning })
  }
}

export type ScenesOptions = {
  readonly clock: Clock
  readonly places: BucketPlaces
}

/** The scenes of one transaction, for one actor. */
export class Scenes {
  readonly #transaction: KeyValueTransaction
  readonly #clock: Clock
  readonly #places: BucketPlaces
  readonly #actor: BucketAddress['actor']
  readonly #scenes = new Map<string, Promise<Scene | null>>()

  constructor(transaction: KeyValueTransaction, { clock, places }: ScenesOptions, actor: Actor) {
    this.#transaction = transaction
    this.#clock = clock
    this.#places = places
    this.#actor = actor
  }

  /** null: no such bucket for the actor. `read` may be called twice, the last time with the bucket's true place. */
  async open<Found>(
    bucketName: string,
    read: (place: BucketPlace) => Promise<Found>,
  ): Promise<{ readonly scene: Scene; readonly found: Found } | null> {
    const guess = this.#places.get(bucketName)
    const [opened, early] = await Promise.allSettled([
      this.#scene(bucketName),
      guess === null ? null : read(guess).then((found) => ({ found })),
    ])
    if (opened.status === 'rejected') throw opened.reason
    const scene = opened.value
    if (scene === null) return null
    if (guess !== null && isSamePlace(guess, scene.bucket)) {
      if (early.status === 'rejected') throw early.reason
      if (early.value !== null) return { scene, found: early.value.found }
    }
    this.#places.set(bucketName, scene.bucket)
    return { scene, found: await read(scene.bucket) }
  }

  #scene(bucketName: string): Promise<Scene | null> {
    const address = { bucket: bucketName, actor: this.#actor }
    const scene = this.#scenes.get(bucketName) ?? openScene(this.#transaction, this.#clock, address)
    this.#scenes.set(bucketName, scene)
    return scene
  }
}

function isSamePlace(a: BucketPlace, b: BucketPlace): boolean {
  return a.id === b.id && a.versioning === b.versioning
}
