/**
 * Chromium without a window, driven through its DevTools protocol: for pages whose code has to run in
 * a real browser. Each has a profile of its own, and ends with its test.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const PROGRAM = 'chromium';
const FLAGS: readonly string[] = [
  '--headless=new',
  // There is no sandbox for root, and containers rarely allow one.
  '--no-sandbox',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-quic',
  '--disable-sync',
  '--no-first-run',
  '--remote-debugging-port=0',
];
const START_LIMIT_MS = 30_000;

/** Why there is no Chromium to test with; undefined if there is one. */
export function whyNoChromium(): string | undefined {
  const { error, status } = spawnSync(PROGRAM, ['--version']);
  return error === undefined && status === 0 ? undefined : 'no chromium on the path';
}

/** A message of the protocol: an answer has an `id`, an event a `method`. */
interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly sessionId?: string;
  readonly params?: Readonly<Record<string, unknown>>;
  readonly result?: Readonly<Record<string, unknown>>;
  readonly error?: { readonly message: string };
}

export interface TabOptions {
  /** Runs before anything of the page. */
  readonly prelude?: string;
  readonly width?: number;
  readonly height?: number;
  readonly colorScheme?: 'light' | 'dark';
}

export class Chromium {
  readonly #child: ChildProcess;
  readonly #profile: string;
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, (answer: Message) => void>();
  readonly #tabs = new Map<string, Tab>();
  #lastId = 0;

  /** Starts it. `flags` are added to those that every test needs. */
  static async start(flags: readonly string[] = []): Promise<Chromium> {
    const profile = mkdtempSync(join(tmpdir(), 'chromium-'));
    const child = spawn(
      PROGRAM,
      [...FLAGS, `--user-data-dir=${profile}`, ...flags, 'about:blank'],
      {
        env: { ...process.env, VK_ICD_FILENAMES: undefined },
        stdio: ['ignore', 'ignore', 'pipe'],
      },
    );
    try {
      const socket = new WebSocket(await devToolsUrl(child));
      await new Promise((resolve, reject) => {
        socket.addEventListener('open', resolve, { once: true });
        socket.addEventListener('error', reject, { once: true });
      });
      return new Chromium(child, profile, socket);
    } catch (error) {
      child.kill('SIGKILL');
      throw error;
    }
  }

  private constructor(child: ChildProcess, profile: string, socket: WebSocket) {
    this.#child = child;
    this.#profile = profile;
    this.#socket = socket;
    socket.addEventListener('message', ({ data }) => this.#take(JSON.parse(String(data))));
    socket.addEventListener('close', () => {
      for (const answer of this.#waiting.values()) answer({ error: { message: 'Chromium ended' } });
      this.#waiting.clear();
    });
  }

  /** Opens an address in a tab of its own; resolves when its document is loaded. */
  async open(url: string, options: TabOptions = {}): Promise<Tab> {
    const { width = 1000, height = 1400, colorScheme = 'light', prelude } = options;
    const { targetId } = await this.send('Target.createTarget', { url: 'about:blank' });
    const attached = await this.send('Target.attachToTarget', { targetId, flatten: true });
    const tab = new Tab(this, String(attached['sessionId']));
    this.#tabs.set(tab.session, tab);
    for (const domain of ['Page', 'Runtime', 'Network', 'Log']) await tab.send(`${domain}.enable`);
    await tab.resize(width, height);
    const features = [{ name: 'prefers-color-scheme', value: colorScheme }];
    await tab.send('Emulation.setEmulatedMedia', { features });
    // As if a person looked at it, who lets it use the clipboard.
    await tab.send('Emulation.setFocusEmulationEnabled', { enabled: true });
    const permissions = ['clipboardReadWrite', 'clipboardSanitizedWrite'];
    await this.send('Browser.grantPermissions', { permissions });
    if (prelude !== undefined) {
      await tab.send('Page.addScriptToEvaluateOnNewDocument', { source: prelude });
    }
    const loaded = tab.event('Page.loadEventFired');
    await tab.send('Page.navigate', { url });
    await loaded;
    return tab;
  }

  /** Rejects with what the protocol complains of. */
  async send(
    method: string,
    params: Readonly<Record<string, unknown>> = {},
    sessionId?: string,
  ): Promise<Readonly<Record<string, unknown>>> {
    const id = ++this.#lastId;
    const answer = await new Promise<Message>((resolve) => {
      this.#waiting.set(id, resolve);
      this.#socket.send(JSON.stringify({ id, method, params, sessionId }));
    });
    if (answer.error !== undefined) throw new Error(`${method}: ${answer.error.message}`);
    return answer.result ?? {};
  }

  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    if (this.#child.exitCode === null) {
      // It ends before it answers, or does not answer at all.
      this.send('Browser.close').catch(() => {});
      const limit = setTimeout(() => this.#child.kill('SIGKILL'), 5000);
      await ended;
      clearTimeout(limit);
    }
    this.#socket.close();
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  }

  #take(message: Message): void {
    if (message.id === undefined) {
      this.#tabs.get(message.sessionId ?? '')?.take(message.method ?? '', message.params ?? {});
      return;
    }
    this.#waiting.get(message.id)?.(message);
    this.#waiting.delete(message.id);
  }
}

export class Tab {
  readonly session: string;
  /** Exceptions, errors on the console, what the browser refused and files that were not there. */
  readonly errors: string[] = [];
  /** What the page asked the network for. */
  readonly requested: string[] = [];
  readonly #browser: Chromium;
  readonly #listeners = new Map<string, Set<() => void>>();

