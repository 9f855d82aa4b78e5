import t from 'tap'
import { Pace } from '../../src/archive/pace.ts'
import { STAGES, type StageTimes } from '../../src/base/stages.ts'

/** Two threads and a sink, busy for given shares of the time. */
class Machine {
  now = 0
  #sinkMs = 0
  #poolMs = 0
  readonly pace = new Pace({ sinkBusyMs: () => this.#sinkMs, stageTimes: () => [this.#times(), this.#times()], now: () => this.now })

  /** @returns the level after `ms` of that */
  run(ms: number, sinkShare: number, poolShare: number): number {
    this.now += ms
    this.#sinkMs += sinkShare * ms
    this.#poolMs += poolShare * ms
    return this.pace.level()
  }

  #times(): StageTimes {
    const times = Object.fromEntries(STAGES.map((name) => [name, 0])) as StageTimes
    return { ...times, idle: this.now - this.#poolMs, compress: this.#poolMs / 2, read: this.#poolMs / 2 }
  }
}

t.test('a sink that holds everything up leaves time for higher levels, one after the other', async (t) => {
  const machine = new Machine()
  t.equal(machine.pace.level(), 3)
  const levels = Array.from({ length: 5 }, () => machine.run(1000, 1, 0.2))
  t.same(levels, [5, 7, 9, 9, 9])
})

t.test('no level is taken that the threads have no time for', async (t) => {
  const machine = new Machine()
  t.equal(machine.run(1000, 1, 0.6), 3, 'twice of it would be more than all')
  t.equal(machine.run(1000, 0.8, 0.2), 3, 'something else holds it up')
})

t.test('once the threads hold everything up, levels are given back', async (t) => {
  const machine = new Machine()
  machine.run(1000, 1, 0.1)
  t.equal(machine.run(1000, 1, 0.1), 7)
  t.equal(machine.run(1000, 0.95, 1), 7, 'both are full: just right')
  t.equal(machine.run(1000, 0.5, 1), 5)
  t.equal(machine.run(1000, 0.5, 1), 3)
  t.equal(machine.run(1000, 0.5, 1), 3)
})

t.test('a level lasts until enough was seen of it', async (t) => {
  const machine = new Machine()
  t.equal(machine.run(999, 1, 0.1), 3)
  t.equal(machine.run(1, 1, 0.1), 5)
  t.equal(machine.run(500, 1, 0.1), 5)
})
