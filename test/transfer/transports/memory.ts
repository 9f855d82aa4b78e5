import t from 'tap'
import { memory, memoryPair } from '../../../src/transfer/transports/memory.ts'
import { conform } from './support/conformance.ts'
import { conformNetwork } from './support/network.ts'

t.test('a pair', async (t) => {
  conform(t, {
    async pair(t) {
      const ends = memoryPair()
      t.teardown(() => ends.forEach((end) => end.close()))
      return ends
    },
    stallBytes: 1 << 20,
    tellsBreak: true,
  })
})

conformNetwork(t, memory, { stallBytes: 1 << 20, tellsBreak: true, sharesPort: false })
