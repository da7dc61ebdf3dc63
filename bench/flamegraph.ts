/** Draws CPU profiles as V8 writes them: one SVG, widest first, what is above was called by what is below. */
export type CpuProfile = {
  readonly nodes: readonly {
    readonly id: number
    readonly callFrame: { readonly functionName: string; readonly url: string }
    readonly children?: readonly number[]
  }[]
  /** Microseconds of the clock that process.hrtime reads, too. */
  readonly startTime: number
  /** The node that ran at each sample, and the microseconds since the sample before. */
  readonly samples: readonly number[]
  readonly timeDeltas: readonly number[]
}

/** Microseconds of that clock. */
export type Span = { readonly from: number; readonly to: number }

type Frame = {
  readonly name: string
  readonly room: Room
  count: number
  readonly children: Map<string, Frame>
}
type Room = keyof typeof colours

/** Frames that are a smaller part of all of it are left out. */
const shareMin = 0.003
const [width, rowHeight, topHeight, letterWidth] = [1200, 16, 44, 6.2]
const colours = {
  store: '#e4885a',
  server: '#e9c46a',
  s3: '#8ab17d',
  lock: '#5fa8a0',
  'rest of src': '#b5c99a',
  packages: '#9fb4d8',
  node: '#c9ced6',
  'garbage collector': '#d98a9c',
} as const

/** The samples of all profiles that lie in the span, those of an idle process left out. */
export function flamegraph(profiles: readonly CpuProfile[], span: Span, title: string): string {
  const root: Frame = { name: 'all', room: 'node', count: 0, children: new Map() }
  for (const profile of profiles) addSamples(root, profile, span)
  const drawn = boxes(root, root.count, { left: 0, depth: 0 })
  const height = topHeight + (1 + Math.max(...drawn.map(({ depth }) => depth))) * rowHeight + 4
  const body = drawn.map((box) => boxSvg(box, root.count, height))
  const head =
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" ` +
    'font-family="monospace" font-size="10">'
  const name = escaped(`${title}: ${root.count} samples`)
  const named = `<text x="4" y="14" font-size="12">${name}</text>`
  const paper = `<rect width="${width}" height="${height}" fill="#ffffff"/>`
  return `${[head, `<title>${name}</title>`, paper, named, ...legend(), ...body, '</svg>'].join('\n')}\n`
}

function addSamples(root: Frame, { nodes, samples, timeDeltas, startTime }: CpuProfile, span: Span): void {
  const byId = new Map(nodes.map((node) => [node.id, node]))
  const parents = new Map(nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id])))
  const counts = new Map<number, number>()
  let time = startTime
  for (const [index, id] of samples.entries()) {
    time += timeDeltas[index] ?? 0
    if (time >= span.from && time <= span.to) counts.set(id, (counts.get(id) ?? 0) + 1)
  }
  for (const [id, count] of counts) {
    const path: { name: string; room: Room }[] = []
    for (let at: number | undefined = id; at !== undefined; at = parents.get(at)) {
      const node = byId.get(at)
      if (node !== undefined) path.unshift(labelOf(node.callFrame))
    }
    // The first is V8's own root.
    if (path.at(-1)?.name !== '(idle)') addPath(root, path.slice(1), count)
  }
}

function addPath(root: Frame, path: readonly { name: string; room: Room }[], count: number): void {
  let frame = root
  frame.count += count
  for (const { name, room } of path) {
    let child = frame.children.get(name)
    if (child === undefined) {
      child = { name, room, count: 0, children: new Map() }
      frame.children.set(name, child)
    }
    child.count += count
    frame = child
  }
}

/** Without lines, which a compiler moves: functions of one name in one file are one frame. */
function labelOf({ functionName, url }: CpuProfile['nodes'][number]['callFrame']): {
  name: string
  room: Room
} {
  const name = functionName === '' ? '(anonymous)' : functionName
  if (name === '(garbage collector)') return { name, room: 'garbage collector' }
  const file = /.*\/(?:dist|src)\/([^?]+)\.[jt]s$/.exec(url)?.[1]
  const module = /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url)?.[1]
  if (module !== undefined) return { name: `${name} ${module}`, room: 'packages' }
  if (file === undefined) return { name: url === '' ? name : `${name} ${url}`, room: 'node' }
  const folder = file.split('/')[0] ?? ''
  const isNamed = folder === 'store' || folder === 'server' || folder === 's3' || folder === 'lock'
  return { name: `${name} ${file}`, room: isNamed ? folder : 'rest of src' }
}

type Box = { readonly frame: Frame; readonly left: number; readonly depth: number }

function boxes(frame: Frame, total: number, { left, depth }: Omit<Box, 'frame'>): readonly Box[] {
  if (frame.count === 0 || frame.count < total * shareMin) return depth === 0 ? [{ frame, left, depth }] : []
  const found: Box[] = [{ frame, left, depth }]
  let at = left
  for (const child of [...frame.children.values()].toSorted((a, b) => b.count - a.count)) {
    found.push(...boxes(child, total, { left: at, depth: depth + 1 }))
    at += child.count
  }
  return found
}

function boxSvg({ frame, left, depth }: Box, total: number, height: number): string {
  const pixels = (count: number): number => (total === 0 ? width : (count / total) * width)
  const [x, w] = [pixels(left), pixels(frame.count)]
  const y = height - 4 - (depth + 1) * rowHeight
  const percent = total === 0 ? 0 : (100 * frame.count) / total
  const letters = Math.floor((w - 4) / letterWidth)
  const short = frame.name.length > letters ? `${frame.name.slice(0, Math.max(letters - 1, 0))}…` : frame.name
  const text = letters < 3 ? '' : `<text x="${(x + 2).toFixed(1)}" y="${y + 11}">${escaped(short)}</text>`
  return (
    `<g><title>${escaped(frame.name)} ${percent.toFixed(1)} %</title>` +
    `<rect x="${x.toFixed(1)}" y="${y}" width="${Math.max(w - 0.4, 0.1).toFixed(1)}" height="${rowHeight - 1}" ` +
    `fill="${colours[frame.room]}"/>${text}</g>`
  )
}

function legend(): readonly string[] {
  return Object.entries(colours).map(
    ([name, colour], index) =>
      `<rect x="${4 + index * 140}" y="22" width="10" height="10" fill="${colour}"/>` +
      `<text x="${18 + index * 140}" y="31">${name}</text>`,
  )
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
