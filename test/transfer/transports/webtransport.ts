import t from 'tap'
import { webtransport } from '../../../src/transfer/transports/webtransport.ts'
import { conformNetwork } from './support/network.ts'

const why = await webtransport.unavailable()

if (why === null) conformNetwork(t, webtransport, { stallBytes: 24 << 20, tellsBreak: true, sharesPort: false, isMutual: false })
else t.comment(why)
