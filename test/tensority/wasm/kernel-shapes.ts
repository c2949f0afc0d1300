/** The kernels to test: every arithmetic in every form that this engine can run exactly. */

import type { KernelShape } from '../../../src/tensority/wasm/operands.ts';
import { type EngineTraits, probeEngine } from '../../../src/tensority/wasm/probe.ts';

export interface KernelForm {
  readonly title: string;
  readonly form: Pick<KernelShape, 'arithmetic' | 'secondOperand' | 'dot'>;
}

const traits: EngineTraits = probeEngine();

export const KERNEL_FORMS: readonly KernelForm[] = [
  {
    title: 'relaxed32 as on ARM',
    form: { arithmetic: 'relaxed32', secondOperand: 'signed', dot: 'emulated' },
  },
  {
    title: 'relaxed32 as on x86 with AVX-VNNI',
    form: { arithmetic: 'relaxed32', secondOperand: 'unsigned', dot: 'emulated' },
  },
  ...(traits.dot32 === undefined
    ? []
    : ([
        {
          title: 'relaxed32 of this engine',
          form: { arithmetic: 'relaxed32', secondOperand: traits.dot32, dot: 'native' },
        },
      ] as const)),
  {
    title: 'relaxed16 as on x86',
    form: { arithmetic: 'relaxed16', secondOperand: 'unsigned', dot: 'emulated' },
  },
  ...(traits.unsignedDot16
    ? ([
        {
          title: 'relaxed16 of this engine',
          form: { arithmetic: 'relaxed16', secondOperand: 'unsigned', dot: 'native' },
        },
      ] as const)
    : []),
  {
    title: 'dot16',
    form: { arithmetic: 'dot16', secondOperand: 'signed', dot: 'native' },
  },
];
