/**
 * A board that is not there: the board's side of PROTOCOL.md in memory, for tests, and for people
 * who have no board. It computes real hashes by whatever hasher it is given and has a script of
 * everything that boards do wrong.
 *
 * Written from PROTOCOL.md alone, apart from the firmware: what one of the two takes for the protocol,
 * the other must take as well.
 */
import type { BatchHasher } from '../../src/tensority/hasher.ts';
import { summedRows } from '../../src/tensority/rows.ts';
import type { TableProvider } from '../../src/tensority/table.ts';
import { bytesToHex, hexToBytes } from '../../src/util/bytes.ts';
import { type Clock, systemClock } from '../../src/util/clock.ts';
import type { BytePort } from '../byte-port.ts';
import { PortError } from '../errors.ts';
import { decodeFrame, encodeFrame, FIRST_MAX_FRAME, type Frame } from '../frame.ts';
import { ANSWER, BAUD, NAK, NAK_MESSAGE, NAK_NAMES, type RequestName, TYPES } from '../messages.ts';
import { SlipDecoder, slipEncode } from '../slip.ts';
import { type BoardLine, createMemoryLine } from './memory-line.ts';
import { honestScript, type SimulatedScript } from './script.ts';
import { FIRMWARE_VERSION, helloAnswer } from './simulated-hello.ts';
import { type RowMaker, SimulatedProcessor } from './simulated-processor.ts';
import { Refused, SimulatedRequests } from './simulated-requests.ts';

/** A request of so many sequence numbers behind the last one is a late copy. */
const BEHIND = 0x8000;

export interface SimulatedBoardOptions {
  /** What it calls itself. */
  readonly name?: string;
  /** 24 hex digits. */
  readonly uid?: string;
  /** What the host's end of `connect()` is called, until it is plugged in under another name. */
  readonly port?: string;
  readonly ramBytes?: number;
  readonly maxFrame?: number;
  /** Jobs that it holds. */
  readonly queue?: number;
  /** Rates, the first of which it starts with; none where rates mean nothing. */
  readonly bauds?: readonly number[];
  readonly hasSensor?: boolean;
  /** 0: it does not know. */
  readonly clockKhz?: number;
  readonly hasBootLoader?: boolean;
  /** Its line can reset it. */
  readonly hasResetLines?: boolean;
}

export interface SimulatedBoardParts {
  readonly tables: TableProvider;
  readonly hasher: BatchHasher;
  readonly clock?: Clock;
  /** Rows for audits and self-tests; the real ones by default. */
  readonly rows?: RowMaker;
}

export class SimulatedBoard {
  readonly script: SimulatedScript = honestScript();
  readonly options: Required<SimulatedBoardOptions>;
  readonly #uid: Uint8Array;
  readonly #clock: Clock;
  readonly #processor: SimulatedProcessor;
  readonly #requests: SimulatedRequests;
  readonly #decoder: SlipDecoder;
  #port: string | undefined;
  #line: BoardLine | undefined;
  /** The rate it listens at. */
  #rate: number | undefined;
  /** Ends the wait for a valid frame at a new rate. */
  #rateKept: AbortController = new AbortController();
  #started: number;
  #restarts = 0;
  #crcErrors = 0;
  #otherErrors = 0;
  #eventSeq = 0;
  /** Of the last two HELLOs that were new: a late copy of the one before must not turn the seq back. */
  #helloNonces: readonly string[] = [];
  /** Events of a request that is being answered: the answer goes first. */
  #held: Uint8Array[] | undefined;
  /** `answer` is undefined where a repetition is to be done again. */
  #last: { readonly seq: number; readonly type: number; answer?: Uint8Array } | undefined;

