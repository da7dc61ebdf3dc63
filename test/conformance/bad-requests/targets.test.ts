import { queries } from './queries.ts'
import { describeBadRequests } from './runner.ts'
import { targets } from './targets.ts'

describeBadRequests('targets', [...targets, ...queries])
