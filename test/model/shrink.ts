/** Leaves out what a failing history does not need (ddmin), within a time. */

/** `fails`: whether a history still does. Each try costs real requests, so `untilMs` (of `performance.now`) ends it. */
export async function shrink<Item>(
  failing: readonly Item[],
  fails: (items: readonly Item[]) => Promise<boolean>,
  untilMs: number,
): Promise<readonly Item[]> {
  let items = failing
  for (let size = Math.ceil(items.length / 2); size >= 1; size = Math.floor(size / 2)) {
    for (let start = 0; start < items.length; ) {
      if (performance.now() > untilMs) return items
      const rest = [...items.slice(0, start), ...items.slice(start + size)]
      if (rest.length < items.length && (await fails(rest))) items = rest
      else start += size
    }
  }
  return items
}
