/** Module hooks of Node, in a thread of their own: TypeScript of this project as JavaScript with its source map. */
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = path.resolve(import.meta.dirname, '../..')
const CACHE = path.join(ROOT, 'node_modules/.cache/warp-test')
const { version: VERSION } = JSON.parse(readFileSync(path.join(ROOT, 'node_modules/esbuild/package.json'), 'utf8'))

async function compile(file, source) {
  const key = createHash('sha256').update(`${VERSION}\0${file}\0${source}`).digest('hex')
  const cached = path.join(CACHE, key)
  try {
    return readFileSync(cached, 'utf8')
  } catch {
    const { transform } = await import('esbuild')
    const { code } = await transform(source, { loader: 'ts', format: 'esm', target: 'node20', sourcefile: file, sourcemap: 'inline' })
    mkdirSync(CACHE, { recursive: true })
    // Other processes compile the same at the same time.
    const temporary = `${cached}.${process.pid}.${Math.random()}`
    writeFileSync(temporary, code)
    renameSync(temporary, cached)
    return code
  }
}

export async function load(url, context, next) {
  if (!url.startsWith('file:') || !/\.ts(?:\?|$)/.test(url)) return next(url, context)
  const file = fileURLToPath(url)
  if (!file.startsWith(ROOT + path.sep)) return next(url, context)
  return { format: 'module', source: await compile(file, readFileSync(file, 'utf8')), shortCircuit: true }
}
