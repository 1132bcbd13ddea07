/**
 * COPY ... FROM STDIN as a query of pg, which has the protocol's messages but no query that uses them. Called by postgres-predictions.ts;
 * the rows come packed (adapters/sql/pack-records.ts). Ends in exactly one way: its promise settles.
 */
import type { Connection, Submittable } from 'pg';

interface CopyConnection extends Connection {
  query(text: string): void;
  sendCopyFromChunk(chunk: Uint8Array): void;
  endCopyFrom(): void;
}

export class CopyIn implements Submittable {
  readonly done: Promise<void>;
  readonly #sql: string;
  readonly #rows: Uint8Array;
  #resolve!: () => void;
  #reject!: (error: Error) => void;

  constructor(sql: string, rows: Uint8Array) {
    this.#sql = sql;
    this.#rows = rows;
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // Whoever awaits it still sees the failure; nobody may be waiting yet.
    this.done.catch(() => {});
  }

  submit(connection: Connection): void {
    (connection as CopyConnection).query(this.#sql);
  }

  handleCopyInResponse(connection: CopyConnection): void {
    connection.sendCopyFromChunk(this.#rows);
    connection.endCopyFrom();
  }

  handleError(error: Error): void {
    this.#reject(error);
  }

  handleReadyForQuery(): void {
    this.#resolve();
  }

  handleCommandComplete(): void {}
  handleRowDescription(): void {}
  handleDataRow(): void {}
  handleEmptyQuery(): void {}
  handleCopyData(): void {}
  handlePortalSuspended(): void {}
}
