import { bodies } from './bodies.ts'
import { framing } from './framing.ts'
import { describeBadRequests } from './runner.ts'

describeBadRequests('bodies', [...bodies, ...framing])
