/**
 * What is thrown when the configuration is wrong: every problem at once, each a sentence with source, field and expected value.
 * The CLI prints them and exits with 2. Shown to operators only, so paths they gave themselves may appear.
 */
export class ConfigError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.name = 'ConfigError';
    this.problems = problems;
  }
}
