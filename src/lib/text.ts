/** The first `chars` UTF-16 units; half a character at the end, which no signed document may hold, is replaced. */
export function cutText(text: string, chars: number): string {
  return text.slice(0, chars).toWellFormed();
}
