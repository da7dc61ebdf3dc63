/** `npm run docs:s3`: writes docs/S3.md. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeS3Document } from './s3-document.ts'

writeFileSync(join(import.meta.dirname, '../../docs/S3.md'), makeS3Document())
process.stdout.write('wrote docs/S3.md\n')
