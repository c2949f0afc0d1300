/**
 * Finds the adapters of this machine, inside a GPU process. Each step is told as soon as it is done:
 * if a driver takes the process down on the way, what came before still holds.
 */
import { capabilitiesOf } from '../engine/variants.ts';
import type { Dawn } from './dawn.ts';
import type { AdapterFacts, AdapterTarget, GpuNews, GpuQuestion } from './gpu-news.ts';

/** No adapter is called that: asked for it, Dawn answers with the list of those there are. */
const NOBODY = 'no adapter has this name';

/** Software adapters that do not say so themselves. */
const SOFTWARE = /llvmpipe|swiftshader|lavapipe|basic render|\bwarp\b/i;

/** The first of `backends` that has hardware counts; if none has, the first that has anything. */
export async function listAdapters(
  dawn: Dawn,
  backends: GpuQuestion,
  tell: (news: GpuNews) => void,
): Promise<void> {
  let targets: readonly AdapterTarget[] = [];
  for (const backend of backends) {
    const found = await targetsOf(dawn, backend);
    if (found.some(({ name }) => !SOFTWARE.test(name))) {
      targets = found;
      break;
    }
    if (targets.length === 0) targets = found;
  }
  tell({ kind: 'adapters', targets });
  for (const target of distinct(targets)) {
    const facts = await factsOf(dawn, target);
    if (facts !== undefined) tell({ kind: 'adapter', facts });
  }
}

/** The adapters in the list that Dawn's complaint holds. */
export function parseAdapterList(complaint: string): readonly AdapterTarget[] {
  return [...complaint.matchAll(/^ \* backend: '([^']*)', name: '(.*)'$/gm)].map(
    ([, backend = '', name = '']) => ({ backend, name }),
  );
}

async function targetsOf(dawn: Dawn, backend: string): Promise<readonly AdapterTarget[]> {
  const gpu = dawn.create({ backend, name: NOBODY });
  try {
    // Null where the backend has no adapter at all.
    await gpu.requestAdapter();
    return [];
  } catch (error) {
    return parseAdapterList(String(error));
  }
}

async function factsOf(dawn: Dawn, target: AdapterTarget): Promise<AdapterFacts | undefined> {
  const gpu = dawn.create(target);
  const adapter = await gpu.requestAdapter();
  if (adapter === null) return undefined;
  const { limits, matrixConfigs, isSoftware } = capabilitiesOf(adapter, gpu);
  const { vendor, architecture, description } = adapter.info;
  return {
    ...target,
    vendor,
    architecture,
    description,
    isSoftware: isSoftware || SOFTWARE.test(target.name),
    workgroupBytes: limits['maxComputeWorkgroupStorageSize'] ?? 0,
    bindingBytes: limits['maxStorageBufferBindingSize'] ?? 0,
    hasSubgroupMatrices: matrixConfigs.length > 0,
  };
}

/** Of several with one name, the name leads to the first only. */
function distinct(targets: readonly AdapterTarget[]): readonly AdapterTarget[] {
  return targets.filter(
    ({ name }, index) => targets.findIndex((other) => other.name === name) === index,
  );
}
