/** The part of the engine's WebAssembly that is used here: without a browser's library nothing declares it. */

declare namespace WebAssembly {
  function validate(bytes: Uint8Array<ArrayBuffer>): boolean;
  class Module {
    constructor(bytes: Uint8Array<ArrayBuffer>);
  }
  class Memory {
    readonly buffer: ArrayBuffer;
  }
  class RuntimeError extends Error {}
  interface Instance {
    readonly exports: Readonly<Record<string, unknown>>;
  }
  interface ModuleExportDescriptor {
    readonly name: string;
    readonly kind: string;
  }
  type ModuleImportDescriptor = ModuleExportDescriptor & { readonly module: string };
}
