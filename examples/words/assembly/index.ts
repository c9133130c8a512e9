import { answer, member, payload, progress } from './capsule';

/** Called for the intent "words.count": its name, with _ for what is neither a letter nor a digit. */
export function words_count(): i32 {
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
