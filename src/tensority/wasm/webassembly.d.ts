/**
 * The part of the WebAssembly JavaScript interface that the kernels use. TypeScript declares it
 * only with the whole DOM, which has no place in a program for Node.
 */
declare namespace WebAssembly {
  class Module {
    constructor(bytes: Uint8Array<ArrayBuffer>);
  }
  class Instance {
    readonly exports: object;
    constructor(module: Module, imports: { readonly env: { readonly memory: Memory } });
  }
  class Memory {
    /** Shared memories only: `buffer` is a `SharedArrayBuffer`. */
    readonly buffer: SharedArrayBuffer;
    constructor(descriptor: {
      readonly initial: number;
      readonly maximum: number;
      readonly shared: true;
    });
  }
  function validate(bytes: Uint8Array<ArrayBuffer>): boolean;
}
