/**
 * Dependencies point down: holds every import and a few calls of src against the table of layers. The rules
 * are a function over plain data, so that the second half can show that each of them can fail.
 */
import { readFileSync, readdirSync } from 'node:fs'
import { posix } from 'node:path'
import t from 'tap'
import ts from 'typescript'

/** Rank of each layer; a file may import its own layer and lower ranks, never another layer of its rank. */
const RANKS: Record<string, number> = {
  base: 0,
  codec: 1,
  format: 1,
  gpu: 1,
  engine: 2,
  archive: 3,
  transfer: 4,
  'index.ts': 5,
  cli: 6,
}

const WITHOUT_FILES = ['base', 'codec', 'format']
const FILE_SYSTEM = ['fs', 'node:fs', 'fs/promises', 'node:fs/promises']
const ONLY_CLI = ['console', 'process.exit']

interface SourceFile {
  /** Relative to src, with `/`. */
  path: string
  /** Module specifiers as written, of imports, re-exports, `import()`, `import type` and `require()`. */
  imports: string[]
  /** Which of ONLY_CLI the file uses. */
  uses: string[]
}

function parseSource(path: string, text: string): SourceFile {
  const imports: string[] = []
  const uses = new Set<string>()
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) addSpecifier(node.moduleSpecifier)
    else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) addSpecifier(node.argument.literal)
    else if (ts.isCallExpression(node)) {
      const { expression } = node
      const loads = expression.kind === ts.SyntaxKind.ImportKeyword || /require/i.test(expression.getText())
      if (loads) addSpecifier(node.arguments[0])
    } else if (ts.isPropertyAccessExpression(node) && ts.isIdentifier(node.expression)) {
      const object = node.expression.text
      if (object === 'console') uses.add('console')
      if (object === 'process' && node.name.text === 'exit') uses.add('process.exit')
    }
    ts.forEachChild(node, visit)
  }
  const addSpecifier = (node: ts.Node | undefined): void => {
    if (node !== undefined && ts.isStringLiteralLike(node)) imports.push(node.text)
  }
  visit(ts.createSourceFile(path, text, ts.ScriptTarget.ES2023, true))
  return { path, imports, uses: [...uses] }
}

/** Every breach, as `path: what`. */
function findBreaches(files: SourceFile[]): string[] {
  const breaches: string[] = []
  const edges = new Map<string, string[]>()
  for (const { path, imports, uses } of files) {
    const layer = path.split('/')[0]
    const report = (what: string): void => void breaches.push(`${path}: ${what}`)
    if (!(layer in RANKS)) report('is in no layer')
    if (layer !== 'cli') for (const name of uses) report(`uses ${name}`)

    const targets: string[] = []
    for (const specifier of imports) {
      if (!specifier.startsWith('.')) {
        if (FILE_SYSTEM.includes(specifier) && WITHOUT_FILES.includes(layer)) report(`opens files: ${specifier}`)
        if (/^webgpu(\/|$)/.test(specifier) && layer !== 'gpu') report('imports webgpu')
        continue
      }
      const target = posix.join(posix.dirname(path), specifier)
      const below = target.split('/')[0]
      targets.push(target)
      if (!(below in RANKS)) report(`imports no layer: ${specifier}`)
      else if (below !== layer && RANKS[below] > RANKS[layer]) report(`imports upward: ${target}`)
      else if (below !== layer && RANKS[below] === RANKS[layer]) report(`imports a sibling: ${target}`)
    }
    edges.set(path, targets)
  }
  return [...breaches, ...findCycles(edges)]
}

/** One line for every import that closes a cycle, by depth-first search. */
function findCycles(edges: Map<string, string[]>): string[] {
  const cycles: string[] = []
  const done = new Set<string>()
  const visit = (path: string, trail: string[]): void => {
    if (trail.includes(path)) {
      cycles.push(`${path}: cycle: ${[...trail.slice(trail.indexOf(path)), path].join(' > ')}`)
      return
    }
    if (done.has(path)) return
    for (const target of edges.get(path) ?? []) visit(target, [...trail, path])
    done.add(path)
  }
  for (const path of edges.keys()) visit(path, [])
  return cycles
}

