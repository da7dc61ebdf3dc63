/** I8: each operation needs exactly its own permissions: granted by statement, tried one by one. Generated from the cases. */
import { expect, test } from 'vitest'
import { operations } from '../../../src/s3/operations/index.ts'
import { permissionCases } from './cases.ts'
import { denied, everyAction, exact, none, of, only, permissionRig, without } from './permission-rig.ts'

const { bench, stage, expectGranted, expectDenied } = permissionRig()

test('I8 Permissions: every operation of THE TABLE has its case', () => {
  const covered = new Set(permissionCases.map(({ operation }) => operation))
  expect(operations.map(({ name }) => name).filter((name) => !covered.has(name))).toEqual([])
})

for (const each of permissionCases) {
  test(`I8 Permissions: ${each.name}, each single permission tried, granted with ${each.needs.join(', ')} only`, async () => {
    const place = await stage()
    const { bucket, request } = await each.prepare(place)
    const wrong = everyAction.filter((action) => each.needs.length > 1 || action !== each.needs[0])
    const passed = await bench.unchanged(bucket, async () => {
      const answers = await Promise.all(wrong.map((action) => bench.send(request(of(only, action)))))
      return wrong.filter((_action, index) => {
        const answer = answers[index]
        return answer === undefined || !each.isDenied(answer)
      })
    })
    expect(passed).toEqual([])
    for (const need of each.needs) {
      await expectDenied(each, place, { key: of(without, need), why: `all but ${need}` })
      await expectDenied(each, place, { key: of(denied, need), why: `${need} denied` })
    }
    await expectGranted(each, place, { key: exact.get(each) ?? none, why: 'exactly what it needs' })
  })
}
