/** Runs asynchronous steps one after the other; after one has failed, none runs any more. */
export class Sequence {
  #tail: Promise<unknown> = Promise.resolve()
  #fail!: (error: unknown) => void
  /** Rejects with the first failure. */
  readonly failed: Promise<never>

  constructor() {
    this.failed = new Promise<never>((_, reject) => {
      this.#fail = reject
    })
    this.failed.catch(() => {})
  }

  run<T>(step: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(step)
    result.catch((error: unknown) => this.#fail(error))
    this.#tail = result
    return result
  }

  /** Resolves when every step so far has run. */
  async idle(): Promise<void> {
    await this.#tail
  }
}
