/** `hotpath optimize --background` and `hotpath tasks` as a user types them, against a real server. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { runCli } from '../../src/cli/run-cli.ts';
import { createTerminal } from '../../src/cli/terminal.ts';
import { netServer, quick } from './support/tasks.ts';

describe('the command line', () => {
  async function cli(args: readonly string[], isTTY = false) {
    let out = '';
    let err = '';
    const stdout = { write: (text: string) => (out += text) };
    const stderr = { isTTY, columns: 120, write: (text: string) => (err += text) };
    const env = { NO_COLOR: '1' };
    const code = await runCli(args, { terminal: createTerminal({ stdout, stderr }, env), env });
    return { code, out, err };
  }

  it('asks for a task, follows it, lists and cancels', async (test) => {
    const server = await netServer(test);
    const url = ['--url', server.adminUrl];
    assert.equal((await cli(['tasks', ...url])).out, 'No tasks. Ask for one: hotpath optimize <model> --background\n');
    const flags = ['--passes', 'fp16-weights', '--target', 'size', '--seconds', '0.01', '--max-drop', '5%'];
    const asked = await cli(['optimize', 'net', '--background', ...flags, ...url]);
    const id = asked.out.split('\n')[0]!;
    assert.deepEqual([asked.code, asked.err], [0, '']);
    assert.match(asked.out, new RegExp(`hotpath tasks ${id} --follow`));
    const followed = await cli(['tasks', id, '--follow', ...url], true);
    assert.equal(followed.code, 0);
    assert.match(followed.err, /\[[#-]{24}\] \d+ % {2}/);
    assert.match(followed.out, /^State +done$/m);
    assert.match(followed.out, /^> +FP16 weights .* passed$/m);
    assert.match(followed.out, /^Version 2 is served\.$/m);
    const listed = await cli(['tasks', ...url]);
    assert.match(listed.out, new RegExp(`^${id} +optimize +net 1 +done +.* ago +FP16 weights, version 2$`, 'm'));
    const { request } = JSON.parse((await cli(['tasks', id, '--json', ...url])).out);
    assert.deepEqual(request, { ...quick, maxDrop: 0.05, version: '1', register: true });
    const long = await cli(['optimize', 'net', '--background', '--no-register', '--json', ...url]);
    const other = JSON.parse(long.out);
    assert.match((await cli(['tasks', 'cancel', other.id, ...url])).out, /^(Cancelled\.|It is being stopped\.)/);
    const end = await cli(['tasks', other.id, '--follow', ...url]);
    assert.deepEqual([end.code, /^State +cancelled$/m.test(end.out)], [1, true]);
    assert.equal((await cli(['tasks', 'cancel', id, ...url])).out, 'It had ended before: done.\n');
  });

  it('registers what a task kept to itself', async (test) => {
    const server = await netServer(test);
    const url = ['--url', server.adminUrl];
    const flags = ['--passes', 'fp16-weights', '--target', 'size', '--seconds', '0.01', '--max-drop', '5%'];
    const asked = await cli(['optimize', 'net', '--background', '--no-register', ...flags, ...url]);
    const id = asked.out.split('\n')[0]!;
    const { out } = await cli(['tasks', id, '--follow', ...url]);
    assert.equal(out.trimEnd().split('\n').at(-1), `To serve it: hotpath tasks register ${id}`);
    assert.deepEqual(await cli(['tasks', 'register', id, ...url]), {
      code: 0,
      out: 'Version 2 is served.\n',
      err: '',
    });
  });

  it('passes on what the server says, and refuses what makes no sense', async (test) => {
    const server = await netServer(test);
    const url = ['--url', server.adminUrl];
    const wrong = await cli(['optimize', 'net', '--background', '--target', 'beauty', ...url]);
    assert.deepEqual(
      [wrong.code, wrong.err],
      [1, 'hotpath: INVALID_INPUT: target: expected one of latency, throughput, size, memory, got string "beauty"\n'],
    );
    const none = await cli(['tasks', 'x', ...url]);
    assert.deepEqual(
      [none.code, none.err],
      [1, 'hotpath: NOT_FOUND: There is no task "x"; GET /admin/tasks lists them.\n'],
    );
    const usage: readonly (readonly [readonly string[], RegExp])[] = [
      [['optimize', '--background'], /Give the name of one model/],
      [
        ['optimize', 'models/net/1/model.onnx', '--background'],
        /takes the name of a model of the server, not the file/,
      ],
      [['optimize', 'net', '--background', '--out', 'x'], /takes no --out/],
      [['optimize', 'net', '--background', '--hours', 'many'], /--hours must be a number/],
      [['optimize', 'net', '--background', '--max-drop', 'all'], /--max-drop must be a share/],
      [['tasks', 'cancel'], /Give the id of one task to cancel/],
      [['tasks', 'register', 'a', 'b'], /Give the id of one task to register/],
      [['tasks', 'a', 'b'], /Give the id of one task/],
      [['tasks', '--follow'], /--follow needs the id/],
      [['tasks', 'cancel', 'a', '--follow'], /cancel takes no --follow/],
    ];
    for (const [args, pattern] of usage) {
      const { code, err } = await cli([...args, ...url]);
      assert.equal(code, 2, args.join(' '));
      assert.match(err, pattern);
    }
    const away = await cli(['tasks', '--url', 'http://127.0.0.1:1']);
    assert.deepEqual([away.code, /No server answers at/.test(away.err)], [1, true]);
  });
});
