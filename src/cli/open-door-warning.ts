/** The warning when a server without authentication can be reached from other machines. Printed by serve.ts before it serves. Pure. */
import type { Config } from '../config/schema.ts';

type DoorConfig = Pick<
  Config,
  'auth' | 'host' | 'port' | 'grpcEnabled' | 'grpcPort' | 'adminEnabled' | 'adminHost' | 'adminPort' | 'modelControl'
>;

/** Lines for a terminal or a log; undefined where nobody but this machine can connect, or everybody has to identify. */
export function openDoorWarning(config: DoorConfig): string | undefined {
  if (config.auth === 'on') return undefined;
  const open = openDoors(config);
  if (open.length === 0) return undefined;
  const lines = [
    'WARNING: this server asks nobody who they are, and other machines can reach it.',
    '',
    ...open,
    '',
    'To close it: bind to 127.0.0.1 (--host, --admin-host), or turn on --auth on and give out API keys.',
  ];
  const width = Math.max(...lines.map((line) => line.length));
  const bar = '!'.repeat(width + 6);
  return [bar, ...lines.map((line) => `!! ${line.padEnd(width)} !!`), bar].join('\n');
}

function openDoors(config: DoorConfig): readonly string[] {
  const { host, port, grpcEnabled, grpcPort, adminEnabled, adminHost, adminPort, modelControl } = config;
  const doors: string[] = [];
  if (!isLoopback(host)) {
    const places = grpcEnabled ? `${host}, ports ${port} and ${grpcPort}` : `${host}, port ${port}`;
    const more = modelControl === 'explicit' ? ', load and unload models, change settings' : '';
    doors.push(`Open at ${places}: anybody there may use every model, read metrics${more}.`);
  }
  if (adminEnabled && !isLoopback(adminHost)) {
    doors.push(
      `Open at ${adminHost}, port ${adminPort}: anybody there may load and unload models, take profiles, change settings.`,
    );
  }
  return doors;
}

/** Names are taken at their word: only localhost is known to stay here. */
function isLoopback(host: string): boolean {
  const name = host.toLowerCase().replace(/^\[|\]$/g, '');
  const mapped = name.replace(/^::ffff:/, '');
  return name === 'localhost' || name === '::1' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(mapped);
}
