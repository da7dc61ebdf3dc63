/** Owners of one account, so that each has its own allowance of single records for refusals. */
export type LoadKey = {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly accountId: string
  readonly displayName: string
}

export function loadKey(index: number): LoadKey {
  return {
    accessKeyId: `LOADCLIENT${index}`,
    secretAccessKey: `secret-of-load-client-${index}`,
    accountId: '111111111111',
    displayName: `load client ${index}`,
  }
}
