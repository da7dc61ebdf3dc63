/** What makes an object needs, through every entrance, with every header that needs more. */
import type { Action } from '../../../src/s3/operation.ts'
import { md5 } from '../../support/conformance.ts'
import { formRequest } from '../../support/form.ts'
import { hold, onKey, permissionCase, retention, type Stage, tags } from './permission-case.ts'

type NewObject = readonly [
  form: string,
  needs: readonly Action[],
  headers: (stage: Stage) => Record<string, string>,
]
const newObjects: readonly NewObject[] = [
  ['plain', [], () => ({})],
  ['with retention', ['s3:PutObjectRetention'], retention],
  ['with a hold', ['s3:PutObjectLegalHold'], hold],
  ['with a hold that is OFF', ['s3:PutObjectLegalHold'], () => ({ 'x-amz-object-lock-legal-hold': 'OFF' })],
  [
    'with retention, hold and tags',
    ['s3:PutObjectRetention', 's3:PutObjectLegalHold', 's3:PutObjectTagging'],
    (stage) => ({ ...retention(stage), ...hold(), ...tags() }),
  ],
  ['with tags', ['s3:PutObjectTagging'], tags],
]

export const newObjectCases = newObjects.flatMap(([form, more, headers]) => {
  const needs: readonly Action[] = ['s3:PutObject', ...more]
  const body = { body: 'bytes' }
  const sum = { 'content-md5': md5('bytes') }
  return [
    onKey(`PutObject: ${form}`, needs, (stage) => ({
      method: 'PUT',
      ...body,
      headers: { ...headers(stage), ...sum },
    })),
    onKey(`PutObject: presigned, ${form}`, needs, (stage) => ({
      method: 'PUT',
      ...body,
      headers: { ...headers(stage), ...sum },
      sign: 'presigned' as const,
    })),
    onKey(`CreateMultipartUpload: ${form}`, needs, (stage) => ({
      method: 'POST',
      query: { uploads: '' },
      headers: headers(stage),
    })),
    onKey(`CopyObject: ${form}`, [...needs, 's3:GetObject'], async (stage) => {
      await stage.put()
      const source = { 'x-amz-copy-source': `/${stage.bucket}/key`, 'x-amz-tagging-directive': 'REPLACE' }
      return { method: 'PUT', path: `/${stage.bucket}/copy`, headers: { ...headers(stage), ...source } }
    }),
    permissionCase(
      `PostObject: ${form}`,
      needs,
      async (stage) => {
        const { 'x-amz-tagging': tagging, ...fields } = headers(stage)
        const xml = '<Tagging><TagSet><Tag><Key>a</Key><Value>1</Value></Tag></TagSet></Tagging>'
        return {
          bucket: stage.bucket,
          request: (key) =>
            formRequest({
              bucket: stage.bucket,
              key,
              nowMs: stage.bench.server().nowMs(),
              fields: {
                key: 'form',
                'content-md5': md5('bytes'),
                ...fields,
                ...(tagging === undefined ? {} : { tagging: xml }),
              },
              file: 'bytes',
            }),
        }
      },
      {},
    ),
  ]
})
