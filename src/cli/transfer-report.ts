/** What a transfer tells: its ticket, connections that come and go, and its summary. */
import { countOf, formatBytes, formatDuration, formatRate } from './sizes.ts'
import { toHex, type Table } from './output.ts'
import { startTransferLine } from './transfer-progress.ts'
import type { Context } from './context.ts'
import type { Teller } from './meet.ts'
import type { TransferEvent, TransferResult, TransferWatch } from '../index.ts'

export interface Wording {
  /** For the line of progress, and before the figures of the summary. */
  verb: 'send' | 'receive'
  done: 'sent' | 'received'
  /** What the other side is to run; TICKET and CODE stand for these. */
  otherSide: { ticket: string; code: string }
  /** Of the summary: where it went or came from. */
  facts: { json: object; table: Table }
}

export interface Report {
  watch: TransferWatch
  teller: Teller
  /** Prints the summary. @throws {WarpError} standard output cannot be written to */
  finish: (result: TransferResult) => Promise<void>
  /** Takes the line of progress away. */
  stop: () => void
}

export async function startReport(context: Context, wording: Wording, formatSigner: (key: Uint8Array) => string): Promise<Report> {
  const { args, output, signal } = context
  const { verb, otherSide } = wording
  const isPeer = args.flag('ssh-peer')
  const line = await startTransferLine(context, verb)
  // Whoever cannot be told the ticket waits in vain.
  const failed = new AbortController()
  let printed = Promise.resolve()
  const print = (document: object, table: Table, always: boolean): void => {
    printed = printed.then(() => output.result(document, table, always))
    printed.catch(error => failed.abort(error))
  }
  const tell = (event: 'ticket' | 'code', text: string, run: string): void => {
    if (isPeer) return
    print({ event, [event]: text }, [[text, '']], true)
    if (output.json) return
    // Whoever sends standard output to a safe place does not expect the secret in a log of standard error.
    const isSeen = process.stdout.isTTY && process.stderr.isTTY
    // After the ticket, which is the first line also where both go to standard error.
    void printed.then(() => output.note(`on the other side: ${isSeen ? run.replace(event.toUpperCase(), text) : run}`), () => {})
  }
  return {
    watch: {
      signal: AbortSignal.any([signal, failed.signal]),
      onProgress: line.onProgress,
      onProblem: problem => output.problem(problem),
      onEvent: event => {
        if (isPeer) return
        if (event.type === 'completed') {
          print({ event: event.type, ...describeTransfer(wording, event.result) }, [...tabulateTransfer(wording, event.result), null], false)
        } else if (output.json) output.event(eventDocument(event, formatSigner))
        else if (event.type === 'failed') output.problem({ kind: 'unrestored', message: `a transfer failed: ${event.message}` })
        else output.note(eventText(event, formatSigner))
      },
    },
    teller: {
      onTicket: ticket => tell('ticket', ticket, otherSide.ticket),
      onCode: code => tell('code', code, otherSide.code),
    },
    finish: async result => {
      line.stop()
      if (isPeer) return
      print({ event: 'result', ...describeTransfer(wording, result) }, tabulateTransfer(wording, result), false)
      await printed
    },
    stop: () => line.stop(),
  }
}

type Told = Exclude<TransferEvent, { type: 'completed' }>

function eventDocument({ type, ...facts }: Told, formatSigner: (key: Uint8Array) => string): { event: string } {
  const signer = 'signer' in facts ? { signer: facts.signer && formatSigner(facts.signer) } : {}
  return { event: type, ...facts, ...signer }
}

function eventText(event: Exclude<Told, { type: 'failed' }>, formatSigner: (key: Uint8Array) => string): string {
  if (event.type === 'connected') {
    const { transport, address, signer } = event
    return [
      `connected with ${address} over ${transport}`,
      ...signer === null ? [] : [`its key is ${formatSigner(signer)}`],
    ].join('; ')
  }
  const { message, retryMs } = event
  const next = retryMs === null ? 'waiting for the other side' : `trying again in ${formatDuration(retryMs)}`
  return `the connection broke: ${message}; ${next}`
}

/** What --json says of a transfer. */
export function describeTransfer({ facts }: Wording, result: TransferResult): object {
  const { root, entries, bytes, reusedBytes, sentBytes, receivedBytes, transport, connections, problems, durationMs } = result
  return { ...facts.json, root: root && toHex(root), entries, bytes, reusedBytes, sentBytes, receivedBytes, transport, connections, problems, durationMs }
}

export function tabulateTransfer({ done, facts }: Wording, result: TransferResult): Table {
  const { root, entries, bytes, reusedBytes, sentBytes, receivedBytes, transport, connections, problems, durationMs } = result
  return [
    [done, `${entries > 0 ? `${countOf(entries, 'entry', 'entries')}, ` : ''}${formatBytes(bytes)}`],
    ...facts.table,
    ...reusedBytes > 0 ? [['reused', `${formatBytes(reusedBytes)} that the receiver had`] as const] : [],
    ['on the wire', `${formatBytes(sentBytes)} sent, ${formatBytes(receivedBytes)} received`],
    ['over', `${transport}${connections > 1 ? `, ${connections} connections` : ''}`],
    ['time', `${formatDuration(durationMs)}${formatRate(bytes, durationMs)}`],
    ...root === null ? [] : [['root', toHex(root)] as const],
    ...problems > 0 ? [['problems', `${problems}, listed above`] as const] : [],
  ]
}
