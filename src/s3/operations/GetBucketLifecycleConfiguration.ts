import { lifecycleCodec } from '../../store/lifecycle-document.ts'
import { xmlAnswer } from '../answers.ts'
import { readBucketDocument } from '../bucket-document.ts'
import { lifecycleXml } from '../lifecycle-xml.ts'
import { defineOperation } from '../operation.ts'

/** What was put, in S3's order of elements. Errors: NoSuchLifecycleConfiguration. */
export const GetBucketLifecycleConfiguration = defineOperation({
  name: 'GetBucketLifecycleConfiguration',
  match: { method: 'GET', level: 'bucket', query: ['lifecycle'] },
  permission: 's3:GetLifecycleConfiguration',
  body: { kind: 'none' },
  parse: () => null,
  handle: async (context) => {
    const text = await readBucketDocument(context, 'lifecycle', 'NoSuchLifecycleConfiguration')
    const { rules, transitionDefaultMinimumObjectSize } = lifecycleCodec.decode(text)
    return xmlAnswer(lifecycleXml(rules), {
      'x-amz-transition-default-minimum-object-size': transitionDefaultMinimumObjectSize,
    })
  },
})
