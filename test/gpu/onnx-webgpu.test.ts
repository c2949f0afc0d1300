/**
 * The WebGPU provider of ONNX Runtime on a real adapter, if one in software, where a hash takes
 * seconds: so this has one kernel tested and one hash computed through the driver's own process.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Device } from '../../drivers/driver.ts';
import type { TuningEvent } from '../../drivers/kernel-choice.ts';
import { createOnnxDriver } from '../../drivers/onnx/driver.ts';
import { SELF_TEST_GROUPS } from '../../drivers/selftest.ts';
import { buildMatrixTable } from '../../src/tensority/table-builder.ts';
import { bytesToHex, hexToBytes } from '../../src/util/bytes.ts';

const HAS_GPU = process.env['TEST_WEBGPU'] === '1';
const WHY = 'TEST_WEBGPU=1 is not set: needs a Vulkan adapter';

describe('the WebGPU provider of ONNX Runtime', () => {
  const open: Device[] = [];
  beforeEach((ctx) => {
    if (!HAS_GPU) ctx.skip(WHY);
  });
  afterEach(async () => {
    await Promise.all(open.splice(0).map((device) => device.close()));
  });

  it('computes every operator itself, exactly, with sums as large as they can be', async (ctx) => {
    const events: TuningEvent[] = [];
    const driver = createOnnxDriver({
      // The smallest model that leaves nothing to the CPU.
      kernel: 'float-4-unrolled',
      onTuning: (event) => events.push(event),
    });
    const { devices } = await driver.enumerate();
    if (!devices.some(({ id }) => id === 'onnx1')) ctx.skip('this build has no WebGPU provider');
    // Opening compares known hashes under the extreme table and under a real one.
    const device = await driver.open('onnx1', { batchMs: 100 });
    open.push(device);
    expect(events).toMatchObject([{ report: { kernel: 'float-4-unrolled', outcome: 'timed' } }]);
    expect(device.info).toMatchObject({ id: 'onnx1', kernel: 'float-4-unrolled' });
    expect(device.info.processor).toBeUndefined();
    expect(device.info.details).toContain(
      'every operator of the model on the provider, none on the cpu',
    );

    const group = SELF_TEST_GROUPS.find(({ seed }) => seed !== 'extreme')!;
    const [vector] = group.vectors;
    const seed = hexToBytes(group.seed, 'seed', 32);
    await device.loadSeed(seed, buildMatrixTable(seed));
    const out = new Uint8Array(32);
    await device.hash(seed, hexToBytes(vector!.headerHash, 'headerHash', 32), out);
    expect(bytesToHex(out)).toBe(vector!.powHash);
  });
});
