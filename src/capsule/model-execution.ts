import type { ModelExecution, Receipt } from '../../protocols/receipt/v1/schema.ts';

/** What a receipt says of a model's work; null where there was none. */
export function modelExecutionOf({ execution }: Receipt): ModelExecution | null {
  return execution !== null && 'model' in execution ? execution : null;
}
