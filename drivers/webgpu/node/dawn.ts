/**
 * The npm package `webgpu`, Dawn for Node. Only GPU processes load it: its native code may take the
 * process down, and prints what it has to say.
 *
 * Toggles: `allow_unsafe_apis` for subgroup matrices. Not `disable_robustness`, though it may be faster:
 * without bounds a kernel that is miscompiled writes where it likes in this process's GPU memory, or
 * hangs the GPU, before a test can say that it is wrong.
 */
import { createRequire } from 'node:module';
import { errorText } from '../../../src/util/errors.ts';
import type { AdapterTarget } from './gpu-news.ts';

export interface Dawn {
  /** A root object; what comes of it dies, and takes the process down, when it is collected. */
  create(target: Partial<AdapterTarget>): GPU;
}

export type LoadedDawn =
  | { readonly dawn: Dawn }
  | { readonly dawn: undefined; readonly isMissing: boolean; readonly problem: string };

/** Lines that Dawn prints whenever it is used. */
export const CHATTER: RegExp = /artificially reduced/;

const TOGGLES = 'enable-dawn-features=allow_unsafe_apis';

/** Loads the package. Never rejects: without it there is no GPU, which is no error. */
export async function loadDawn(): Promise<LoadedDawn> {
  try {
    const { create } = await import('webgpu');
    return { dawn: { create: (target) => create(flags(target)) } };
  } catch (error) {
    return { dawn: undefined, isMissing: isMissing(error), problem: errorText(error) };
  }
}

/** The version of the package, without loading it; undefined if it is not there. */
export function dawnVersion(): string | undefined {
  try {
    const { version } = createRequire(import.meta.url)('webgpu/package.json') as {
      readonly version?: unknown;
    };
    return typeof version === 'string' ? version : undefined;
  } catch {
    // Not installed: that is told by who wants to load it.
    return undefined;
  }
}

function flags({ backend, name }: Partial<AdapterTarget>): string[] {
  return [
    TOGGLES,
    ...(backend === undefined ? [] : [`backend=${backend}`]),
    ...(name === undefined ? [] : [`adapter=${name}`]),
  ];
}

function isMissing(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ERR_MODULE_NOT_FOUND' && errorText(error).includes('webgpu');
}
