/** The words of Object Lock: two modes, two states of a hold, in the letters that a profile reads. */
import type { LegalHoldStatus, RetentionMode } from '../lock/types.ts'
import type { Letters, LockWords } from './profiles/profile.ts'
import { S3Error } from './s3-error.ts'

/** null: no mode of this profile. Errors: NotImplemented where the profile knows the mode and does not serve it. */
export function readMode(written: string, letters: Letters, words: LockWords): RetentionMode | null {
  const word = letters === 'any' ? written.toUpperCase() : written
  if (word !== 'GOVERNANCE' && word !== 'COMPLIANCE') return null
  if (word === 'COMPLIANCE' || words.governance === 'served') return word
  if (words.governance === 'unknown') return null
  throw new S3Error('NotImplemented', {
    message: 'GOVERNANCE retention is not implemented in the profile of this bucket.',
  })
}

/** null: neither ON nor OFF. */
export function readStatus(written: string, letters: Letters): LegalHoldStatus | null {
  const word = letters === 'any' ? written.toUpperCase() : written
  return word === 'ON' || word === 'OFF' ? word : null
}

/** Errors: NotImplemented. Asked before what is written is judged. */
export function demandLegalHolds(words: LockWords): void {
  if (words.legalHold === 'served') return
  throw new S3Error('NotImplemented', {
    message: 'Legal holds are not implemented in the profile of this bucket.',
  })
}