t.test('src keeps to its layers', async (t) => {
  const root = new URL('../src/', import.meta.url)
  const paths = readdirSync(root, { recursive: true })
    .map((path) => String(path).replaceAll('\\', '/'))
    .filter((path) => path.endsWith('.ts'))
  t.ok(paths.includes('base/errors.ts'), 'the sources are found')
  const files = paths.map((path) => parseSource(path, readFileSync(new URL(path, root), 'utf8')))
  t.same(findBreaches(files), [])
})

t.test('every way to name a module is seen', async (t) => {
  const text = [
    "import 'a'",
    "import {b} from 'b'",
    "import type {c} from 'c'",
    "export * from 'd'",
    "const e = await import('e')",
    "let f: import('f').F",
    "const require = createRequire(import.meta.url); require('g')",
    "createRequire(import.meta.url)('h')",
    "// import 'comment'",
    "const s = \"import 'string'\"",
  ].join('\n')
  t.same(parseSource('x.ts', text).imports, ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'])
  t.same(parseSource('x.ts', 'console.log(1); process.exit(2); process.exitCode = 3').uses, ONLY_CLI)
})

t.test('what is allowed', async (t) => {
  const files = [
    file('base/a.ts'),
    file('codec/a.ts', ['../base/a.ts', './b.ts', '@noble/hashes/blake3.js', 'node:crypto']),
    file('codec/b.ts', ['../base/a.ts']),
    file('gpu/a.ts', ['webgpu', 'node:fs']),
    file('archive/deep/a.ts', ['../../codec/a.ts', '../../format/a.ts', 'node:fs']),
    file('format/a.ts', ['../base/a.ts']),
    file('index.ts', ['./archive/deep/a.ts']),
    file('cli/main.ts', ['../index.ts', '../base/a.ts'], ['console', 'process.exit']),
  ]
  t.same(findBreaches(files), [])
})

t.test('what is not', async (t) => {
  const cases: [SourceFile, string][] = [
    [file('base/a.ts', ['../codec/b.ts']), 'imports upward: codec/b.ts'],
    [file('archive/a.ts', ['../index.ts']), 'imports upward: index.ts'],
    [file('index.ts', ['./cli/main.ts']), 'imports upward: cli/main.ts'],
    [file('codec/a.ts', ['../format/b.ts']), 'imports a sibling: format/b.ts'],
    [file('format/a.ts', ['../gpu/b.ts']), 'imports a sibling: gpu/b.ts'],
    [file('codec/a.ts', ['node:fs/promises']), 'opens files: node:fs/promises'],
    [file('format/a.ts', ['fs']), 'opens files: fs'],
    [file('engine/a.ts', ['webgpu']), 'imports webgpu'],
    [file('engine/a.ts', [], ['console']), 'uses console'],
    [file('archive/a.ts', [], ['process.exit']), 'uses process.exit'],
    [file('misc/a.ts'), 'is in no layer'],
    [file('cli/a.ts', ['../../package.json']), 'imports no layer: ../../package.json'],
  ]
  for (const [bad, what] of cases) t.same(findBreaches([bad]), [`${bad.path}: ${what}`])
})

t.test('cycles', async (t) => {
  const cycle = [file('codec/a.ts', ['./b.ts']), file('codec/b.ts', ['./c.ts']), file('codec/c.ts', ['./b.ts'])]
  t.same(findBreaches(cycle), ['codec/b.ts: cycle: codec/b.ts > codec/c.ts > codec/b.ts'])
})

function file(path: string, imports: string[] = [], uses: string[] = []): SourceFile {
  return { path, imports, uses }
}
