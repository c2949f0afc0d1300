import { describe, expect, it } from 'vitest';
import { choiceKey } from '../../drivers/webgpu/node/choice-key.ts';
import type { AdapterFacts } from '../../drivers/webgpu/node/gpu-news.ts';

describe('the key of a choice', () => {
  const facts: AdapterFacts = {
    backend: 'vulkan',
    name: 'X 3090',
    vendor: 'x',
    architecture: 'y',
    description: 'X: 550.54',
    isSoftware: false,
    workgroupBytes: 1,
    bindingBytes: 1,
    hasSubgroupMatrices: false,
  };

  it('changes with the GPU and its driver, and names the package and the shaders', async () => {
    const key = await choiceKey(facts);
    expect(key).toMatch(
      /^vulkan \| X 3090 \| X: 550\.54 \| webgpu \d+\.\d+\.\d+ \| kernels [0-9a-f]{16}$/,
    );
    expect(await choiceKey(facts)).toBe(key);
    expect(await choiceKey({ ...facts, description: 'X: 560.1' })).not.toBe(key);
    expect(await choiceKey({ ...facts, name: 'X 3080' })).not.toBe(key);
  });
});
