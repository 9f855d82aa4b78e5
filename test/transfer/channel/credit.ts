import t from 'tap'
import fc from 'fast-check'
import { MESSAGE_OVERHEAD_BYTES, ReceiveCredit, SendCredit, costOf } from '../../../src/transfer/channel/credit.ts'

const PROTOCOL = { code: 'ERR_WARP_PEER_PROTOCOL', exitCode: 15 }

t.test('what a message costs', async t => {
  t.equal(costOf(0), MESSAGE_OVERHEAD_BYTES)
  t.equal(costOf(1000), 1000 + MESSAGE_OVERHEAD_BYTES)
})

t.test('nothing is sent without credit', async t => {
  const credit = new SendCredit(100)
  t.notOk(credit.take(1))
  credit.grant(150)
  t.ok(credit.take(100))
  t.notOk(credit.take(51))
  t.ok(credit.take(50))
  t.notOk(credit.take(1))
  credit.grant(151)
  t.ok(credit.take(1))
})

t.test('grants that no honest peer gives', async t => {
  t.throws(() => new SendCredit(100).grant(99), PROTOCOL, 'less than a message')
  for (const total of [0, 99, 150]) {
    const credit = new SendCredit(100)
    credit.grant(150)
    credit.take(100)
    t.throws(() => credit.grant(total), PROTOCOL, 'not more than before')
  }
  const credit = new SendCredit(100)
  credit.grant(150)
  t.throws(() => credit.grant(151), PROTOCOL, 'nothing was sent that could have been released')
  const other = new SendCredit(100)
  other.grant(150)
  other.take(1)
  other.grant(151)
  t.throws(() => other.grant(152), PROTOCOL)
})

t.test('windows', async t => {
  t.throws(() => new ReceiveCredit(99, 100), RangeError)
  t.throws(() => new ReceiveCredit(Number.NaN, 100), RangeError)
  t.throws(() => new ReceiveCredit(100.5, 100), RangeError)
  const credit = new ReceiveCredit(1000, 100)
  t.throws(() => credit.admit(1), PROTOCOL, 'before the first grant')
  t.equal(credit.nextGrant(), 1000)
  t.equal(credit.nextGrant(), null)
  credit.admit(999)
  t.throws(() => credit.admit(2), PROTOCOL)
  credit.admit(1)
  credit.release(249)
  t.equal(credit.nextGrant(), null, 'less than a quarter')
  credit.release(1)
  t.equal(credit.nextGrant(), 1250)
})

t.test('any schedule: never overrun, never stuck, no more held than the window', async t => {
  const plan = fc.record({
    maxCost: fc.integer({ min: 1, max: 60 }),
    more: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 200 })),
    costs: fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 60 }),
    steps: fc.infiniteStream(fc.nat(3)),
  })
  t.doesNotThrow(() => fc.assert(fc.property(plan, ({ maxCost, more, costs, steps }) => {
    const windowBytes = maxCost + more
    const sender = new SendCredit(maxCost)
    const receiver = new ReceiveCredit(windowBytes, maxCost)
    const waiting = costs.map((cost) => Math.min(cost, maxCost))
    const onWire: number[] = []
    const grants: number[] = []
    const held: number[] = []
    const act = [
      () => waiting.length > 0 && sender.take(waiting[0]) && onWire.push(waiting.shift()!),
      () => {
        if (onWire.length === 0) return false
        receiver.admit(onWire[0])
        return held.push(onWire.shift()!)
      },
      () => {
        if (held.length === 0) return false
        receiver.release(held.shift()!)
        const total = receiver.nextGrant()
        if (total !== null) grants.push(total)
        return true
      },
      () => {
        if (grants.length === 0) return false
        sender.grant(grants.shift()!)
        return true
      },
    ]
    grants.push(receiver.nextGrant()!)
    const sum = (list: number[]): number => list.reduce((a, b) => a + b, 0)
    while (waiting.length + onWire.length + held.length > 0) {
      // In the order that chance wants; if none of the four can be done, it is stuck.
      const first = steps.next().value
      if (![0, 1, 2, 3].some((i) => act[(first + i) % 4]())) return false
      if (sum(onWire) + sum(held) > windowBytes) return false
    }
    return true
  })))
})
