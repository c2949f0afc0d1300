/** What the page fetches from its own site: the shaders, and which build it is of. */
import type { ReadShader } from '../../../shaders/index.ts';

/** The folder that holds the page and all it needs. */
const ROOT = new URL('../../../', import.meta.url);

const shaders = new Map<string, Promise<string>>();

/** Fetches each shader once. */
export const readShader: ReadShader = (fileName) => {
  const fetched = shaders.get(fileName) ?? fetchText(`shaders/${fileName}`);
  shaders.set(fileName, fetched);
  fetched.catch(() => shaders.delete(fileName));
  return fetched;
};

export async function readBuild(): Promise<{ readonly version: string }> {
  try {
    return JSON.parse(await fetchText('build.json')) as { readonly version: string };
  } catch {
    // Only a label: a run is worth something without it.
    return { version: 'of an unknown version' };
  }
}

async function fetchText(path: string): Promise<string> {
  const response = await fetch(new URL(path, ROOT));
  if (!response.ok) throw new Error(`${path} is missing on this site (HTTP ${response.status})`);
  return response.text();
}
