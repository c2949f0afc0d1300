/** The optional package `onnxruntime-node`, for tests that run networks on it themselves. */
import type * as Ort from 'onnxruntime-node';

/** Undefined where it is not installed or does not load. */
export const onnxRuntime: typeof Ort | undefined = await import('onnxruntime-node').catch(
  () => undefined,
);

/** Why a test that needs it is skipped. */
export const WHY_NO_ONNX_RUNTIME = 'the optional package onnxruntime-node does not load here';
