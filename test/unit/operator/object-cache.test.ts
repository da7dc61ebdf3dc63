import { expect, test } from 'vitest'
import { ObjectCache, UnparsableObject } from '../../../src/operator/object-cache.ts'

function version(name: string, resourceVersion: string, uid = `uid-${name}`) {
  return { metadata: { namespace: 'team', name, uid, resourceVersion } }
}

test('ObjectCache: a list that names an object twice, the newer version counts in whatever order', () => {
  for (const list of [
    [version('a', '9'), version('a', '10'), version('b', '1')],
    [version('b', '1'), version('a', '10'), version('a', '9')],
  ]) {
    const cache = new ObjectCache<ReturnType<typeof version>>()
    expect([...cache.replace(list)].sort()).toEqual(['team/a', 'team/b'])
    expect(cache.get('team/a')?.metadata.resourceVersion).toBe('10')
    expect(cache.list()).toHaveLength(2)
  }
})

test('ObjectCache: a list older than what is held, the list counts', () => {
  const cache = new ObjectCache<ReturnType<typeof version>>()
  cache.put(version('a', '10'))
  expect(cache.replace([version('a', '9')])).toEqual(['team/a'])
  expect(cache.get('team/a')?.metadata.resourceVersion).toBe('9')
})

test('ObjectCache: an event older than what is held, it is no change; of another incarnation it is one', () => {
  const cache = new ObjectCache<ReturnType<typeof version>>()
  expect(cache.put(version('a', '10'))).toBe(true)
  expect(cache.put(version('a', '9'))).toBe(false)
  expect(cache.put(version('a', '10'))).toBe(false)
  expect(cache.get('team/a')?.metadata.resourceVersion).toBe('10')
  expect(cache.put(version('a', '5', 'another-uid'))).toBe(true)
  expect(cache.put(version('a', 'not-a-number', 'another-uid'))).toBe(true)
})

const unparsable = (name: string, resourceVersion: string) =>
  new UnparsableObject(version(name, resourceVersion).metadata, 'spec: no')

test('ObjectCache: an object that cannot be understood is neither there nor gone, until it is understood or deleted', () => {
  const cache = new ObjectCache<ReturnType<typeof version>>()
  const held = () => [cache.get('team/a'), cache.list(), [...cache.unparsable.keys()]]
  expect(cache.replace([version('b', '1'), unparsable('a', '10')]).toSorted()).toEqual(['team/a', 'team/b'])
  expect(held()).toEqual([null, [version('b', '1')], ['team/a']])
  expect(cache.put(version('a', '9'))).toBe(false)
  expect(cache.put(version('a', '11'))).toBe(true)
  expect([cache.get('team/a'), cache.unparsable.size]).toEqual([version('a', '11'), 0])
  expect(cache.put(unparsable('a', '12'))).toBe(true)
  expect(cache.put(unparsable('a', '12'))).toBe(false)
  expect(held()).toEqual([null, [version('b', '1')], ['team/a']])
  expect(cache.delete('team/a')).toBe(true)
  expect(cache.unparsable.size).toBe(0)
  cache.put(unparsable('a', '13'))
  expect(cache.replace([version('b', '1')])).toEqual(['team/a'])
  expect(cache.unparsable.size).toBe(0)
})
