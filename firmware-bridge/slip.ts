/**
 * SLIP, and the text between frames. What may surprise: there is no state "inside a frame". Each
 * stretch between two END bytes stands for itself, so a lost END costs one frame and no more
 * (PROTOCOL.md, "Framing").
 */

const END = 0xc0;
const ESC = 0xdb;
const ESC_END = 0xdc;
const ESC_ESC = 0xdd;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/** A line of the log is cut into pieces of this many bytes. */
export const MAX_LINE_BYTES = 256;

/** The bytes of a frame as they go over the wire: escaped, an END before and after. */
export function slipEncode(frame: Uint8Array): Uint8Array {
  let escapes = 0;
  for (const byte of frame) if (byte === END || byte === ESC) escapes++;
  const out = new Uint8Array(frame.length + escapes + 2);
  let at = 0;
  out[at++] = END;
  for (const byte of frame) {
    if (byte === END || byte === ESC) {
      out[at++] = ESC;
      out[at++] = byte === END ? ESC_END : ESC_ESC;
    } else {
      out[at++] = byte;
    }
  }
  out[at] = END;
  return out;
}

export interface SlipListener {
  /** An unescaped stretch that is not text; whether it is a frame is for the listener to find out. */
  onStretch(bytes: Uint8Array): void;
  /** A line of text, without its line feed. */
  onText(line: string): void;
  /** Bytes that can be neither. */
  onGarbage(count: number): void;
}

export class SlipDecoder {
  readonly #listener: SlipListener;
  #buffer: Uint8Array;
  #length = 0;
  #mode: 'start' | 'frame' | 'text' | 'spoiled' = 'start';
  #isEscaped = false;
  /** Bytes of the stretch so far, escapes included. */
  #raw = 0;

  /** Frames of up to `maxFrame` bytes are taken. */
  constructor(maxFrame: number, listener: SlipListener) {
    this.#buffer = new Uint8Array(Math.max(maxFrame, MAX_LINE_BYTES));
    this.#listener = listener;
  }

  /** Takes longer frames from now on. */
  raise(maxFrame: number): void {
    if (maxFrame <= this.#buffer.length) return;
    const longer = new Uint8Array(maxFrame);
    longer.set(this.#buffer.subarray(0, this.#length));
    this.#buffer = longer;
  }

  /** Bytes of a stretch that is no text and has not ended: at another baud rate, all there ever is. */
  get pending(): number {
    return this.#mode === 'text' ? 0 : this.#raw;
  }

  push(bytes: Uint8Array): void {
    for (const byte of bytes) this.#take(byte);
  }

  #take(byte: number): void {
    if (byte === END) {
      this.#end();
      return;
    }
    this.#raw++;
    if (this.#mode === 'start') {
      // Line ends of a log that begins within its line, and idle lines, mean nothing.
      if (byte === LINE_FEED || byte === CARRIAGE_RETURN) {
        this.#raw--;
        return;
      }
      this.#mode = isPrintable(byte) ? 'text' : 'frame';
    }
    if (this.#mode === 'text') this.#takeText(byte);
    else if (this.#mode === 'frame') this.#takeFrame(byte);
  }

  #takeText(byte: number): void {
    if (byte === LINE_FEED) {
      this.#endText();
      return;
    }
    if (byte === CARRIAGE_RETURN) return;
    if (!isPrintable(byte)) {
      this.#mode = 'spoiled';
      return;
    }
    this.#buffer[this.#length++] = byte;
    if (this.#length === MAX_LINE_BYTES) this.#endText();
  }

  #takeFrame(byte: number): void {
    let value = byte;
    if (this.#isEscaped) {
      this.#isEscaped = false;
      if (byte === ESC_END) value = END;
      else if (byte === ESC_ESC) value = ESC;
      else this.#mode = 'spoiled';
    } else if (byte === ESC) {
      this.#isEscaped = true;
      return;
    }
    if (this.#length === this.#buffer.length) this.#mode = 'spoiled';
    if (this.#mode === 'frame') this.#buffer[this.#length++] = value;
  }

  // The listener comes last, here and below: it may raise the limit, or throw.
  #end(): void {
    if (this.#mode === 'text') {
      this.#endText();
      return;
    }
    const isWhole = this.#mode === 'frame' && !this.#isEscaped;
    const stretch = isWhole ? this.#buffer.slice(0, this.#length) : undefined;
    const raw = this.#raw;
    this.#reset();
    if (stretch !== undefined) this.#listener.onStretch(stretch);
    else if (raw > 0) this.#listener.onGarbage(raw);
  }

  #endText(): void {
    const line = String.fromCharCode(...this.#buffer.subarray(0, this.#length));
    this.#reset();
    this.#listener.onText(line);
  }

  #reset(): void {
    this.#mode = 'start';
    this.#length = 0;
    this.#raw = 0;
    this.#isEscaped = false;
  }
}

/** Printable ASCII and the tab. */
function isPrintable(byte: number): boolean {
  return (byte >= 0x20 && byte <= 0x7e) || byte === 0x09;
}
