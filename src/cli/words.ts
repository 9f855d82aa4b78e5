/** What must be known of a command line before it is parsed. */

/** Whether one of `options` comes before `--`. */
export function saysBeforeOperands(words: readonly string[], ...options: string[]): boolean {
  const end = words.indexOf('--')
  return (end < 0 ? words : words.slice(0, end)).some(word => options.includes(word))
}