  constructor(options: SimulatedBoardOptions, parts: SimulatedBoardParts) {
    this.options = {
      name: 'Simulated board',
      uid: '53494d000000000000000001',
      port: 'simulated',
      ramBytes: 512 * 1024,
      maxFrame: FIRST_MAX_FRAME,
      queue: 4,
      bauds: [],
      hasSensor: true,
      clockKhz: 400_000,
      hasBootLoader: false,
      hasResetLines: true,
      ...options,
    };
    this.#uid = hexToBytes(this.options.uid, 'uid', 12);
    this.#clock = parts.clock ?? systemClock;
    this.#port = this.options.port;
    this.#started = this.#clock.now();
    this.#rate = this.options.bauds[0];
    this.#processor = new SimulatedProcessor({
      tables: parts.tables,
      hasher: parts.hasher,
      rows: parts.rows ?? summedRows,
      clock: this.#clock,
      script: this.script,
      hasSensor: this.options.hasSensor,
      send: (type, payload) => this.#sendEvent(type, payload),
      log: (line) => this.say(line),
    });
    this.#requests = new SimulatedRequests(this.options, {
      processor: this.#processor,
      script: this.script,
      counters: () => ({
        uptimeS: Math.floor((this.#clock.now() - this.#started) / 1000),
        crcErrors: this.#crcErrors,
        otherErrors: this.#otherErrors,
        restarts: this.#restarts,
      }),
    });
    this.#decoder = new SlipDecoder(this.options.maxFrame, {
      onStretch: (bytes) => this.#onStretch(bytes),
      onText: () => this.#otherErrors++,
      onGarbage: () => this.#otherErrors++,
    });
  }

  /** Where the host finds it; undefined while it is unplugged. */
  get port(): string | undefined {
    return this.#port;
  }

  /** Hashes since its start: those that it made. */
  get hashes(): number {
    return this.#processor.hashes;
  }

  /**
   * The host's end of a line to it; a new one replaces the old, whose port is gone. Throws `PortError`
   * `no-such-port` while it is unplugged.
   */
  connect(): BytePort {
    const name = this.#port;
    if (name === undefined) {
      throw new PortError({ code: 'no-such-port', port: this.options.port });
    }
    const { bauds, hasResetLines } = this.options;
    const line = createMemoryLine({
      name,
      // A port is opened at the first rate, whatever the board has come to meanwhile.
      rate: bauds[0],
      isBadRate: (rate) => this.script.badRates.has(rate),
      ...(hasResetLines && { onReset: () => this.restart() }),
    });
    this.serve(line.board);
    return line.host;
  }

  /** Speaks on this line from now on, and on no other. */
  serve(line: BoardLine): void {
    this.#line?.close('opened by somebody else');
    this.#line = line;
    if (this.#rate !== undefined) line.setBaud?.(this.#rate);
    line.onBytes((bytes) => {
      if (this.#line === line && this.script.silent === 'no') this.#decoder.push(bytes);
    });
  }

  /** A line of its log. */
  say(line: string): void {
    this.noise(new TextEncoder().encode(`${line}\n`));
  }

  /** Any bytes, as a line that is disturbed or other firmware would give them. */
  noise(bytes: Uint8Array): void {
    if (this.script.silent === 'no') this.#line?.write(bytes);
  }

  /** Starts anew, as by its reset pin: everything it knew is gone. */
  restart(): void {
    this.#restarts++;
    this.#start();
  }

  /** The checkpoints in its memory have changed. */
  corruptSeed(): void {
    this.#processor.corruptSeed();
  }

  /** Its port is gone, and it has no power. */
  unplug(): void {
    this.#port = undefined;
    this.#line?.close('unplugged');
    this.#line = undefined;
    this.#processor.reset();
  }

  /** It is there again, under the same name or another. */
  plug(port: string = this.options.port): void {
    this.#port = port;
    this.#restarts = 0;
    this.#start();
  }

  /** Ends all that it does. Its hasher is whoever made it's. */
  close(): void {
    this.unplug();
    this.#rateKept.abort();
  }

  #start(): void {
    const { script } = this;
    if (script.silent === 'until-restart') script.silent = 'no';
    if (script.stuck === 'until-restart') script.stuck = 'no';
    this.#started = this.#clock.now();
    this.#last = undefined;
    this.#helloNonces = [];
    this.#eventSeq = 0;
    this.#crcErrors = 0;
    this.#otherErrors = 0;
    this.#rateKept.abort();
    this.#setRate(this.options.bauds[0]);
    this.#requests.reset();
    this.#processor.reset();
    this.say(`bytom-tensority ${FIRMWARE_VERSION} on ${this.options.name}`);
    this.#processor.sendFault(1, 0);
  }

  #onStretch(bytes: Uint8Array): void {
    const decoded = decodeFrame(bytes);
    if (!decoded.ok) {
      if (decoded.fault === 'BAD_CRC') this.#crcErrors++;
      else this.#otherErrors++;
      const { seq, type } = decoded;
      if (seq !== undefined && type !== undefined) {
        const frame = { seq, type };
        this.#write(this.#nak(frame, new Refused(decoded.fault, 0)));
      }
      return;
    }
    this.#rateKept.abort();
    this.#onFrame(decoded.frame);
  }

  #onFrame(frame: Frame): void {
    if (frame.type >= ANSWER) {
      this.#otherErrors++;
      return;
    }
    const last = this.#last;
    const isHello = frame.type === TYPES.HELLO;
    const nonce = isHello ? bytesToHex(frame.payload) : '';
    const isNewNonce = isHello && !this.#helloNonces.includes(nonce);
    const isAnew = last === undefined || isNewNonce;
    if (!isAnew) {
      const behind = (last.seq - frame.seq) & 0xffff;
      const isRepeated = behind === 0 && frame.type === last.type;
      if (isRepeated && last.answer !== undefined) {
        this.#write(last.answer);
        return;
      }
      if (behind > 0 && behind < BEHIND) return;
    }
    if (isNewNonce) this.#helloNonces = [nonce, ...this.#helloNonces.slice(0, 1)];
    const held: Uint8Array[] = [];
    this.#held = held;
    const answer = this.#answer(frame);
    this.#held = undefined;
    this.#last = { seq: frame.seq, type: frame.type, answer };
    for (const each of [answer, ...held]) this.#write(each);
    this.#after(frame, answer);
  }

  #answer(frame: Frame): Uint8Array {
    const { script } = this;
    try {
      const [lowest, highest] = script.versions;
      const isOurs = frame.version >= lowest && frame.version <= highest;
      if (!isOurs && frame.type !== TYPES.HELLO) {
        throw new Refused('BAD_VERSION', lowest | (highest << 8));
      }
      const name = nameOf(frame.type);
      if (name === undefined) throw new Refused('UNKNOWN_TYPE', 0);
      const refusal = script.refusals.get(name);
      if (refusal !== undefined && refusal.times-- > 0) {
        throw new Refused(refusal.nak, refusal.detail);
      }
      const payload =
        name === 'HELLO'
          ? helloAnswer(frame.payload, this.#uid, this.options, script.versions)
          : this.#requests.answer(name, frame.payload);
      return encodeFrame(frame.type | ANSWER, frame.seq, payload);
    } catch (error) {
      if (error instanceof Refused) return this.#nak(frame, error);
      throw error;
    }
  }

  /** What an answer to be given first has as a consequence. */
  #after(frame: Frame, answer: Uint8Array): void {
    if (answer[1] === NAK) return;
    if (frame.type === TYPES.BAUD) {
      const { rate, fallbackMs } = BAUD.decode(frame.payload);
      this.#changeRate(rate, fallbackMs);
    }
    if (frame.type === TYPES.REBOOT) this.restart();
  }

  #changeRate(rate: number, fallbackMs: number): void {
    const before = this.#rate;
    if (rate === before) return;
    this.#rateKept.abort();
    const kept = new AbortController();
    this.#rateKept = kept;
    this.#setRate(rate);
    void this.#clock.sleep(fallbackMs, kept.signal).then(() => {
      if (kept.signal.aborted) return;
      this.#setRate(before);
      // Our answer may have been lost: its repetition must change the rate again.
      if (this.#last !== undefined) delete this.#last.answer;
    });
  }

  #setRate(rate: number | undefined): void {
    this.#rate = rate;
    if (rate !== undefined) this.#line?.setBaud?.(rate);
  }

  #nak({ seq, type }: { readonly seq: number; readonly type: number }, why: Refused): Uint8Array {
    const nak = NAK_NAMES.indexOf(why.nak);
    const info = why.info >>> 0;
    return encodeFrame(NAK, seq, NAK_MESSAGE.encode({ seq, nak, type, info }));
  }

  #sendEvent(type: number, payload: Uint8Array): void {
    if (this.#port === undefined) return;
    const frame = encodeFrame(type, this.#eventSeq, payload);
    this.#eventSeq = (this.#eventSeq + 1) & 0xffff;
    if (this.#held === undefined) this.#write(frame);
    else this.#held.push(frame);
  }

  #write(frame: Uint8Array): void {
    this.noise(slipEncode(frame));
  }
}

function nameOf(type: number): RequestName | undefined {
  const names = Object.keys(TYPES) as RequestName[];
  return names.find((name) => TYPES[name] === type);
}
