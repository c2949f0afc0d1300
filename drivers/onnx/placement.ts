/** Which provider computed which operators, from the record of a run that ONNX Runtime writes. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Operators and how many nodes of each, by provider: `{ CPUExecutionProvider: { Loop: 1 } }`. */
export type Placement = Readonly<Record<string, Readonly<Record<string, number>>>>;

interface ProfileEvent {
  readonly cat?: unknown;
  readonly name?: unknown;
  readonly args?: { readonly op_name?: unknown; readonly provider?: unknown };
}

/**
 * The placement in the record that `record` has written in a file whose path begins with `filePrefix`.
 * Rejects with what it rejects with, or if there is no record that can be read.
 */
export async function placementOf(
  record: (filePrefix: string) => Promise<void>,
): Promise<Placement> {
  const folder = await mkdtemp(join(tmpdir(), 'onnx-profile-'));
  try {
    await record(join(folder, 'run'));
    const [file] = await readdir(folder);
    if (file === undefined) throw new Error('the runtime wrote no record of the run');
    return parseProfile(await readFile(join(folder, file), 'utf8'));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Nodes that ran several times, as in a loop, count once. Throws what `JSON.parse` throws. */
export function parseProfile(json: string): Placement {
  const events = JSON.parse(json) as readonly ProfileEvent[];
  const seen = new Set<string>();
  const placement: Record<string, Record<string, number>> = {};
  for (const { cat, name, args } of events) {
    const operator = args?.op_name;
    const provider = args?.provider;
    if (cat !== 'Node' || typeof operator !== 'string' || typeof provider !== 'string') continue;
    const node = `${provider} ${operator} ${String(name)}`;
    // A loop's body comes once for each of its turns, under one name.
    if (seen.has(node)) continue;
    seen.add(node);
    placement[provider] ??= {};
    placement[provider][operator] = (placement[provider][operator] ?? 0) + 1;
  }
  return placement;
}

/** 'WebGpuExecutionProvider: MatMul, 5 Mul; CPUExecutionProvider: Loop', the busiest provider first. */
export function placementText(placement: Placement): string {
  return Object.entries(placement)
    .map(([provider, operators]) => {
      const total = Object.values(operators).reduce((sum, count) => sum + count, 0);
      const names = Object.entries(operators)
        .map(([operator, count]) => (count === 1 ? operator : `${count} ${operator}`))
        .join(', ');
      return { total, text: `${provider}: ${names}` };
    })
    .sort((a, b) => b.total - a.total)
    .map(({ text }) => text)
    .join('; ');
}
