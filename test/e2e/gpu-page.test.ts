/**
 * The GPU page, built: its server, its folder, and what it does in a real browser. Chromium brings a
 * GPU in software, on which a hash takes seconds: these tests ask for as few as they can.
 */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, type TestContext } from 'vitest';
import type { PageReport } from '../../drivers/webgpu/web/report.ts';
import { Chromium, type Tab, type TabOptions, whyNoChromium } from '../support/chromium.ts';
import { expectRefusalOf, expectSuccess, ProgramProcess } from './program-process.ts';

/** Gives a GPU in software where there is no other. */
const WITH_GPU = ['--enable-unsafe-webgpu'];
/** A run is some fifteen hashes: minutes on two busy cores. */
const RUN_LIMIT_MS = 900_000;
const KERNEL = 'dp4a-64-16x4';

const folder = mkdtempSync(join(tmpdir(), 'gpu-page-'));
const page = join(folder, 'page');

beforeAll(async () => {
  expectSuccess(await new ProgramProcess('gpu-page', ['--out', page]).ended);
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('the program', () => {
  it('serves the page until it is interrupted', async () => {
    const program = new ProgramProcess('gpu-page', ['--port', '0']);
    const url = await program.line(/^http:\/\/127\.0\.0\.1:\d+\/$/);
    const answer = await fetch(url);
    expect(answer.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(await answer.text()).toBe(readFileSync(join(page, 'index.html'), 'utf8'));
    for (const path of filesIn(page)) {
      expect((await fetch(url + path, { method: 'HEAD' })).status, path).toBe(200);
    }
    const ended = await program.interrupt();
    expectSuccess(ended);
    expect(ended.ms).toBeLessThan(2000);
  });

  it('fits 100 columns with its help', async () => {
    const help = await new ProgramProcess('gpu-page', ['--help']).ended;
    expectSuccess(help);
    expect(help.stdout.split('\n').filter((line) => line.length > 100)).toEqual([]);
  });

  it('writes over an earlier page, and into no other folder that holds something', async () => {
    expectSuccess(await new ProgramProcess('gpu-page', ['--out', page]).ended);
    const other = join(folder, 'other');
    mkdirSync(other);
    writeFileSync(join(other, 'thesis.txt'), 'x');
    const refused = await new ProgramProcess('gpu-page', ['--out', other]).ended;
    expectRefusalOf('gpu-page', refused, 2, 'out: expected a new or empty folder');
    expect(readdirSync(other)).toEqual(['thesis.txt']);
  });

  it('refuses what it cannot listen at', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => taken.once('listening', resolve));
    const { port } = taken.address() as AddressInfo;
    const refused = await new ProgramProcess('gpu-page', ['--port', String(port)]).ended;
    taken.close();
    expectRefusalOf('gpu-page', refused, 2, 'address already in use');
    const host = await new ProgramProcess('gpu-page', ['--host', 'example.org']).ended;
    expectRefusalOf('gpu-page', host, 2, 'host: expected an IP address of this machine');
  });
});

describe('in a browser with a GPU', () => {
  let site: Site;
  beforeAll(async () => {
    site = await serve(page);
  });
  afterAll(() => site.close());

  it(
    'tests a kernel, measures it and gives the result away',
    async (ctx) => {
      await withTab(ctx, WITH_GPU, `${site.url}?hashes=2&kernel=${KERNEL}`, {}, async (tab) => {
        expect(await state(tab)).toBe('ready');
        expect(await text(tab, '#facts')).toContain('swiftshader');
        expect(await text(tab, '#notices')).toContain('This is no graphics chip');
        await tab.evaluate('document.getElementById("start").click()');
        expect(await end(tab)).toBe('done measured');

        expect(await text(tab, '#kernels tbody tr')).toMatch(
          new RegExp(`${KERNEL}\\s+exact\\s+\\d`),
        );
        expect(await text(tab, '#verdict')).toContain(`passed 9 hashes with kernel ${KERNEL}`);
        expect(await text(tab, '#figures')).toContain('2, every one compared');
        expect(await text(tab, '#rate')).toMatch(/^\d[\d.,]* H\/s$/);
        const points = 'document.querySelectorAll("#plot .line").length';
        expect(await tab.evaluate(points)).toBe(1);

        const report = await copied(tab);
        expect(report.outcome).toMatchObject({ kind: 'measured', kernel: KERNEL, hashes: 2 });
        expect(report.adapter).toMatchObject({ isSoftware: true });
        const { version } = JSON.parse(
          readFileSync(join(page, 'build.json'), 'utf8'),
        ) as PageReport;
        expect(report.version).toBe(version);
        expect(tab.requested.filter((url) => !url.startsWith(site.url))).toEqual([]);
        expect(tab.errors).toEqual([]);

        const width = (of: string) => tab.evaluate<number>(`document.documentElement.${of}`);
        await tab.resize(340, 700);
        expect(await width('scrollWidth')).toBe(await width('clientWidth'));
      });
    },
    RUN_LIMIT_MS,
  );

  it(
    'stops when it is told to',
    async (ctx) => {
      await withTab(ctx, WITH_GPU, `${site.url}?run&kernel=${KERNEL}`, {}, async (tab) => {
        await tab.evaluate('document.getElementById("stop").click()');
        expect(await end(tab)).toBe('done stopped');
        expect(await text(tab, '#status')).toBe('The run was stopped.');
        expect(tab.errors).toEqual([]);
      });
    },
    RUN_LIMIT_MS,
  );

  it(
    'says that the GPU was lost, and tries again if it is told to',
    async (ctx) => {
      const url = `${site.url}?run&hashes=1&kernel=${KERNEL}`;
      await withTab(ctx, WITH_GPU, url, {}, async (tab, browser) => {
        await until(tab, 'document.getElementById("status").textContent.startsWith("Trying")');
        await browser.send('Browser.crashGpuProcess');
        expect(await end(tab)).toBe('done lost');
        expect(await text(tab, '#notices')).toContain('The GPU was lost in the middle of the run');
        expect(await text(tab, '#kernels tbody tr')).toContain('failed the GPU was lost under it');
        expect(await text(tab, '#benchmark')).toBe('');
        await tab.evaluate('document.getElementById("start").click()');
        await until(tab, 'document.getElementById("status").textContent.startsWith("Trying")');
        expect(await state(tab)).toBe('running');
      });
    },
    RUN_LIMIT_MS,
  );

  it('tells of a kernel that there is not, and of options that mean nothing', async (ctx) => {
    const url = `${site.url}?run&kernel=dp5a&second=3`;
    await withTab(ctx, WITH_GPU, url, {}, async (tab) => {
      expect(await end(tab)).toBe('done unsupported');
      expect(await text(tab, '#notices')).toContain('no kernel dp5a (there are: ');
      expect(await text(tab, '#notices')).toContain('second: no such option');
    });
  });
});

it(
  'a GPU that computes wrong hashes is found out, and no speed is shown',
  async (ctx) => {
    // What a broken driver does: a program that runs, and is not the one that was written.
    const wrong = join(folder, 'wrong');
    expectSuccess(await new ProgramProcess('gpu-page', ['--out', wrong]).ended);
    const shader = join(wrong, 'shaders/fnv.wgsl');
    const right = readFileSync(shader, 'utf8');
    const changed = right.replaceAll('0x01000193', '0x01000195');
    expect(changed).not.toBe(right);
    writeFileSync(shader, changed);
    const site = await serve(wrong);
    try {
      await withTab(ctx, WITH_GPU, `${site.url}?run&kernel=${KERNEL}`, {}, async (tab) => {
        expect(await end(tab)).toBe('done wrong');
        expect(await text(tab, '#kernels tbody tr')).toContain('wrong');
        expect(await text(tab, '#notices')).toContain('wrong hash');
        expect(await text(tab, '#verdict')).toMatch(/^failed/);
        expect(await text(tab, '#benchmark')).toBe('');
        expect((await copied(tab)).outcome).not.toHaveProperty('hashesPerSecond');
      });
    } finally {
      await site.close();
    }
  },
  RUN_LIMIT_MS,
);

it('a browser without a GPU is told why, and what to do', async (ctx) => {
  const site = await serve(page);
  try {
    await withTab(ctx, [], site.url, {}, async (tab) => {
      expect(await end(tab)).toBe('unavailable no-adapter');
      expect(await text(tab, '#notices')).toContain('--enable-unsafe-webgpu');
      expect(await text(tab, '#status')).toBe('There is no GPU to run on.');
      expect(tab.errors).toEqual([]);
    });
    const prelude = 'delete Navigator.prototype.gpu';
    await withTab(ctx, [], site.url, { prelude }, async (tab) => {
      expect(await end(tab)).toBe('unavailable no-webgpu');
      expect(await text(tab, '#notices')).toContain('This browser has no WebGPU');
    });
  } finally {
    await site.close();
  }
});

/** Opens the page in a browser of its own. Without one the test is skipped, or fails where it must not. */
async function withTab(
  ctx: Pick<TestContext, 'skip'>,
  flags: readonly string[],
  url: string,
  options: TabOptions,
  use: (tab: Tab, browser: Chromium) => Promise<void>,
): Promise<void> {
  const missing = whyNoChromium();
  if (missing !== undefined && process.env['TEST_WEBGPU'] !== '1') return ctx.skip(missing);
  const browser = await Chromium.start(flags);
  try {
    const tab = await browser.open(url, options);
    await until(tab, 'document.documentElement.dataset.state !== "loading"');
    await use(tab, browser);
  } finally {
    await browser.close();
  }
}

/** Where the page stands when it has come to an end, and why. */
async function end(tab: Tab): Promise<string> {
  await until(tab, '["done", "unavailable"].includes(document.documentElement.dataset.state)');
  return tab.evaluate(
    'document.documentElement.dataset.state + " " + document.documentElement.dataset.outcome',
  );
}

function state(tab: Tab): Promise<string> {
  return tab.evaluate('document.documentElement.dataset.state');
}

/** Waits, in the page, until an expression is true: the document changes, or a while goes by. */
async function until(tab: Tab, condition: string): Promise<void> {
  await tab.evaluate(`new Promise((resolve) => {
    const look = () => {
      if (!(${condition})) return;
      clearInterval(timer);
      resolve();
    };
    const timer = setInterval(look, 50);
    look();
  })`);
}

/** What is to be read in the first element that fits, in one line; nothing if it is hidden. */
function text(tab: Tab, selector: string): Promise<string> {
  return tab.evaluate(`{
    const element = document.querySelector(${JSON.stringify(selector)});
    element.checkVisibility() ? element.innerText.replace(/\\s+/g, ' ').trim() : '';
  }`);
}

/** What the button copies, as an object. */
async function copied(tab: Tab): Promise<PageReport> {
  await tab.evaluate('document.getElementById("copy-json").click()');
  await until(tab, 'document.getElementById("copied").textContent !== ""');
  expect(await text(tab, '#copied')).toBe('Copied.');
  return JSON.parse(await tab.evaluate<string>('navigator.clipboard.readText()')) as PageReport;
}

interface Site {
  /** Ends in a slash, and lies in a folder of its host. */
  readonly url: string;
  close(): Promise<void>;
}

/** A web host like any other: it knows files and their endings. */
async function serve(root: string): Promise<Site> {
  const prefix = '/some/folder/';
  const types: Readonly<Record<string, string>> = {
    '.html': 'text/html',
    '.js': 'text/javascript',
    '.css': 'text/css',
    '.svg': 'image/svg+xml',
  };
  const files = new Set(filesIn(root));
  const server: Server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '', 'http://127.0.0.1');
    const name = pathname === prefix ? 'index.html' : pathname.slice(prefix.length);
    const isThere = pathname.startsWith(prefix) && files.has(name);
    response.writeHead(isThere ? 200 : 404, {
      'Content-Type': types[extname(name)] ?? 'application/octet-stream',
    });
    response.end(isThere ? readFileSync(join(root, name)) : '');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}${prefix}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Paths of all files below a folder, with `/` between the parts. */
function filesIn(root: string): readonly string[] {
  expect(existsSync(root)).toBe(true);
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) =>
      join(entry.parentPath, entry.name)
        .slice(root.length + 1)
        .replaceAll('\\', '/'),
    );
}
