/** Holds that a hostile archive is refused in every way of reading it, and that nothing comes of it. */
import fs from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import type { ErrorCode, ExtractOptions } from '../../../src/index.ts'
import {
  makeSandbox, pathsBeneath, snapshotOf, surroundings, tryExtract, tryList, tryVerify, type From, type Sandbox,
} from './sandbox.ts'

/** What stands in the target before. */
type Before = 'missing' | 'empty' | 'filled' | 'planted'

function prepare({ target, outside }: Sandbox, before: Before): void {
  fs.rmSync(target, { recursive: true, force: true })
  if (before === 'missing') return
  fs.mkdirSync(target)
  if (before === 'empty') return
  fs.writeFileSync(join(target, 'kept'), 'kept')
  if (before === 'filled') return
  // The names that hostile archives of these tests use.
  fs.symlinkSync(join(outside, 'directory'), join(target, 'd'))
  fs.symlinkSync(join(outside, 'file'), join(target, 'f'))
  fs.symlinkSync('../outside/new', join(target, 'dangling'))
  fs.symlinkSync('..', join(target, 'up'))
}

/** What stood in the target stands there still; directories may have got a newer time. */
function keptOf(before: Map<string, string>, after: Map<string, string>): string[] {
  const timeless = (text?: string) => text?.replace(/^(directory \d+) .*/, '$1')
  return [...before].filter(([path, what]) => timeless(what) !== timeless(after.get(path))).map(([path]) => path)
}

type Overwrite = NonNullable<ExtractOptions['overwrite']>

export interface Hostile {
  bytes: Uint8Array
  /** Codes, any of which may come: which depends on what is met first. */
  codes: ErrorCode[]
  /** Codes of verify, which reads everything; default: `codes`. */
  verifyCodes?: ErrorCode[]
  /** Codes of list; default: `codes`. null: the list is right, what is wrong lies elsewhere. */
  listCodes?: ErrorCode[] | null
  /** What may have been restored by then (latin1); default: nothing. */
  restored?: string[]
  /** Content that they must have where they were. */
  restoredRight?: Record<string, Uint8Array>
  /** A descent from the top has no occasion to meet what is wrong: extraction of a file succeeds. */
  fileIsRight?: boolean
  /** For what takes long: each way of reading once, into a target that is missing. */
  brief?: boolean
  keys?: Partial<ExtractOptions>
}

/** Extracts in every way, and verifies and lists; each must end in one of the codes. */
export async function demandRefusal(t: Test, name: string, hostile: Hostile): Promise<void> {
  const { bytes, codes, verifyCodes = codes, listCodes = codes, restored = [], restoredRight = {} } = hostile
  const { fileIsRight, brief, keys = {} } = hostile
  await t.test(name, async t => {
    const sandbox = makeSandbox(t)
    fs.writeFileSync(sandbox.archive, bytes)
    const around = surroundings(sandbox)
    const demand = (code: ErrorCode | null, wanted: ErrorCode[], way: string) =>
      t.ok(code !== null && wanted.includes(code), `${way}: ${code}`)
    for (const from of ['file', 'stream'] as From[]) {
      demand((await tryVerify(sandbox, from, keys)).code, verifyCodes, `verify a ${from}`)
      if (listCodes && !(fileIsRight && from === 'file')) {
        demand((await tryList(sandbox, from, keys)).code, listCodes, `list a ${from}`)
      }
      for (const before of brief ? ['missing'] : ['missing', 'empty', 'filled', 'planted']) {
        for (const overwrite of brief ? ['never'] : ['never', 'always']) {
          const way = `extract a ${from}, target ${before}, overwrite ${overwrite}`
          prepare(sandbox, before as Before)
          const stood = snapshotOf(sandbox.target)
          const { code, error } = await tryExtract(sandbox, from, { ...keys, overwrite: overwrite as Overwrite })
          if (fileIsRight && from === 'file') t.equal(code, null, way)
          else demand(code, codes, way)
          checkWords(t, error?.message, error?.path, error?.hint)
          t.strictSame(surroundings(sandbox), around, `${way}: nothing outside was touched`)
          t.strictSame(keptOf(stood, snapshotOf(sandbox.target)), [], `${way}: what was there is kept`)
          const found = pathsBeneath(sandbox.target).filter(path => !stood.has(`/${path}`))
          for (const [path, content] of Object.entries(restoredRight)) {
            const file = join(sandbox.target, path)
            if (!fs.existsSync(file)) continue
            t.ok(fs.readFileSync(file).equals(content), `${way}: ${path} is right`)
          }
          t.strictSame(found.filter(path => !restored.includes(path)), [], `${way}: nothing was restored`)
        }
      }
    }
  })
}

/** What is printed must not act on a terminal. */
export function checkWords(t: Test, ...words: (string | undefined)[]): void {
  for (const text of words) {
    t.notMatch(text ?? '', /[\x00-\x1f\x7f-\x9f\u202a-\u202e]/)
  }
}
