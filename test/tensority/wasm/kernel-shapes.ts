/** The kernels to test: every arithmetic in every form that this engine can run exactly. */
import { type EngineTraits, probeEngine } from '../../../src/tensority/wasm/probe.ts';
import type { KernelShape } from '../../../src/tensority/wasm/product-kernel.ts';

export interface KernelForm {
  readonly title: string;
  readonly form: Pick<KernelShape, 'arithmetic' | 'secondOperand' | 'dot'>;
  /** Why this engine cannot run it; absent if it can. */
  readonly missing?: string;
}

const traits: EngineTraits = probeEngine();
const noRelaxed32 = traits.dot32 === undefined ? 'this engine has no exact int8 dot product' : '';
const noRelaxed16 = traits.unsignedDot16 ? '' : 'this engine does not take unsigned int8 pairs';

export const KERNEL_FORMS: readonly KernelForm[] = [
  {
    title: 'relaxed32 as on ARM',
    form: { arithmetic: 'relaxed32', secondOperand: 'signed', dot: 'emulate-signed' },
  },
  {
    title: 'relaxed32 as on x86 with AVX-VNNI',
    form: { arithmetic: 'relaxed32', secondOperand: 'unsigned', dot: 'emulate-unsigned' },
  },
  {
    title: 'relaxed32 of this engine',
    form: { arithmetic: 'relaxed32', secondOperand: traits.dot32 ?? 'signed', dot: 'native' },
    ...(noRelaxed32 === '' ? {} : { missing: noRelaxed32 }),
  },
  {
    title: 'relaxed16 as on x86',
    form: { arithmetic: 'relaxed16', secondOperand: 'unsigned', dot: 'emulate-unsigned' },
  },
  {
    title: 'relaxed16 of this engine',
    form: { arithmetic: 'relaxed16', secondOperand: 'unsigned', dot: 'native' },
    ...(noRelaxed16 === '' ? {} : { missing: noRelaxed16 }),
  },
  {
    title: 'dot16',
    form: { arithmetic: 'dot16', secondOperand: 'signed', dot: 'native' },
  },
];
