/** What must hold when a server is back after a crash of any kind. */
import { expect } from 'vitest'
import type { TestServer } from '../server.ts'
import { buckets } from './actions.ts'
import type { Ledger } from './ledger.ts'
import { endUploads } from './load.ts'
import { until, untilReady } from './processes.ts'
import { verifyServed } from './verify-served.ts'
import { isGarbageGone, isTidied, offlineFindings, traces, verifyVolume } from './volume-state.ts'

/**
 * The server runs. All that was acknowledged is there with bytes, lock and audit record, nothing else is, and after a
 * stop in good order and a start no orphan is left and rows, counters and files agree.
 */
export async function expectRecovered(server: TestServer, ledger: Ledger): Promise<void> {
  await expectServed(server, ledger)
  await endUploads(server)
  expect(await server.terminate()).toBe(0)
  expect(await offlineFindings(server.dataDirectory)).toEqual([])
  expect(server.logs()).not.toContain('"level":"error"')
  await server.start()
  await until('garbage is collected', () => isTidied(server.dataDirectory))
  expect(await verifyVolume(server.dataDirectory, ledger)).toEqual([])
}

/**
 * The end of a test that has a crash and no ledger. The server runs, and is stopped by this, in good order: `holdfast verify`
 * finds nothing, so rows and files name each other, counters and expiries equal a recount and the audit chain is whole; once
 * garbage is collected no orphan and no trace is left.
 */
export async function expectSound(server: TestServer): Promise<void> {
  const { dataDirectory } = server
  expect(await server.terminate()).toBe(0)
  expect(await offlineFindings(dataDirectory)).toEqual([])
  if (!(await isGarbageGone(dataDirectory))) {
    await server.start()
    await until('garbage is collected', () => isGarbageGone(dataDirectory))
    expect(await server.terminate()).toBe(0)
    expect(await offlineFindings(dataDirectory)).toEqual([])
  }
  expect(await traces(dataDirectory)).toEqual([])
}

/** The part of it that needs no stop: all that was acknowledged is served, and nothing else is. */
export async function expectServed(server: TestServer, ledger: Ledger): Promise<void> {
  await untilReady(server)
  expect(ledger.surprises).toEqual([])
  expect(await verifyServed(server.client, ledger, Object.values(buckets))).toEqual([])
}
