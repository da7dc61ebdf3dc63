import { listings } from './listings.ts'
import { describeBadRequests } from './runner.ts'
import { uploads } from './uploads.ts'

describeBadRequests('listings and uploads', [...listings, ...uploads])
