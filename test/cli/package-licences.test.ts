import { describe, expect, it } from 'vitest';
import {
  repositoryOf,
  thirdPartyText,
  withTextsOfTheirWhole,
} from '../../src/cli/package-licences.ts';

function work(name: string, more: object = {}) {
  return { name, version: '1.0.0', licence: 'MIT', origin: '', repository: '', texts: [], ...more };
}

describe('THIRD-PARTY.txt', () => {
  it('lists every work and gives its terms in full', () => {
    const text = thirdPartyText([
      work('alpha', {
        origin: 'github.com/a, A. Author',
        texts: [
          { file: 'LICENSE', text: 'Terms of alpha.\n' },
          { file: 'NOTICE', text: 'And this.' },
        ],
      }),
      work('beta', { licence: 'ISC', texts: [{ file: 'COPYING', text: 'Terms of beta.' }] }),
    ]);
    expect(text).toMatch(/^ {2}alpha 1\.0\.0: MIT\n {2}beta 1\.0\.0: ISC$/m);
    expect(text).toContain('alpha 1.0.0 (MIT)\ngithub.com/a, A. Author\n');
    expect(text).toMatch(/--- LICENSE\n\nTerms of alpha\.\n\n--- NOTICE\n\nAnd this\.\n/);
    expect(text).toMatch(/--- COPYING\n\nTerms of beta\.\n$/);
  });

  it('gives the MIT terms where a package only names them, and refuses other names', () => {
    expect(thirdPartyText([work('bare')])).toContain(
      'Permission is hereby granted, free of charge',
    );
    expect(() => thirdPartyText([work('bare', { licence: 'BSD-3-Clause' })])).toThrow(
      'bare brings no text of its licence, BSD-3-Clause',
    );
  });

  it('gives native code the terms of the package that it belongs to', () => {
    const texts = [{ file: 'LICENSE', text: 'Terms of the whole.' }];
    const found = withTextsOfTheirWhole([
      work('whole-linux-x64', { repository: 'github.com/w/whole' }),
      work('whole', { repository: 'github.com/w/whole', texts }),
      work('stranger', { repository: 'github.com/s/stranger' }),
      work('homeless'),
    ]);
    expect(found.map((each) => each.texts)).toEqual([texts, texts, [], []]);
  });
});

it.for([
  'git+https://github.com/a/b.git',
  'git+ssh://git@github.com/a/b.git',
  'http://github.com/a/b',
  'https://github.com/a/b.git',
])('%s is github.com/a/b', (address) => expect(repositoryOf(address)).toBe('github.com/a/b'));
