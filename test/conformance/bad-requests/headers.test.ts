import { copies } from './copies.ts'
import { headers } from './headers.ts'
import { describeBadRequests } from './runner.ts'

describeBadRequests('headers', [...headers, ...copies])
