import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { limits } from '../../../src/lib/limits.ts'
import { isFormType, openForm } from '../../../src/s3/form/open-form.ts'
import { S3Error } from '../../../src/s3/s3-error.ts'
import { encodeForm, type FormPart, formBoundary } from '../../support/form.ts'

const contentType = `multipart/form-data; boundary=${formBoundary}`

async function* cut(bytes: Buffer, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  let offset = 0
  for (let index = 0; offset < bytes.length; index += 1) {
    const size = sizes[index % sizes.length] ?? bytes.length
    yield bytes.subarray(offset, offset + size)
    offset += size
  }
}

type Taken = {
  readonly code: string
  readonly fields: Readonly<Record<string, string>>
  readonly fileName: string | null
  /** null: the file did not end well, so that nothing of it is stored. */
  readonly file: Buffer | null
}

async function take(
  body: Buffer,
  sizes: readonly number[] = [1 << 20],
  headers: Readonly<Record<string, string>> = {},
): Promise<Taken> {
  const given = { 'content-type': contentType, 'content-length': String(body.length), ...headers }
  let taken: Taken = { code: 'none', fields: {}, fileName: null, file: null }
  try {
    const form = await openForm(cut(body, sizes), given)
    const fields = Object.fromEntries([...form.fields].map(([name, field]) => [name, field.value]))
    taken = { ...taken, fields, fileName: form.fileName }
    const pieces: Uint8Array[] = []
    for await (const piece of form.file()) pieces.push(Buffer.from(piece))
    return { ...taken, file: Buffer.concat(pieces) }
  } catch (error) {
    if (!(error instanceof S3Error)) throw error
    return { ...taken, code: error.code }
  }
}

const key: FormPart = { name: 'key', value: 'a' }
const file: FormPart = { name: 'file', value: 'bytes', fileName: 'name.txt' }
const whole = encodeForm([key, file])

/** A form of raw part heads and contents. */
function raw(parts: readonly string[], end = '--\r\n'): Buffer {
  const texts = parts.map((part) => `--${formBoundary}\r\n${part}\r\n`)
  return Buffer.from(`${texts.join('')}--${formBoundary}${end}`)
}
const keyPart = 'Content-Disposition: form-data; name="key"\r\n\r\na'
const filePart = 'Content-Disposition: form-data; name="file"; filename="f"\r\n\r\nbytes'

describe('the form', () => {
  test('Form: fields by lower-case name, the file with its name', async () => {
    const parts = [{ name: 'KEY', value: 'ü' }, { name: 'x', value: '' }, file]
    expect(await take(encodeForm(parts))).toEqual({
      code: 'none',
      fields: { key: 'ü', x: '' },
      fileName: 'name.txt',
      file: Buffer.from('bytes'),
    })
  })

  test('Form: any form cut anywhere, the same fields and bytes', async () => {
    const boundaryLike = fc.constantFrom(
      '\r\n',
      '\r',
      '\n',
      '-',
      '--',
      `--${formBoundary}`,
      `\r\n--${formBoundary.slice(0, -1)}`,
      '\0',
    )
    const content = fc.array(fc.oneof(boundaryLike, fc.string())).map((pieces) => pieces.join(''))
    // A line that begins with the delimiter is the delimiter: no client sends one inside a part.
    const isSafe = (text: string) => !`\r\n${text}`.slice(2).includes(`\r\n--${formBoundary}`)
    const safe = content.filter(isSafe)
    const sizes = fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1 })
    await fc.assert(
      fc.asyncProperty(safe, safe, sizes, async (value, bytes, cuts) => {
        fc.pre(Buffer.byteLength(value) < 10_000)
        const body = encodeForm([
          { name: 'v', value },
          { name: 'file', value: bytes, fileName: 'f' },
        ])
        const taken = await take(body, cuts)
        expect([taken.code, taken.fields, taken.file?.toString()]).toEqual([
          'none',
          { v: Buffer.from(value).toString() },
          Buffer.from(bytes).toString(),
        ])
      }),
      { numRuns: 300 },
    )
  })

  test('Form: cut off at every byte, no file', async () => {
    // Only the CRLF behind the last delimiter may be missing.
    for (let length = 0; length < whole.length - 2; length += 1) {
      const taken = await take(whole.subarray(0, length), [7])
      expect([length, taken.code, taken.file]).toEqual([length, 'MalformedPOSTRequest', null])
    }
    expect((await take(whole.subarray(0, -2))).file?.toString()).toBe('bytes')
  })

  test('Form: any byte changed, never a crash and never other bytes under a whole form', async () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1 })
    const place = fc.integer({ min: 0, max: whole.length - 1 })
    await fc.assert(
      fc.asyncProperty(place, fc.integer({ min: 0, max: 255 }), sizes, async (offset, byte, cuts) => {
        const body = Buffer.from(whole)
        body[offset] = byte
        const at = whole.indexOf('bytes')
        const inFile = offset >= at && offset < at + 5
        const taken = await take(body, cuts)
        const expected = inFile ? body.subarray(at, at + 5) : Buffer.from('bytes')
        if (taken.file !== null) expect(taken.file).toEqual(expected)
      }),
      { numRuns: 500 },
    )
  })

  test('Form: random bytes in its place, a refusal', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 2000 }), async (bytes) => {
        const prefix = Buffer.from(`--${formBoundary}\r\n`)
        for (const body of [Buffer.from(bytes), Buffer.concat([prefix, bytes])])
          expect((await take(body, [33])).file).toBeNull()
      }),
      { numRuns: 300 },
    )
  })
})

