/**
 * A module beside another one, for what starts it as a thread or a process: such addresses are texts, which
 * the compiler does not rewrite, so the ending is that of the module that asks.
 *
 * `from` is its `import.meta.url`, `path` has no ending: `./hasher-thread`.
 */
export function moduleBeside(from: string, path: string): URL {
  return new URL(`${path}${from.endsWith('.ts') ? '.ts' : '.js'}`, from);
}
