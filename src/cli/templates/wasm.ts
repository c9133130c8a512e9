/** One file of a new capability's folder; the path has slashes. */
export interface TemplateFile {
  readonly path: string;
  readonly text: string;
}

/** A folder whose code is a module in WebAssembly, written in AssemblyScript: it counts the words of a text. */
export function wasmTemplate(name: string): TemplateFile[] {
  const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;
  return [
    { path: 'manifest.json', text: json(manifestOf(name)) },
    { path: 'examples.json', text: json(examplesOf(name)) },
    { path: 'package.json', text: json(packageOf(name)) },
    { path: 'assembly/index.ts', text: codeOf(name) },
    { path: 'assembly/capsule.ts', text: HELPERS },
    { path: 'README.md', text: readmeOf(name) },
  ];
}

function manifestOf(name: string): object {
  const capability = {
    id: `${name}.count`,
    intent: `${name}.count`,
    description: 'How many words a text has.',
    input: {
      type: 'object',
      properties: { text: { type: 'string', maxLength: 100_000 } },
      required: ['text'],
      additionalProperties: false,
    },
    output: {
      type: 'object',
      properties: { words: { type: 'integer', minimum: 0 } },
      required: ['words'],
      additionalProperties: false,
    },
    price: 0,
    estimatedLatency: 0.01,
    idempotent: true,
    streaming: false,
    maxConcurrent: 4,
  };
  return {
    id: name,
    version: '1.0.0',
    description: 'Counts words.',
    intents: [capability.id],
    permissions: ['progress'],
    capabilities: [capability],
  };
}

function examplesOf(name: string): object[] {
  const capability = `${name}.count`;
  return [
    { capability, payload: { text: 'One house, two "doors".' }, result: { words: 4 } },
    { capability, payload: { text: '' }, result: { words: 0 } },
  ];
}

/** Without a folder of packages: a node reads every file of a capability's folder. */
function packageOf(name: string): object {
  const flags = '-O --runtime stub --use abort=assembly/capsule/onAbort';
  const compiler = 'npx --yes --package assemblyscript@0.28 asc';
  return {
    name,
    private: true,
    scripts: { build: `${compiler} assembly/index.ts --outFile ${name}.wasm ${flags}` },
  };
}

function codeOf(name: string): string {
  return `import { answer, member, payload, progress } from './capsule';

/** Called for the intent "${name}.count": its name, with _ for what is neither a letter nor a digit. */
export function ${`${name}.count`.replace(/[^A-Za-z0-9_]/g, '_')}(): i32 {
  const text = member(payload(), 'text');
  progress('counting');
  let words = 0;
  let inside = false;
  for (let at = 0; at < text.length; at++) {
    const space = text.charCodeAt(at) <= 32;
    if (inside && space) inside = false;
    else if (!inside && !space) {
      inside = true;
      words++;
    }
  }
  return answer('{"words":' + words.toString() + '}');
}
`;
}

const HELPERS = `// What a plug-in needs of its node: Extism's memory, and the functions that the manifest's permissions open.

@external('extism:host/env', 'input_length') declare function input_length(): u64;
@external('extism:host/env', 'input_load_u8') declare function input_load_u8(at: u64): u8;
@external('extism:host/env', 'alloc') declare function alloc(length: u64): u64;
@external('extism:host/env', 'store_u8') declare function store_u8(at: u64, value: u8): void;
@external('extism:host/env', 'output_set') declare function output_set(at: u64, length: u64): void;
// Every function of a node's takes a JSON text and gives one: {"value": …}, or {"error": {"code": …, "message": …}}.
@external('extism:host/user', 'progress') declare function host_progress(json: u64): u64;

/** The payload, which is JSON. */
export function payload(): string {
  const bytes = new Uint8Array(i32(input_length()));
  for (let at = 0; at < bytes.length; at++) bytes[at] = input_load_u8(at);
  return String.UTF8.decode(bytes.buffer);
}

/** Hands over the result, which has to be JSON. */
export function answer(json: string): i32 {
  const bytes = Uint8Array.wrap(String.UTF8.encode(json));
  output_set(store(bytes), bytes.length);
  return 0;
}

/** Tells whoever waits how far it is. */
export function progress(stage: string): void {
  host_progress(store(Uint8Array.wrap(String.UTF8.encode('{"stage":"' + stage + '"}'))));
}

/** The text of a member of a flat JSON object; empty where it has none. */
export function member(json: string, name: string): string {
  let at = json.indexOf('"' + name + '":"');
  if (at < 0) return '';
  let text = '';
  for (at += name.length + 4; json.charAt(at) != '"'; at++) {
    if (json.charAt(at) != '\\\\') text += json.charAt(at);
    else {
      const escaped = json.charAt(++at);
      if (escaped == 'n') text += '\\n';
      else if (escaped == 't') text += '\\t';
      else if (escaped == 'r') text += '\\r';
      else if (escaped == 'u') {
        text += String.fromCharCode(i32(parseInt(json.substr(at + 1, 4), 16)));
        at += 4;
      } else text += escaped;
    }
  }
  return text;
}

/** What AssemblyScript calls when an assertion fails; the run ends as a trap. */
export function onAbort(message: string | null, file: string | null, line: u32, column: u32): void {}

function store(bytes: Uint8Array): u64 {
  const at = alloc(bytes.length);
  for (let offset = 0; offset < bytes.length; offset++) store_u8(at + offset, bytes[offset]);
  return at;
}
`;

function readmeOf(name: string): string {
  return `# ${name}

A capability in WebAssembly. \`npm run build\` makes \`${name}.wasm\` of the AssemblyScript in \`assembly/\`; any other language that
makes Extism plug-ins without WASI does as well.

\`\`\`console
$ npm run build
$ capsule start --capability-folder .
$ capsule permissions grant ${name} progress
$ capsule run ${name}.count --payload '{"text": "One house, two doors."}'
\`\`\`

A node loads \`manifest.json\` and the \`.wasm\`; its hash covers every file of this folder. \`examples.json\` has payloads and what they
give.
`;
}