describe('framing', () => {
  test.each([
    ['an empty body', Buffer.alloc(0)],
    ['a preamble', Buffer.concat([Buffer.from('x\r\n'), whole])],
    ['a line end before the first delimiter', Buffer.concat([Buffer.from('\r\n'), whole])],
    ['an epilogue', Buffer.concat([whole, Buffer.from('x')])],
    ['two line ends at the end', Buffer.concat([whole, Buffer.from('\r\n')])],
    ['a second form behind it', Buffer.concat([whole, whole])],
    ['padding behind a delimiter', raw([keyPart, filePart], '-- \r\n')],
    ['a longer delimiter', raw([keyPart, `${filePart}\r\n--${formBoundary}x\r\n`])],
    ['line ends without CR', Buffer.from(whole.toString().replaceAll('\r\n', '\n'))],
    ['a header line without CR', raw([keyPart.replace('\r\n', '\n'), filePart])],
    ['a folded header', raw([keyPart.replace('; name', ';\r\n name'), filePart])],
    ['a header without colon', raw([`nonsense\r\n${keyPart}`, filePart])],
    ['a header twice', raw([`Content-Disposition: form-data; name="x"\r\n${keyPart}`, filePart])],
    ['no Content-Disposition', raw(['Content-Type: text/plain\r\n\r\na', filePart])],
    ['no headers', raw(['\r\na', filePart])],
    ['no name', raw([keyPart.replace('; name="key"', ''), filePart])],
    ['an empty name', raw([keyPart.replace('"key"', '""'), filePart])],
    ['a name twice', raw([keyPart.replace('"key"', '"key"; name="x"'), filePart])],
    ['a name that does not end', raw([keyPart.replace('"key"', '"key'), filePart])],
    ['an attachment', raw([keyPart.replace('form-data', 'attachment'), filePart])],
    ['a file that is no form-data', raw([keyPart, filePart.replace('form-data', 'file')])],
    ['base64', raw([keyPart, `Content-Transfer-Encoding: base64\r\n${filePart}`])],
    ['a name that is no UTF-8', encodeBytes('name="k\xff"')],
  ])('Form: %s, MalformedPOSTRequest', async (_name, body) => {
    for (const sizes of [[1 << 20], [1], [13]]) {
      const taken = await take(body, sizes)
      expect([taken.code, taken.file]).toEqual(['MalformedPOSTRequest', null])
    }
  })

  test('Form: a value that is no UTF-8, MalformedPOSTRequest', async () => {
    const body = encodeForm([{ name: 'key', value: Buffer.from([0xc3, 0x28]) }, file])
    expect((await take(body)).code).toBe('MalformedPOSTRequest')
  })

  test.each([
    ['binary', raw([keyPart, `Content-Transfer-Encoding: BINARY\r\n${filePart}`])],
    ['names without quotes', raw([keyPart.replace('"key"', 'key'), filePart])],
    ['header names in any case', raw([keyPart.replace('Content', 'cOnTeNt'), filePart])],
    ['other headers', raw([`X-Other: 1\r\nContent-Type: text/plain\r\n${keyPart}`, filePart])],
  ])('Form: %s, accepted', async (_name, body) => {
    expect(await take(body)).toMatchObject({ code: 'none', fields: { key: 'a' }, file: Buffer.from('bytes') })
  })

  test.each([
    ['"a \\"b\\".txt"', 'a "b".txt'],
    ['"C:\\dir\\f.txt"', 'C:\\dir\\f.txt'],
    ['"%22.txt"', '%22.txt'],
    ['plain.txt', 'plain.txt'],
    ['""', ''],
  ])('Form: filename=%s is %s', async (text, expected) => {
    const body = raw([keyPart, filePart.replace('"f"', text)])
    expect((await take(body)).fileName).toBe(expected)
  })

  test.each([
    ['multipart/form-data', 'no boundary'],
    ['multipart/form-data; boundary=', 'an empty one'],
    [`multipart/form-data; boundary=${'b'.repeat(71)}`, 'one of 71 characters'],
    ['multipart/form-data; boundary="a b "', 'one that ends with a space'],
    ['multipart/form-data; boundary=a; boundary=b', 'two'],
    ['multipart/form-data; boundary="a\u00e9"', 'one beyond ASCII'],
  ])('Form: %s (%s), MalformedPOSTRequest', async (type) => {
    expect((await take(whole, [99], { 'content-type': type })).code).toBe('MalformedPOSTRequest')
  })

  test('Form: a boundary of 70 characters and a quoted one with spaces, accepted', async () => {
    for (const boundary of ['b'.repeat(70), "a b'()+_,-./:=?c"]) {
      const headers = { 'content-type': `Multipart/Form-Data; charset=utf-8; boundary="${boundary}"` }
      expect((await take(encodeForm([key, file], boundary), [5], headers)).file?.toString()).toBe('bytes')
    }
  })

  test.each([
    ['multipart/form-data; boundary=x', true],
    ['MULTIPART/form-data', true],
    ['multipart/form-data;', true],
    ['multipart/form-dataX', false],
    ['multipart/mixed; x="multipart/form-data"', false],
    ['application/x-www-form-urlencoded', false],
    [undefined, false],
  ])('Form: the content type %s is one: %s', (type, expected) => {
    expect(isFormType(type)).toBe(expected)
  })
})

