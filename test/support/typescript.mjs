/**
 * `--import` of the test processes: has them, and their worker threads in whatever directory, read TypeScript. What esbuild made
 * of a module is kept in node_modules/.cache; tap's own plugin would compile each module anew in every process and thread.
 */
import { register } from 'node:module'

register('./typescript-hooks.mjs', import.meta.url)
