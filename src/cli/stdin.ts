/** Standard input, which only one thing can read. */
import { WarpError } from '../base/errors.ts'

export class Stdin {
  readonly #signal: AbortSignal
  #purpose: string | undefined

  /** @param signal ends a read that waits for input */
  constructor(signal: AbortSignal) {
    this.#signal = signal
  }

  /**
   * @param purpose what will read it, for the message to whoever comes second
   * @throws {WarpError} ERR_WARP_USAGE: it is taken
   */
  claim(purpose: string): NodeJS.ReadStream {
    if (this.#purpose !== undefined) {
      throw new WarpError('ERR_WARP_USAGE', `standard input cannot be both ${this.#purpose} and ${purpose}`)
    }
    this.#purpose = purpose
    const { stdin } = process
    this.#signal.addEventListener('abort', () => stdin.destroy(), { once: true })
    return stdin
  }

  async readAll(purpose: string): Promise<Buffer> {
    const chunks: Buffer[] = []
    for await (const chunk of this.claim(purpose)) chunks.push(chunk as Buffer)
    return Buffer.concat(chunks)
  }
}
