/**
 * A failure that may come at any time, awaited beside other things. `Promise.race` with a promise that lasts
 * would not do: each race stays in its memory until it settles.
 */
export class Failure {
  #error: { error: unknown } | null = null
  readonly #waiting = new Set<(error: unknown) => void>()

  /** What failed first; null so far. */
  get error(): { error: unknown } | null {
    return this.#error
  }

  fail(error: unknown): void {
    if (this.#error) return
    this.#error = { error }
    for (const reject of this.#waiting) reject(error)
    this.#waiting.clear()
  }

  /** What `promise` gives, unless the failure comes first. */
  async until<T>(promise: Promise<T>): Promise<T> {
    if (this.#error) {
      promise.catch(() => {})
      throw this.#error.error
    }
    let reject!: (error: unknown) => void
    try {
      return await new Promise<T>((resolve, refuse) => {
        reject = refuse
        this.#waiting.add(reject)
        promise.then(resolve, refuse)
      })
    } finally {
      this.#waiting.delete(reject)
    }
  }
}
