import { presigned } from './presigned.ts'
import { describeBadRequests } from './runner.ts'
import { signatures } from './signatures.ts'

describeBadRequests('signatures', [...signatures, ...presigned])
