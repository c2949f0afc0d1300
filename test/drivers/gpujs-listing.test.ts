import { availableParallelism } from 'node:os';
import { describe, expect, it } from 'vitest';
import { type GpujsNews, listingOf } from '../../drivers/gpujs/listing.ts';
import { gpujsVersion } from '../../drivers/gpujs/package.ts';
import type { Asked } from '../../drivers/process/ask-process.ts';

const LIMIT_MS = 15_000;

function asked(parts: Partial<Asked<GpujsNews>>): Asked<GpujsNews> {
  return { news: [], crash: undefined, isLate: false, lines: [], ...parts };
}

describe('the list of gpu.js devices', () => {
  it('has one, a last resort on the cores of the cpu, that names its modes', () => {
    const { targets, unavailable } = listingOf(
      asked({ news: [{ kind: 'package', version: '2.24.1', modes: ['cpu', 'webasm'] }] }),
      LIMIT_MS,
    );
    expect(unavailable).toBeUndefined();
    const threads = availableParallelism();
    expect(targets.map(({ info }) => info)).toEqual([
      {
        id: 'gpujs',
        name: `gpu.js 2.24.1, ${threads} thread${threads === 1 ? '' : 's'}`,
        tableSlots: 2,
        rollsNonce: false,
        threads,
        processor: 'cpu',
        isLastResort: true,
        details: [
          'last resort: computes on the cores of the cpu, and much slower than the device cpu',
          'modes: cpu, webasm (not here: webgpu, headlessgl)',
        ],
      },
    ]);
  });

  it('remembers a choice under what could make another one better', async () => {
    const keyOf = async (news: GpujsNews): Promise<string> =>
      listingOf(asked({ news: [news] }), LIMIT_MS).targets[0]!.choiceKey();
    const news = { kind: 'package', version: '2.24.1', modes: ['cpu'] } as const;
    const key = await keyOf(news);
    expect(key).toContain(`gpu.js 2.24.1 | node ${process.versions.node}`);
    expect(await keyOf({ ...news, version: '2.25.0' })).not.toBe(key);
    expect(await keyOf({ ...news, modes: ['cpu', 'webgpu'] })).not.toBe(key);
    expect(await keyOf(news)).toBe(key);
  });

  it.each([
    [
      'a package that is not there',
      { news: [{ kind: 'problem', isMissing: true, problem: "Cannot find package 'gpu.js'" }] },
      'the npm package gpu.js is not installed; it is optional, and `npm install gpu.js` brings it',
    ],
    [
      'one that does not load',
      { news: [{ kind: 'problem', isMissing: false, problem: 'Unexpected\nend of input' }] },
      'the npm package gpu.js does not load: Unexpected end of input',
    ],
    [
      'one that crashes',
      { crash: 'SIGSEGV: no display' },
      'the npm package gpu.js took its process down when it was loaded: SIGSEGV: no display',
    ],
    ['one that hangs', { isLate: true }, 'the npm package gpu.js did not load within 15 s'],
  ] satisfies [string, Partial<Asked<GpujsNews>>, string][])(
    'says in one line what is the matter with %s',
    (_what, parts, line) => {
      expect(listingOf(asked(parts), LIMIT_MS)).toEqual({ targets: [], unavailable: line });
    },
  );
});

describe('the version of the package', () => {
  it('is known without loading it', () => {
    expect(gpujsVersion()).toMatch(/^\d+\.\d+\.\d+$/);
  });
});
