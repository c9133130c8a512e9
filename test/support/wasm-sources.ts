/* Sources in AssemblyScript of plug-ins that tests run. */

const PDK = `
import { Host } from '@extism/as-pdk';
function answer(text: string): i32 { Host.output(Uint8Array.wrap(String.UTF8.encode(text))); return 0; }
`;

const running = (body: string, more = ''): string => `${PDK}${more}export function run(): i32 { ${body} }`;

/** Each does one thing, well or badly, when `run` is called. */
export const SOURCES = {
  /** Says how long its input is, and gives it back. */
  echo: running(
    `const text = Host.inputString(); return answer('{"length":' + text.length.toString() + ',"input":' + text + '}');`,
  ),
  text: running('return answer("häßlich " + Host.inputString());'),
  /** Arithmetic with whole numbers and with fractions, a million rounds. */
  sum: running(`
    let whole: u64 = 88172645463325252; let part: f64 = 0;
    for (let round = 0; round < 1_000_000; round++) {
      whole ^= whole << 13; whole ^= whole >> 7; whole ^= whole << 17;
      part += Math.sqrt(f64(whole >> 11)) / 3;
    }
    return answer('{"whole":"' + whole.toString() + '","part":"' + part.toString() + '"}');`),
  loop: running('while (true) {} return 0;'),
  grow: running('while (true) { if (memory.grow(1) < 0) unreachable(); } return 0;'),
  /** Takes memory of Extism's for as long as it gets some. */
  blocks: running(
    'while (true) alloc(1_000_000); return 0;',
    '@external("extism:host/env", "alloc") declare function alloc(size: u64): u64;\n',
  ),
  deep: running(
    'return down(1) ;',
    'function down(depth: i32): i32 { return depth == -1 ? 0 : down(depth + 1) + 1; }\n',
  ),
  trap: running('unreachable(); return 0;'),
  says: running(
    'const memory = Memory.allocateString("There is no such town."); error_set(memory.offset); return 1;',
    'import { Memory } from "@extism/as-pdk"; @external("extism:host/env", "error_set") declare function error_set(at: u64): void;\n',
  ),
  silent: running('return 0;'),
  noJson: running('return answer("{no json");'),
  noText: running('const bytes = new Uint8Array(2); bytes[0] = 0xff; Host.output(bytes); return 0;'),
  large: running('Host.output(new Uint8Array(1_048_577)); return 0;'),
  unknownImport: running('return launch();', '@external("env", "launch") declare function launch(): i32;\n'),
  http: running(
    'fetchIt(0, 0); return 0;',
    '@external("extism:host/env", "http_request") declare function fetchIt(request: u64, body: u64): u64;\n',
  ),
} as const;

/** Hands its payload's `body` to the function of the host that its action names, and gives back what that answered. */
function calling(...names: readonly string[]): string {
  const declared = names
    .map((name) => `@external("extism:host/user", "${name}") declare function host_${name}(at: u64): u64;`)
    .join('\n');
  const functions = names.map(
    (name) => `export function unit_${name}(): i32 { return pass(host_${name}(input())); }`,
  );
  return `${PDK}
import { Memory } from '@extism/as-pdk';
@external("extism:host/env", "length") declare function lengthOf(at: u64): u64;
${declared}
function input(): u64 { return Memory.allocateString(Host.inputString()).offset; }
function pass(at: u64): i32 { Host.outputMemory(new Memory(at, lengthOf(at))); return 0; }
${functions.join('\n')}`;
}

export const HOST_CALLS = {
  alone: calling('now', 'config'),
  all: calling(
    ...['now', 'config', 'identity', 'progress', 'log', 'storage_get', 'storage_put', 'storage_delete'],
    ...['storage_list', 'network_fetch', 'models_list', 'models_chat'],
  ),
  /** Streams 20,000 pieces of 100 characters. */
  flood: `${PDK}
import { Memory } from '@extism/as-pdk';
@external("extism:host/user", "progress") declare function progress(at: u64): u64;
export function run(): i32 {
  const piece = Memory.allocateString('{"delta":"' + "0123456789".repeat(10) + '"}');
  for (let count = 0; count < 20_000; count++) progress(piece.offset);
  return answer("null");
}`,
  /** Asks for a page that never comes. */
  waiting: `${PDK}
import { Memory } from '@extism/as-pdk';
@external("extism:host/user", "network_fetch") declare function fetchIt(at: u64): u64;
export function run(): i32 {
  fetchIt(Memory.allocateString('{"url":"https://example.org/never"}').offset);
  return answer("null");
}`,
  /** Says what the whole intent is that the common function gets. */
  intent: `${PDK}export function run(): i32 { return answer(Host.inputString()); }`,
} as const;
