/** A promise that is settled from outside, once: later calls do nothing. */
export class Deferred<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  settled = false;

  constructor() {
    const { promise, resolve } = Promise.withResolvers<T>();
    this.promise = promise;
    this.resolve = (value) => {
      this.settled = true;
      resolve(value);
    };
  }
}
