/** `hotpath train` as a user runs it, in this process, and a table to run it on: for the tests of that command. */
import { runCli } from '../../../src/cli/run-cli.ts';
import type { OutputStream } from '../../../src/cli/terminal.ts';
import { createTerminal } from '../../../src/cli/terminal.ts';
import { seededRandom } from '../../../src/core/seeded-random.ts';

export const iris = new URL('../../../data/iris.csv', import.meta.url).pathname;

export function train(...args: string[]) {
  return trainOn({}, ...args);
}

/** @param stderr what is different about standard error, such as that it is a terminal */
export async function trainOn(stderr: Partial<OutputStream>, ...args: string[]) {
  let [out, err] = ['', ''];
  const streams = {
    stdout: { write: (text: string) => (out += text) },
    stderr: { write: (text: string) => (err += text), ...stderr },
  };
  const code = await runCli(['train', ...args], { terminal: createTerminal(streams, {}), env: {} });
  return { code, out, err };
}

/** Customers who leave: told by age and plan, with holes, a row number, a date and a column that knows the answer. */
export function customers(rows: number): string {
  const random = seededRandom(3);
  const lines = ['id;since;age;plan;region;cancelled_on;churn'];
  for (let row = 0; row < rows; row++) {
    const age = Math.round(18 + random() * 60);
    const plan = Math.floor(random() * 3);
    const churn = (age < 40 ? 1 : 0) + (plan === 1 ? 1 : 0) + random() > 1.2;
    const region = ['north', 'south', '"east; far"', ''][Math.floor(random() * 4)];
    const shownAge = random() < 0.05 ? '' : `${age},5`;
    lines.push(
      `${row};2024-01-${10 + (row % 18)};${shownAge};${plan};${region};${churn ? 'x' : ''};${churn ? 'yes' : 'no'}`,
    );
  }
  return `\ufeff${lines.join('\r\n')}\r\n`;
}
