import { addressedBucket } from '../addressed.ts'
import { xmlAnswer } from '../answers.ts'
import { defineOperation } from '../operation.ts'
import { element, xmlDocument } from '../xml.ts'

/** A bucket that was never versioned has no Status. */
export const GetBucketVersioning = defineOperation({
  name: 'GetBucketVersioning',
  match: { method: 'GET', level: 'bucket', query: ['versioning'] },
  permission: 's3:GetBucketVersioning',
  body: { kind: 'none' },
  parse: () => null,
  handle: async (context) => {
    const { versioning } = addressedBucket(context)
    return xmlAnswer(
      xmlDocument(
        'VersioningConfiguration',
        versioning === 'Unversioned' ? [] : [element('Status', versioning)],
      ),
    )
  },
})