  constructor(browser: Chromium, session: string) {
    this.#browser = browser;
    this.session = session;
  }

  send(
    method: string,
    params: Readonly<Record<string, unknown>> = {},
  ): Promise<Readonly<Record<string, unknown>>> {
    return this.#browser.send(method, params, this.session);
  }

  /** The value of an expression, awaited if it is a promise. Rejects with what it throws. */
  async evaluate<T>(expression: string): Promise<T> {
    const { result, exceptionDetails } = (await this.send('Runtime.evaluate', {
      expression,
      awaitPromise: true,
      returnByValue: true,
      userGesture: true,
    })) as { readonly result?: { readonly value?: T }; readonly exceptionDetails?: object };
    if (exceptionDetails !== undefined) {
      throw new Error(`${expression}: ${JSON.stringify(exceptionDetails)}`);
    }
    return result?.value as T;
  }

  async resize(width: number, height: number): Promise<void> {
    const metrics = { width, height, deviceScaleFactor: 1, mobile: false };
    await this.send('Emulation.setDeviceMetricsOverride', metrics);
  }

  /** The next event of this name. */
  event(method: string): Promise<void> {
    return new Promise((resolve) => {
      const listeners = this.#listeners.get(method) ?? new Set();
      this.#listeners.set(method, listeners.add(resolve));
    });
  }

  /** A PNG of what is to be seen; `whole`: of all of the page. */
  async screenshot({ whole = false }: { readonly whole?: boolean } = {}): Promise<Uint8Array> {
    const { data } = await this.send('Page.captureScreenshot', { captureBeyondViewport: whole });
    return Buffer.from(String(data), 'base64');
  }

  /** For the browser: hands in an event. */
  take(method: string, params: Readonly<Record<string, unknown>>): void {
    const { request, entry, exceptionDetails, response } = params as {
      readonly request?: { readonly url: string };
      readonly entry?: { readonly level: string; readonly text: string };
      readonly exceptionDetails?: object;
      readonly response?: { readonly status: number; readonly url: string };
    };
    if (method === 'Network.requestWillBeSent') this.requested.push(request?.url ?? '');
    if (method === 'Network.responseReceived' && (response?.status ?? 0) >= 400) {
      this.errors.push(`${response?.status} ${response?.url}`);
    }
    if (method === 'Log.entryAdded' && entry?.level === 'error') this.errors.push(entry.text);
    if (method === 'Runtime.exceptionThrown') this.errors.push(JSON.stringify(exceptionDetails));
    for (const resolve of this.#listeners.get(method) ?? []) resolve();
    this.#listeners.delete(method);
  }
}

/** Chromium tells on its error output where it listens. */
function devToolsUrl(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = '';
    const limit = setTimeout(
      () => reject(new Error(`Chromium did not start: ${said}`)),
      START_LIMIT_MS,
    );
    child.once('error', reject);
    child.once('exit', () => reject(new Error(`Chromium ended: ${said}`)));
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      const url = /^DevTools listening on (ws:\S+)/m.exec(said)?.[1];
      if (url === undefined) return;
      clearTimeout(limit);
      resolve(url);
    });
  });
}
