/** The text THIRD-PARTY.txt of an archive: whose work is carried, and under which terms. */
export interface CarriedWork {
  readonly name: string;
  readonly version: string;
  /** As its author declares it: `MIT`. */
  readonly licence: string;
  /** Where it is from and by whom, from its package.json; may be empty. */
  readonly origin: string;
  /** What it brings itself, by file; empty if it brings nothing. */
  readonly texts: readonly LicenceText[];
}

export interface LicenceText {
  readonly file: string;
  readonly text: string;
}

/**
 * Native code of a package may be published apart, without the terms of the whole: it is given those
 * of what has the same repository.
 */
export function withTextsOfTheirWhole(
  works: readonly (CarriedWork & { readonly repository: string })[],
): CarriedWork[] {
  return works.map((work) => {
    if (work.texts.length > 0 || work.repository === '') return work;
    const whole = works.find(
      ({ repository, texts }) => repository === work.repository && texts.length > 0,
    );
    return whole === undefined ? work : { ...work, texts: whole.texts };
  });
}

/** An address of a repository without what differs between its spellings. */
export function repositoryOf(address: string): string {
  return address.replace(/^(?:git\+)?\w+:\/\/(?:git@)?/, '').replace(/\.git$/, '');
}

const RULE = '='.repeat(80);

export function thirdPartyText(works: readonly CarriedWork[]): string {
  const list = works.map(({ name, version, licence }) => `  ${name} ${version}: ${licence}`);
  const sections = works.map(sectionOf);
  return [
    'Work of others that this archive carries, each under its own terms, which follow below.\n',
    ...list,
    ...sections,
    '',
  ].join('\n');
}

function sectionOf(work: CarriedWork): string {
  const head = `\n${RULE}\n${work.name} ${work.version} (${work.licence})`;
  const lines = work.origin === '' ? [head] : [head, work.origin];
  for (const { file, text } of work.texts) lines.push(`\n--- ${file}\n`, text.trim());
  if (work.texts.length === 0) lines.push(`\n${withoutText(work)}`);
  return lines.join('\n');
}

/** A package may name its licence and leave the text out. */
function withoutText({ name, licence }: CarriedWork): string {
  if (licence !== 'MIT') throw new Error(`${name} brings no text of its licence, ${licence}`);
  return `It brings no text of its licence. The terms of that name are:\n\n${MIT_TERMS}`;
}

const MIT_TERMS = `Permission is hereby granted, free of charge, to any person obtaining a copy of this
software and associated documentation files (the "Software"), to deal in the Software
without restriction, including without limitation the rights to use, copy, modify, merge,
publish, distribute, sublicense, and/or sell copies of the Software, and to permit persons
to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or
substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED,
INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR
PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE
FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER
DEALINGS IN THE SOFTWARE.`;
