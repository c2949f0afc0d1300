/** What the page says where it cannot do what the visitor came for: what is so, why, and what helps. */
import type { AdapterSearch } from './adapter.ts';
import { sentence } from './report.ts';
import type { RunOutcome } from './run.ts';

export interface Advice {
  readonly title: string;
  readonly text: string;
  readonly hints: readonly string[];
  /** `caution`: it goes on all the same. */
  readonly level: 'caution' | 'bad';
}

const LINUX_FLAGS =
  'On Linux, Chrome and Chromium may have to be started with --enable-unsafe-webgpu --enable-features=Vulkan.';

export function searchAdvice(search: Exclude<AdapterSearch, { kind: 'found' }>): Advice {
  switch (search.kind) {
    case 'insecure':
      return {
        level: 'bad',
        title: 'This page came over an open connection',
        text: 'Browsers give WebGPU only to pages that come over HTTPS or from this very machine.',
        hints: ['Open it with https:// in front, or from http://127.0.0.1 or http://localhost.'],
      };
    case 'no-webgpu':
      return {
        level: 'bad',
        title: 'This browser has no WebGPU',
        text: 'Without it no page can compute on the GPU. It may only be switched off, or the browser too old.',
        hints: [
          'Chrome and Edge have it from version 113 on Windows, macOS and ChromeOS, from 121 on Android.',
          LINUX_FLAGS,
          'Safari has it from version 26.',
          'Firefox has it from version 141 on Windows, later on macOS; elsewhere look for dom.webgpu.enabled in about:config.',
        ],
      };
    case 'no-adapter':
      return {
        level: 'bad',
        title: 'The browser has WebGPU, but offers no GPU',
        text:
          search.reason === undefined
            ? 'It was asked for one and gave none.'
            : `It was asked for one and failed: ${search.reason}`,
        hints: [
          LINUX_FLAGS,
          'Hardware acceleration may be switched off in the settings of the browser.',
          'chrome://gpu, edge://gpu or about:support tell what the browser makes of the GPU, and why it may be on its list of blocked ones.',
          'The driver of the GPU may be missing or old: Vulkan on Linux, Direct3D 12 on Windows.',
          'Virtual machines and remote desktops often have no GPU.',
        ],
      };
  }
}

export const SOFTWARE_ADVICE: Advice = {
  level: 'caution',
  title: 'This is no graphics chip',
  text: 'The browser found no GPU that it uses, and lets the processor play one. Its hashes should be right, but a single one takes seconds, and the speed says nothing of any chip.',
  hints: [LINUX_FLAGS, 'chrome://gpu tells why the real GPU is not used, if there is one.'],
};

/** For an address with options that do not exist. */
export function addressAdvice(problems: readonly string[]): Advice {
  return {
    level: 'caution',
    title: 'Part of the address is not understood',
    text: 'The rest of it counts.',
    hints: problems,
  };
}

/** Undefined where there is nothing to advise: the run went well, or was stopped by hand. */
export function outcomeAdvice(outcome: RunOutcome): Advice | undefined {
  switch (outcome.kind) {
    case 'measured':
    case 'stopped':
      return undefined;
    case 'unsupported':
      return {
        level: 'bad',
        title: 'No kernel can run on this GPU',
        text: sentence(`What is missing: ${outcome.missing}`),
        hints: ['A newer browser or driver may offer more of the same GPU.'],
      };
    case 'wrong':
      return {
        level: 'bad',
        title:
          outcome.phase === 'kernels'
            ? 'Every kernel computed wrong hashes'
            : 'This GPU computed a wrong hash',
        text: `No speed is shown, as wrong hashes are worth nothing. Expected ${outcome.expected}, got ${outcome.actual}.`,
        hints: [
          'Most often it is the driver: look for a newer one, and for a newer browser.',
          'An overclocked or overheated GPU makes such mistakes, too.',
          'Do not mine with it before this test passes.',
        ],
      };
    case 'lost':
      return {
        level: 'bad',
        title: 'The GPU was lost in the middle of the run',
        text: sentence(`What the browser says: ${outcome.reason}`),
        hints: [
          'The system resets a GPU that is busy for too long, and all programs lose it then.',
          'A laptop that changes between two GPUs, or goes to sleep, takes it away as well.',
          'Press the button to try again; if the browser gives no GPU any more, start it anew.',
        ],
      };
    case 'failed':
      return {
        level: 'bad',
        title: 'The run failed',
        text: sentence(outcome.reason),
        hints: ['Reload the page and try again.'],
      };
  }
}
