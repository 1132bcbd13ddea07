/**
 * Which hosts features may be fetched from, and to which addresses their names may lead. An operator who names a host exactly may mean
 * one inside the company; a pattern such as `*.example.com` is a promise of others, so that private addresses are refused behind it.
 * Addresses of metadata services are refused always.
 */
import { isIP } from 'node:net';
import { SourceFailure } from '../../core/features/source-failure.ts';
import { classOf } from './address-class.ts';

interface HostRule {
  /** In the spelling of the URL parser, without brackets or a last dot; of patterns what follows `*`. */
  readonly host: string;
  readonly wildcard: boolean;
  /** Undefined: the scheme's own. */
  readonly port: string | undefined;
}

export class HostPolicy {
  readonly #rules: readonly HostRule[];
  readonly #text: string;

  /** @param hosts `featureHosts`: `name`, `name:port`, `name:*` or the same with `*.suffix`. @throws Error naming a wrong one. */
  constructor(hosts: string) {
    const parts = hosts.split(',').map((part) => part.trim());
    this.#rules = parts.filter((part) => part !== '').map(parseRule);
    this.#text = this.#rules.length === 0 ? 'none' : hosts;
  }

  /** Whether the host's name is allowed; addresses it resolves to come later. @throws SourceFailure. */
  check(url: URL): void {
    const match = this.#match(url);
    if (match === undefined) {
      throw new SourceFailure(`The host ${url.host} is not among featureHosts (${this.#text}).`, false);
    }
    const host = hostOf(url);
    if (isIP(host) !== 0) this.checkAddress(url, host);
  }

  /** Whether a connection to `address` may be made for this URL. @throws SourceFailure. */
  checkAddress(url: URL, address: string): void {
    const kind = classOf(address);
    const match = this.#match(url);
    if (kind === 'forbidden' || match === undefined) throw refused(url, address, 'which is never connected to');
    if (kind === 'private' && match.wildcard) {
      throw refused(url, address, 'a private address, and featureHosts names it only by a pattern');
    }
  }

  /** An exact rule counts before a pattern. */
  #match(url: URL): HostRule | undefined {
    const host = hostOf(url);
    const port = url.port || (url.protocol === 'https:' ? '443' : '80');
    const fits = (rule: HostRule): boolean =>
      (rule.wildcard ? host.endsWith(rule.host) && host.length > rule.host.length : host === rule.host) &&
      (rule.port === undefined ? url.port === '' : rule.port === '*' || rule.port === port);
    const matches = this.#rules.filter(fits);
    return matches.find((rule) => !rule.wildcard) ?? matches[0];
  }
}

/** Without brackets, a last dot, or capitals. */
export function hostOf({ hostname }: URL): string {
  const plain = hostname.startsWith('[') ? hostname.slice(1, -1) : hostname;
  return plain.replace(/\.$/, '').toLowerCase();
}

function parseRule(text: string): HostRule {
  const [, star, name, port] = /^(\*(?=\.))?(\[[^\]]+\]|[^:*/@\s]+)(?::(\d{1,5}|\*))?$/.exec(text) ?? [];
  // The letter stands for what `*` does, because a name may not begin with a dot.
  const url = name === undefined ? null : URL.parse(`http://${star === undefined ? '' : 'x'}${name}`);
  if (url === null) {
    throw new Error(`featureHosts: expected names such as features.internal:8080 or *.example.com, got "${text}".`);
  }
  const host = hostOf(url);
  return { host: star === undefined ? host : host.slice(1), wildcard: star !== undefined, port };
}

function refused(url: URL, address: string, why: string): SourceFailure {
  return new SourceFailure(`The host ${url.host} leads to ${address}, ${why}.`, false);
}
