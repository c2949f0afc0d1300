/** Asks an adapter for its one device. */
import { clip, errorText } from '../../../src/util/errors.ts';
import { DriverError } from '../../driver.ts';

/** Asked for as high as they go, besides what the kernels name. */
const LIMITS = [
  'maxBufferSize',
  'maxStorageBufferBindingSize',
  'maxComputeWorkgroupsPerDimension',
] as const;

const EXPERIMENTAL = /^chromium-experimental-/;

export interface RequestedDevice {
  readonly device: GPUDevice;
  /** Of those asked for: those that it has. */
  readonly features: ReadonlySet<string>;
}

/**
 * A device with as many of the features as it gives, and with the adapter's own values of the limits.
 * An adapter makes a single device, so everything that some kernel may want is asked for at once; if
 * that fails, less. Rejects `unsupported`.
 */
export async function requestDevice(
  adapter: GPUAdapter,
  features: readonly string[],
  limits: readonly string[],
): Promise<RequestedDevice> {
  const requiredLimits: Record<string, number> = {};
  for (const name of [...LIMITS, ...limits]) {
    const value = adapter.limits[name as keyof GPUSupportedLimits];
    if (typeof value === 'number') requiredLimits[name] = value;
  }
  const standard = features.filter((name) => !EXPERIMENTAL.test(name));
  let failure: unknown;
  for (const asked of features.length === standard.length
    ? [features, []]
    : [features, standard, []]) {
    try {
      const requiredFeatures = asked as readonly string[] as GPUFeatureName[];
      const device = await adapter.requestDevice({ requiredFeatures, requiredLimits });
      return { device, features: new Set(asked) };
    } catch (error) {
      // The first says what is wrong; later ones may only say that the adapter is used up.
      failure ??= error;
    }
  }
  const missing = `the adapter gives no device: ${clip(errorText(failure), 200)}`;
  throw new DriverError({ code: 'unsupported', missing }, { cause: failure });
}
