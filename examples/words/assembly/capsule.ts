// What a plug-in needs of its node: Extism's memory, and the functions that the manifest's permissions open.

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
    if (json.charAt(at) != '\\') text += json.charAt(at);
    else {
      const escaped = json.charAt(++at);
      if (escaped == 'n') text += '\n';
      else if (escaped == 't') text += '\t';
      else if (escaped == 'r') text += '\r';
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
