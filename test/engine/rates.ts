import t from 'tap'
import { chooseEngine, type Rates } from '../../src/engine/rates.ts'
import type { AdapterFacts } from '../../src/gpu/dawn.ts'

const facts: AdapterFacts = { vendor: 'v', architecture: 'a', device: 'd', description: 'A GPU', isSoftware: false, features: [], limits: {} }
const rates: Rates = {
  cpuThread: { cut: 2, hash: 4, compress: 0.4, seal: 2 }, gpu: { upload: 20, cut: 50, hash: 50, compress: 20, seal: 20 },
}

t.test('the faster one from file to file', async t => {
  // CPU: 1 / (1/2 + 1/4 + 1/0.4 + 1/2) = 0.27 GB/s a thread; GPU: 1 / (3/20 + 2/50) = 5.3 GB/s.
  t.match(chooseEngine(facts, rates, 8, true), { engine: 'gpu', reason: 'A GPU takes 5.3 GB/s, 8 threads 2.1 GB/s' })
  t.match(chooseEngine(facts, rates, 64, true), { engine: 'cpu', reason: '64 threads take 17.1 GB/s, A GPU 5.3 GB/s' })
  // Cutting and hashing alone: CPU 1 / (1/2 + 1/4) = 1.3 GB/s a thread; GPU 1 / (1/20 + 2/50) = 11.1 GB/s.
  t.equal(chooseEngine(facts, rates, 8, false).engine, 'gpu')
  t.equal(chooseEngine(facts, rates, 16, false).engine, 'cpu')
})

t.test('not what computes on the CPU itself, nor what was not measured', async t => {
  t.match(chooseEngine({ ...facts, isSoftware: true }, rates, 1, true), { engine: 'cpu', reason: 'A GPU computes on the CPU itself' })
  t.match(chooseEngine({ ...facts, description: '' }, null, 1, true), { engine: 'cpu', reason: 'd could not be measured' })
})
