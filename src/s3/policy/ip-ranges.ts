/** Addresses and CIDR ranges of aws:SourceIp. */
import { BlockList, isIP } from 'node:net'

export type IpRange = {
  readonly family: 'ipv4' | 'ipv6'
  readonly prefixBits: number
  readonly contains: (address: string) => boolean
}

/** `203.0.113.0/24`, `2001:db8::/32`, or one address; null: neither. */
export function parseIpRange(text: string): IpRange | null {
  const [address = '', bits, ...rest] = text.split('/')
  const version = isIP(address)
  // IPv4 in IPv6's letters would look like a range of IPv4 clients, and they are never in it.
  if (version === 0 || rest.length > 0 || /^::ffff:/i.test(address)) return null
  const bitsMax = version === 4 ? 32 : 128
  if (bits !== undefined && !/^\d{1,3}$/.test(bits)) return null
  const prefixBits = bits === undefined ? bitsMax : Number(bits)
  if (prefixBits > bitsMax) return null
  const family = version === 4 ? 'ipv4' : 'ipv6'
  const list = new BlockList()
  list.addSubnet(address, prefixBits, family)
  return {
    family,
    prefixBits,
    // An address of the other family is none of this one: an IPv4 client is not even in ::/0, as on AWS.
    contains: (other) => list.check(other, family),
  }
}

/** The peer of a connection: IPv4 that came in through an IPv6 socket is IPv4. null: not an address. */
export function sourceAddress(remote: string): string | null {
  const plain = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(remote)?.[1] ?? remote
  return isIP(plain) === 0 ? null : plain
}