function encodeBytes(disposition: string): Buffer {
  return Buffer.from(raw([keyPart.replace('name="key"', disposition), filePart]).toString('utf8'), 'latin1')
}

describe('bounds', () => {
  const overhead = encodeForm([
    { name: 'v', value: '' },
    { ...file, value: '' },
  ]).length

  test('Form: 20 KB without the file are taken, one byte more is not, however it is cut', async () => {
    for (const sizes of [[1 << 20], [1000], [61]]) {
      const fits = 'v'.repeat(limits.formBytesMax - overhead)
      const body = (value: string) =>
        encodeForm([
          { name: 'v', value },
          { ...file, value: 'x'.repeat(50_000) },
        ])
      expect((await take(body(fits), sizes)).file?.length).toBe(50_000)
      expect((await take(body(`${fits}v`), sizes)).code).toBe('MaxPostPreDataLengthExceeded')
    }
  })

  test('Form: a header line without end and fields without end are not collected', async () => {
    const endless = Buffer.from(`--${formBoundary}\r\n${'h'.repeat(100_000)}`)
    expect((await take(endless, [1000])).code).toBe('MaxPostPreDataLengthExceeded')
    const many = encodeForm([
      ...Array.from({ length: 1000 }, (_none, index) => ({ name: `n${index}`, value: '' })),
      file,
    ])
    expect((await take(many, [1000])).code).toBe('MaxPostPreDataLengthExceeded')
  })

  test('Form: what stands behind the file is bounded, too, and must end', async () => {
    const behind = (value: string) => encodeForm([key, file, { name: 'submit', value }])
    expect((await take(behind('x'), [50])).file?.toString()).toBe('bytes')
    expect((await take(behind('x'.repeat(limits.formBytesMax)), [50])).code).toBe(
      'MaxPostPreDataLengthExceeded',
    )
    expect((await take(behind('x').subarray(0, -20), [50])).code).toBe('MalformedPOSTRequest')
  })

  test('Form: no length is MissingContentLength, more than 5 GiB EntityTooLarge', async () => {
    const source = cut(whole, [9])
    await expect(openForm(source, { 'content-type': contentType })).rejects.toThrow(/^MissingContentLength/)
    const tooLong = String(limits.singleUploadBytesMax + limits.formBytesMax + 1)
    expect((await take(whole, [9], { 'content-length': tooLong })).code).toBe('EntityTooLarge')
  })
})

describe('fields', () => {
  test('Form: no file or two of them, InvalidArgument', async () => {
    expect((await take(encodeForm([key]))).code).toBe('InvalidArgument')
    const two = await take(encodeForm([key, file, { name: 'FILE', value: 'other', fileName: 'x' }]))
    expect([two.code, two.file]).toEqual(['InvalidArgument', null])
  })

  test('Form: a field twice, InvalidArgument; x-amz-meta-* twice, a list', async () => {
    const meta = (value: string) => ({ name: 'x-amz-Meta-a', value })
    expect((await take(encodeForm([key, { ...key, name: 'Key' }, file]))).code).toBe('InvalidArgument')
    expect((await take(encodeForm([meta('1'), meta('2'), file]))).fields).toEqual({ 'x-amz-meta-a': '1,2' })
  })

  test('Form: names that objects have by nature are fields like others', async () => {
    const parts = [{ name: '__proto__', value: '1' }, { name: 'constructor', value: '2' }, file]
    const form = await openForm(cut(encodeForm(parts), [9]), {
      'content-type': contentType,
      'content-length': '1',
    })
    expect([...form.fields.keys()]).toEqual(['__proto__', 'constructor'])
  })
})
