import type { ObjectChecksum } from '../store/records.ts'
import { checksumAlgorithmOf, checksumAlgorithms, decodeDigest } from './checksums.ts'
import { S3Error } from './s3-error.ts'
import { childText, element, type XmlElement, type XmlNode } from './xml.ts'

/** `ChecksumCRC32` and so on, as the documents name them. */
function elementName(algorithm: ObjectChecksum['algorithm']): string {
  return `Checksum${algorithm}`
}

/** The value alone, as parts carry it. */
export function checksumValueElements(checksum: ObjectChecksum | null): readonly XmlElement[] {
  return checksum === null ? [] : [element(elementName(checksum.algorithm), checksum.value)]
}

/** Value and type, as objects carry them. */
export function checksumElements(checksum: ObjectChecksum | null): readonly XmlElement[] {
  if (checksum === null) return []
  return [...checksumValueElements(checksum), element('ChecksumType', checksum.type)]
}

/** A part's checksum in a document; null: none. Errors: E8 for several, InvalidRequest for no value of the algorithm. */
export function checksumIn(node: XmlNode): ObjectChecksum | null {
  const found = checksumAlgorithms.flatMap((algorithm) => {
    const value = childText(node, elementName(algorithm))
    return value === null ? [] : [{ algorithm, value, type: 'FULL_OBJECT' as const }]
  })
  const [first] = found
  if (first === undefined) return null
  if (found.length > 1) throw new S3Error('MalformedXML')
  if (decodeDigest(first.algorithm, first.value) === null) {
    throw new S3Error('InvalidRequest', { message: `Value for ${elementName(first.algorithm)} is invalid.` })
  }
  return first
}

export const checksumElementNames: readonly string[] = checksumAlgorithms.map(elementName)

/** x-amz-checksum-algorithm; null: not sent. Errors: InvalidRequest. */
export function parseChecksumAlgorithm(value: string | undefined): ObjectChecksum['algorithm'] | null {
  if (value === undefined) return null
  const algorithm = checksumAlgorithmOf(value)
  if (algorithm !== null) return algorithm
  throw new S3Error('InvalidRequest', {
    message:
      'Checksum algorithm provided is unsupported. Please try again with any of the valid types: ' +
      '[CRC32, CRC32C, CRC64NVME, SHA1, SHA256]',
  })
}
