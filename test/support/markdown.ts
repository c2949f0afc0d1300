/**
 * As much of Markdown as checking documents takes: links, heading anchors as GitHub names them, and
 * fenced code blocks. Links in HTML tags are not seen: our documents do not use them.
 */

export interface Link {
  readonly target: string;
  /** 1-based. */
  readonly line: number;
}

export interface CodeBlock {
  /** First word after the fence: `sh`, `ts`, …; empty if there is none. */
  readonly language: string;
  readonly text: string;
  /** 1-based line of the first line of `text`. */
  readonly line: number;
}

/** Targets of `[text](target)`, of images and of reference definitions, outside code. */
export function linksOf(markdown: string): readonly Link[] {
  const links: Link[] = [];
  linesOutsideCode(markdown).forEach((text, index) => {
    const line = text.replace(/(`+)(?!`).*?(?<!`)\1(?!`)/g, '');
    for (const match of line.matchAll(/\]\(\s*<?([^)\s>]+)>?(?:\s+"[^"]*")?\s*\)/g)) {
      links.push({ target: match[1]!, line: index + 1 });
    }
    const definition = /^ {0,3}\[[^\]]+\]:\s+<?([^\s>]+)/.exec(line);
    if (definition) links.push({ target: definition[1]!, line: index + 1 });
  });
  return links;
}

/** What `#…` may name in this document: one anchor a heading, `-1`, `-2`, … after a repeated one. */
export function anchorsOf(markdown: string): ReadonlySet<string> {
  const anchors = new Set<string>();
  for (const line of linesOutsideCode(markdown)) {
    const heading = /^ {0,3}#{1,6}\s+(.*?)(?:\s+#+)?\s*$/.exec(line)?.[1];
    if (heading === undefined) continue;
    const slug = slugOf(heading);
    let anchor = slug;
    for (let n = 1; anchors.has(anchor); n++) anchor = `${slug}-${n}`;
    anchors.add(anchor);
  }
  return anchors;
}

export function codeBlocksOf(markdown: string): readonly CodeBlock[] {
  return fences(markdown).map(({ first, last, language, lines }) => ({
    language,
    text: lines.slice(first + 1, last).join('\n'),
    line: first + 2,
  }));
}

function slugOf(heading: string): string {
  return heading
    .replace(/!?\[([^\]]*)\]\([^)]*\)/g, '$1')
    .toLowerCase()
    .replace(/[^\p{L}\p{M}\p{N}\p{Pc}\- ]/gu, '')
    .replaceAll(' ', '-');
}

/** All lines, those of code blocks emptied, so that the numbers stay. */
function linesOutsideCode(markdown: string): string[] {
  const lines = markdown.split('\n');
  for (const { first, last } of fences(markdown)) lines.fill('', first, last + 1);
  return lines;
}

interface Fence {
  /** Indices of the opening and of the closing line; the latter is past the end if none closes. */
  readonly first: number;
  readonly last: number;
  readonly language: string;
  readonly lines: readonly string[];
}

function fences(markdown: string): Fence[] {
  const lines = markdown.split('\n');
  const found: Fence[] = [];
  for (let i = 0; i < lines.length; i++) {
    const [, mark, language = ''] = /^\s*(`{3,}|~{3,})\s*([^\s`]*)/.exec(lines[i]!) ?? [];
    if (mark === undefined) continue;
    // A fence closes with at least as many of the same mark, and nothing after.
    const closing = new RegExp(`^\\s*${mark[0]}{${mark.length},}\\s*$`);
    const length = lines.slice(i + 1).findIndex((line) => closing.test(line));
    const last = length === -1 ? lines.length : i + 1 + length;
    found.push({ first: i, last, language, lines });
    i = last;
  }
  return found;
}
