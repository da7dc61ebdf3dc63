/** What a server says of itself: whether it is ready, and how many errors it met that nobody expected. */
import type { TestServer } from './server.ts'

type Asked = Pick<TestServer, 'metricsEndpoint'>

/** What must hold after all that clients, damage and a bad disk can do. */
export const sound = '200 ok, 0 faults'

export async function healthOf(server: Asked): Promise<string> {
  const ready = await fetch(new URL('/readyz', server.metricsEndpoint))
  const { status } = ready
  return `${status} ${(await ready.text()).trim()}, ${await countOf(server, 'holdfast_faults_total')} faults`
}

/** Of a series without labels. Errors: it is not there. */
export async function countOf({ metricsEndpoint }: Asked, series: string): Promise<number> {
  const answer = await fetch(new URL('/metrics', metricsEndpoint))
  const line = (await answer.text()).split('\n').find((each) => each.startsWith(`${series} `))
  if (line === undefined) throw new Error(`/metrics has no ${series}`)
  return Number(line.slice(series.length + 1))
}
