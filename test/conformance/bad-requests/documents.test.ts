import { bucketDocuments } from './bucket-documents.ts'
import { documents } from './documents.ts'
import { describeBadRequests } from './runner.ts'

describeBadRequests('documents', [...documents, ...bucketDocuments])
