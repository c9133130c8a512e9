/** Requests at once before anything is known: what an Ollama server with room enough used to take. */
const FIRST = 4;
const MOST = 16;
/** Answers before one more than flowed at once is tried again. */
const HOLD_ANSWERS = 64;
/** Answers in a row that must end with fewer flowing: short ones may miss each other by chance. */
const DOUBTS = 3;

/**
 * How many answers of one model flow at once. No server says it, but it shows: of more requests than it works on at once,
 * some wait for their first token until another has ended.
 */
export class Parallelism {
  #limit: number = FIRST;
  #open = 0;
  #flowing = 0;
  /** Since as many requests as the limit were open. */
  #mostFlowing = 0;
  #full = false;
  #hold = 0;
  #doubts = 0;

  get limit(): number {
    return this.#limit;
  }

  /** Of one request: say when its first token is there, and when it has ended. */
  begin(): { flows: () => void; end: () => void } {
    let flows = false;
    if (++this.#open >= this.#limit && !this.#full) {
      this.#full = true;
      this.#mostFlowing = this.#flowing;
    }
    return {
      flows: () => {
        if (flows) return;
        flows = true;
        this.#mostFlowing = Math.max(this.#mostFlowing, ++this.#flowing);
      },
      end: () => {
        if (this.#full && flows) this.#learn();
        this.#open--;
        if (flows) this.#flowing--;
        this.#full &&= this.#open >= this.#limit;
      },
    };
  }

  #learn(): void {
    if (this.#hold > 0) this.#hold--;
    this.#doubts = this.#mostFlowing < this.#limit ? this.#doubts + 1 : 0;
    if (this.#doubts >= DOUBTS) {
      this.#limit = Math.max(1, this.#mostFlowing);
      this.#hold = HOLD_ANSWERS;
      this.#doubts = 0;
    } else if (this.#doubts > 0) return;
    else if (this.#hold === 0) this.#limit = Math.min(MOST, this.#limit + 1);
  }
}
